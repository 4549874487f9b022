"""Which raw column or expression stands for each canonical column, and did-you-mean where none does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from features.config import Mapping
from features.contracts import SOURCES, TEXT
from features.engine import Engine
from features.errors import SourceError
from features.sources.raw import Raw

KNOWN_AT = "known_at"


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """SQL over the raw rows for each mapped canonical column and each attribute, with the type it has."""

    expressions: dict[str, str]
    attributes: dict[str, str]
    types: dict[str, str]


def canonical_columns(name: str) -> tuple[str, ...]:
    """Every column a mapping of this source may name."""
    return (*SOURCES[name].columns, KNOWN_AT)


def named_text(name: str, mapping: Mapping) -> list[str]:
    """Mapped values and names that are text if they are plain raw columns."""
    wanted = SOURCES[name].columns
    texts = [column for column, kind in wanted.items() if kind == TEXT]
    return [mapping.columns.get(column, column) for column in texts] + [
        _attribute(given, {})[1] for given in mapping.attributes
    ]


def resolve(name: str, mapping: Mapping, raw: Raw, engine: Engine) -> Resolved:
    """Turn a mapping into SQL over the raw rows.

    A value that is exactly a raw column's name is that column; anything else is an SQL expression.
    Canonical columns that the raw rows have under their own name need no mapping; `"NULL"` leaves one out.

    Raises:
        SourceError: an unknown canonical column, a missing raw column, or an expression that is not SQL.
    """
    known = canonical_columns(name)
    for column in mapping.columns:
        if column not in known:
            near = _near(column, known)
            raise SourceError(
                f"[sources.{name}] {column}: {name} has no such column{near}; "
                f"it has {', '.join(known)} (further columns of accounts go under `attributes`)"
            )
    lower = {column.lower(): column for column in raw.columns}
    own = {column: lower[column] for column in known if column in lower}
    given = {column: value for column, value in (own | mapping.columns).items() if value.upper() != "NULL"}
    missing = [column for column in SOURCES[name].required if column not in given]
    if missing:
        raise SourceError(
            f"[sources.{name}] {missing[0]} is required and not mapped, and {raw.place} has no column of "
            f'that name; it has {", ".join(raw.columns)}. Write {missing[0]} = "<column or SQL>"'
        )
    attributes = dict(_attribute(text, raw.columns) for text in mapping.attributes)
    _check_attributes(name, attributes)
    expressions = {column: _expression(value, raw) for column, value in given.items()}
    extra = {column: _expression(value, raw) for column, value in attributes.items()}
    return Resolved(expressions=expressions, attributes=extra, types=_types(name, expressions | extra, raw, engine))


def _attribute(text: str, columns: dict[str, str]) -> tuple[str, str]:
    """`"country"` carries that column; `"region = upper(country)"` an expression under a name."""
    named = re.match(r"^\s*(\w+)\s*=(?!=)\s*(.+)$", text, re.DOTALL)
    if named is None or text in columns:
        return text, text
    return named[1], named[2]


def _check_attributes(name: str, attributes: dict[str, str]) -> None:
    if attributes and name != "accounts":
        raise SourceError(f"[sources.{name}] attributes: only accounts carry attributes; move them there")
    for attribute in attributes:
        if attribute.lower() in (*canonical_columns("accounts"), "superseded_at", "at"):
            raise SourceError(
                f"[sources.accounts] attributes: {attribute} is the name of a canonical column; "
                f'give it another name: "my_{attribute} = {attributes[attribute]}"'
            )


def _expression(value: str, raw: Raw) -> str:
    if value in raw.columns:
        return '"' + value.replace('"', '""') + '"'
    return f"({value}\n)"


def _types(name: str, given: dict[str, str], raw: Raw, engine: Engine) -> dict[str, str]:
    """The SQL types of expressions over the raw rows; binding them is also how they are checked."""
    try:
        return dict(zip(given, _bound(given.values(), raw, engine), strict=True))
    except SourceError:
        for column, sql in given.items():  # alone, to tell which of them it is
            try:
                _bound([sql], raw, engine)
            except SourceError as error:
                raise _not_bound(name, column, sql, raw, str(error)) from None
        raise


def _bound(expressions: Iterable[str], raw: Raw, engine: Engine) -> list[str]:
    named = ", ".join(f"{sql} AS _type_{number}" for number, sql in enumerate(expressions))
    return list(engine.types(f'SELECT {named} FROM "{raw.relation}" AS raw').values())


def _not_bound(name: str, column: str, sql: str, raw: Raw, detail: str) -> SourceError:
    value = sql.removeprefix("(").removesuffix("\n)")
    unknown = re.search(r'Referenced column "(.+?)" (?:was )?not found', detail)
    wanted = unknown[1] if unknown else value
    what = f"has no column {wanted!r}" if unknown else f"does not understand {value!r}: {_first_line(detail)}"
    near = _near(wanted, tuple(raw.columns)) if unknown else ""
    if "(DATE, BIGINT)" in detail:
        near = "; write days as INTEGER: day + CAST(days AS INTEGER)"
    return SourceError(
        f"[sources.{name}] {column} = {value!r}: {raw.place} {what}{near}; its columns are {', '.join(raw.columns)}"
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]


def _near(word: str, words: tuple[str, ...]) -> str:
    by_lower = {w.lower(): w for w in words}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[near[0]]!r}" if near else ""
