"""The keepwell.toml that `init` writes: every guess with its reason, what is unsure behind a `#`."""

from dataclasses import dataclass

from features.contracts import SOURCES


@dataclass(frozen=True, kw_only=True)
class Column:
    """One guessed mapping: `value` is a raw column or SQL. One that is not `sure` is written as a comment."""

    name: str
    value: str
    why: str
    sure: bool = True


@dataclass(frozen=True, kw_only=True)
class SourceGuess:
    """What one file, or one glob of files, is taken for."""

    source: str
    path: str
    columns: tuple[Column, ...]
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What a folder's files are taken for, and the files nothing was made of."""

    sources: tuple[SourceGuess, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()


def render(found: Guess) -> str:
    """A commented keepwell.toml: every guess with its reason, what is unsure behind a `#`."""
    lines = [
        "# Written by `keepwell init` from a look at your files. Check every line: a value is a column name or",
        "# SQL over the file's columns. Lines behind a # are guesses that need your word. Then: keepwell check",
        "",
        "[company]",
        'name = "company"',
        f'business_model = "{"saas" if _has(found, "subscriptions") else "b2c"}"  # b2b, saas or b2c',
        'timezone = "UTC"  # the zone of times that carry none; dates stay as they are',
    ]
    for source in found.sources:
        lines += ["", *_rendered(source)]
    lines += [line for note in found.notes for line in ("", f"# {note}")]
    if found.unused:
        lines += ["", f"# Not used: {', '.join(found.unused)}"]
    return "\n".join([*lines, "", *_churn(found), ""])


def _rendered(source: SourceGuess) -> list[str]:
    lines = [f"[sources.{source.source}]  # {SOURCES[source.source].grain}", f"path = {_toml(source.path)}"]
    for column in source.columns:
        lines.append(_line(column))
    if source.attributes:
        listed = ", ".join(_toml(a) for a in source.attributes)
        lines.append(f"attributes = [{listed}]  # carried along, few values each")
    return lines


def _line(column: Column) -> str:
    if column.sure:
        return f"{column.name} = {_toml(column.value)}  # {column.why}"
    if column.value.lower() == column.name:  # would map itself
        return f'{column.name} = "NULL"  # left out: {column.why}'
    return f"# {column.name} = {_toml(column.value)}  # {column.why}"


def _churn(found: Guess) -> list[str]:
    if _has(found, "subscriptions"):
        kind = ["[churn]", 'kind = "contract"  # there are subscriptions: churn is a term that ends without another']
        kind += ["horizon_days = 30", "grace_days = 0  # days within which a new term still counts as staying"]
    else:
        kind = ["[churn]", 'kind = "inactivity"  # there are no subscriptions: churn is no usage for horizon_days']
        kind += ["horizon_days = 30"]
    return [*kind, "", "[snapshots]", "every_days = 28  # or: before_renewal_days = 7, or: dates = [...]"]


def _has(found: Guess, name: str) -> bool:
    return any(source.source == name for source in found.sources)


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
