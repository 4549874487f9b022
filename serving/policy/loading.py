"""Read a policy: the shipped default, with what a company's own policy.toml replaces."""

import tomllib
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from features.errors import SourceError
from features.overriding import overlay, read_toml
from serving.errors import ServingError
from serving.policy.check import problems_of
from serving.policy.document import Policy

DEFAULT = "default.toml"


def load(path: Path | None = None) -> Policy:
    """The shipped policy, or the one that results when a company's own file replaces parts of it.

    Whatever stands directly in a section of the own file replaces what has the same name in that section of the
    shipped one, whole: `[warnings.W9]` the rule W9, `daily_budget` under `[alerts]` that number. `remove = [...]` at
    the top takes entries out first: "warnings.W9", or "tiers" for all of them.

    Raises:
        ServingError: the file is missing or not TOML, a value is not allowed, or a rule has no response.
    """
    shipped = tomllib.loads((files("serving.policy") / DEFAULT).read_text(encoding="utf-8"))
    where = DEFAULT if path is None else str(path)
    try:
        own = {} if path is None else read_toml(path)
        content = overlay(shipped, own, where)
    except SourceError as error:
        raise ServingError(str(error)) from error
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        raise ServingError(f"{where} is not a valid policy:\n{_told(error)}") from error
    except ServingError as error:
        raise ServingError(f"{where} is not a valid policy:\n  {error}") from error
    if found := problems_of(policy):
        raise ServingError(f"{where} is not a valid policy:\n" + "\n".join(f"  {line}" for line in found))
    return policy


ADVICE = {
    "missing": "is missing; add it (a tier, warning or play needs its response, owner and deadline)",
    "extra_forbidden": "is not a key of this table; correct or remove it",
}


def _told(error: ValidationError) -> str:
    lines = []
    for wrong in error.errors():
        *table, key = [str(part) for part in wrong["loc"]] or ["the file"]
        what = ADVICE.get(wrong["type"], wrong["msg"].removeprefix("Value error, "))
        lines.append(f"  [{'.'.join(table)}] {key}: {what}" if table else f"  [{key}]: {what}")
    return "\n".join(lines)
