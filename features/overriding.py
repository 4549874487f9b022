"""A company's own rules laid over the shipped ones: the same for every file of rules."""

import tomllib
from pathlib import Path
from typing import Any

from features.errors import SourceError

REMOVE = "remove"


def overlay(shipped: dict[str, Any], own: dict[str, Any], where: str) -> dict[str, Any]:
    """The content of two files put together.

    Whatever stands directly in a section of the own file replaces what has the same name in that section of the
    shipped one, whole. `remove = [...]` at the top takes entries out first: "warnings.W9", or "tiers" for all of them.

    Raises:
        SourceError: `remove` names something that is not there, or something stands outside any section.
    """
    kept = {section: dict(entries) for section, entries in shipped.items()}
    removed = own.get(REMOVE, [])
    if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
        raise SourceError(f'{where}: remove is a list of names, such as ["warnings.W9"]; got {removed!r}')
    for name in removed:
        section, _, entry = name.partition(".")
        if section not in kept or (entry and entry not in kept[section]):
            raise SourceError(f"{where}: remove = [{name!r}]: the shipped file has no such entry; correct the name")
        kept[section] = {} if not entry else {k: v for k, v in kept[section].items() if k != entry}
    for section, entries in own.items():
        if section == REMOVE:
            continue
        if not isinstance(entries, dict):
            raise SourceError(f"{where}: {section} stands outside any table; put it under a [section]")
        kept[section] = kept.get(section, {}) | entries
    return kept


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content.

    Raises:
        SourceError: it is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist; leave it out to use the shipped rules") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid TOML: {error}") from error
