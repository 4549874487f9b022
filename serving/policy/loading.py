"""Read a policy: the shipped default, with what a company's own policy.toml replaces."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from serving.errors import ServingError
from serving.policy.check import problems_of
from serving.policy.document import Policy

DEFAULT = "default.toml"
REMOVE = "remove"


def load(path: Path | None = None) -> Policy:
    """The shipped policy, or the one that results when a company's own file replaces parts of it.

    Whatever stands directly in a section of the own file replaces what has the same name in that section of the
    shipped one, whole: `[warnings.W9]` the rule W9, `daily_budget` under `[alerts]` that number. `remove = [...]` at
    the top takes entries out first: "warnings.W9", or "tiers" for all of them.

    Raises:
        ServingError: the file is missing or not TOML, a value is not allowed, or a rule has no response.
    """
    shipped = tomllib.loads((files("serving.policy") / DEFAULT).read_text(encoding="utf-8"))
    own = {} if path is None else _read(path)
    where = DEFAULT if path is None else str(path)
    content = merge(shipped, own, where)
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        raise ServingError(f"{where} is not a valid policy:\n{_told(error)}") from error
    except ServingError as error:
        raise ServingError(f"{where} is not a valid policy:\n  {error}") from error
    if found := problems_of(policy):
        raise ServingError(f"{where} is not a valid policy:\n" + "\n".join(f"  {line}" for line in found))
    return policy


def merge(shipped: dict[str, Any], own: dict[str, Any], where: str) -> dict[str, Any]:
    """The content of two files put together, as `load` says.

    Raises:
        ServingError: `remove` names something that is not there.
    """
    kept = {section: dict(entries) for section, entries in shipped.items()}
    removed = own.get(REMOVE, [])
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise ServingError(f'{where}: remove is a list of names, such as ["warnings.W9"]; got {removed!r}')
    for name in removed:
        section, _, entry = name.partition(".")
        if section not in kept or (entry and entry not in kept[section]):
            raise ServingError(f"{where}: remove = [{name!r}]: the shipped policy has no such entry; correct the name")
        kept[section] = {} if not entry else {k: v for k, v in kept[section].items() if k != entry}
    for section, entries in own.items():
        if section == REMOVE:
            continue
        if not isinstance(entries, dict):
            raise ServingError(f"{where}: {section} stands outside any table; put it under a [section]")
        kept[section] = kept.get(section, {}) | entries
    return kept


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServingError(f"{path} does not exist; leave it out to use the shipped policy") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ServingError(f"{path} is not valid TOML: {error}") from error


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
