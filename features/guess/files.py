"""A first keepwell.toml from a look at a folder's files: what each is and what its columns are, with doubts said."""

from dataclasses import replace
from pathlib import Path

from features.contracts import CENTS, FLAG, SOURCES, TEXT, TIME, Source
from features.errors import SourceError
from features.guess.draft import Column, Guess, SourceGuess
from features.guess.look import NEARLY_ALL, Look, column_name, is_named, look_at, patterns, plain
from features.guess.synonyms import ACCOUNT_IDS, COLUMNS, FILES, PERSON_IDS


def guess(folder: Path) -> Guess:
    """Guess which canonical source each CSV or Parquet file of a folder is.

    Raises:
        SourceError: no file there holds usage or subscriptions.
    """
    looks = [look_at(folder, pattern) for pattern in patterns(folder)]
    pairs = [(_likeness(look, source), source.name, look) for look in looks for source in SOURCES.values()]
    taken: dict[str, Look] = {}
    for score, name, look in sorted(pairs, key=lambda p: (-p[0], p[2].path, p[1])):
        if score > 0 and name not in taken and look not in taken.values():
            taken[name] = look
    if not {"usage", "subscriptions"} & taken.keys():
        seen = "; ".join(f"{look.path} ({', '.join(look.types)})" for look in looks) or "no CSV or Parquet file"
        raise SourceError(
            f"{folder}: found neither usage (an account and a time) nor subscriptions (an account, a start and "
            f"an end) in {seen}; write keepwell.toml by hand"
        )
    notes = []
    if "accounts" in taken and (missing := _missing_accounts(taken)) > 1 - NEARLY_ALL:
        partial = taken.pop("accounts")
        notes.append(f"{partial.path} lacks {missing:.0%} of the accounts seen elsewhere: not taken for accounts")
    sources = tuple(_source(SOURCES[name], taken[name]) for name in SOURCES if name in taken)
    unused = [look.path for look in looks if look not in taken.values()]
    return Guess(sources=sources, unused=tuple(unused), notes=tuple(notes))


def _likeness(look: Look, source: Source) -> int:
    """How much a file looks like a source: 0 when what the source needs is not there."""
    columns = {column.name: column for column in _columns(source, look)}
    if not set(source.required) <= {name for name, column in columns.items() if column.sure}:
        return 0
    telling = [c for c in columns.values() if c.sure and c.name not in ("account_id", "user_id", source.at)]
    if source.name == "subscriptions" and not {"ended_at", "renews_at", "mrr"} & columns.keys():
        return 0
    if source.name == "accounts" and not look.tells_rows_apart([columns["account_id"].value]):
        return 0
    named = any(is_named(look.path, word) for word in FILES[source.name])
    if not named and source.name not in ("usage", "subscriptions", "accounts"):
        return len(telling) - 1
    return len(telling) + (10 if named else 1)


def _missing_accounts(taken: dict[str, Look]) -> float:
    """Share of the accounts seen in usage or subscriptions that the accounts file does not have."""
    shares = []
    for name in {"usage", "subscriptions"} & taken.keys():
        own, other = (_columns(SOURCES[n], taken[n])[0].value for n in ("accounts", name))
        seen = f"SELECT DISTINCT CAST({column_name(other)} AS VARCHAR) AS id FROM rows"
        known = f"SELECT CAST({column_name(own)} AS VARCHAR) FROM {taken['accounts'].read}"
        sql = f"SELECT AVG(CAST(id NOT IN ({known}) AS INTEGER)) FROM ({seen}) WHERE id IS NOT NULL"
        [(share,)] = taken[name].db.execute(sql).fetchall()
        shares.append(float(share or 0))
    return max(shares)


def _columns(source: Source, look: Look) -> list[Column]:
    """The best raw column for each canonical one, every raw column used once."""
    found: list[Column] = []
    used: set[str] = set()
    account = _account(source, look)
    if account:
        found.append(account)
        used.add(account.value)
    for name, kind in [*source.columns.items(), ("known_at", TIME)]:
        names = [name, *COLUMNS.get(f"{source.name}.{name}", ()), *COLUMNS.get(name, ())]
        raw = next((r for n in names for r in look.types if plain(r) == n and r not in used), None)
        if name != "account_id" and raw is not None and _fits(look.types[raw], kind):
            used.add(raw)
            found.append(_judged(source, name, raw, look))
    names_found = {column.name for column in found}
    times = [r for r, kind in look.types.items() if _fits(kind, TIME) and r not in used]
    if source.at in source.required and source.at not in names_found and len(times) == 1:
        found.append(Column(name=source.at, value=times[0], why="the only time in the file"))
    if "kind" in source.required and "kind" not in names_found:
        found += _kind(source, look)
    return _versions(source, look, found)


def _account(source: Source, look: Look) -> Column | None:
    """Organisations come before persons: a person is an account only where nothing larger is named."""
    own = ("id", "code", "name") if source.name == "accounts" else ()
    for names, why in ((ACCOUNT_IDS, "names an account"), (PERSON_IDS, "no larger unit is named"), (own, "")):
        for name in names:
            for raw in look.types:
                if plain(raw) == name:
                    return Column(name="account_id", value=raw, why=why or "identifies the rows of this file")
    return None


def _fits(raw_type: str, kind: str) -> bool:
    is_time = raw_type == "DATE" or raw_type.startswith("TIMESTAMP")
    if kind == TIME:
        return is_time
    if kind == TEXT:
        return not is_time
    if kind == FLAG:
        return raw_type in ("BOOLEAN", "VARCHAR", "BIGINT", "INTEGER", "TINYINT")
    return raw_type in ("DOUBLE", "FLOAT", "HUGEINT") or "INT" in raw_type or raw_type.startswith("DECIMAL")


def _judged(source: Source, name: str, raw: str, look: Look) -> Column:
    sure, why = True, "has this name" if plain(raw) == name else "by its name"
    if name in source.allowed:
        listed = ", ".join(f"'{value}'" for value in source.allowed[name])
        text = f"LOWER(TRIM(CAST({column_name(raw)} AS VARCHAR)))"
        sure = look.share(f"{text} IS NULL OR {text} IN ({listed})") >= NEARLY_ALL
        shown = ", ".join(look.values(raw)[:5])
        why = why if sure else f"holds {shown}; must be one of {', '.join(source.allowed[name])}"
    elif name == "row_id" and source.name == "usage":
        sure, why = False, "only needed where rows may be loaded twice"
    elif name == "row_id":
        sure = look.tells_rows_apart([raw])
        why = "every row has its own" if sure else "is not unique: does it tell rows apart?"
    elif name == "known_at" and plain(raw) in COLUMNS["updated"]:
        sure, why = False, "when a row was last changed; the versions before are gone"
    elif source.columns.get(name) == CENTS:
        why += "; in currency units"
    return Column(name=name, value=raw, why=why, sure=sure)


def _versions(source: Source, look: Look, columns: list[Column]) -> list[Column]:
    """Where a key repeats and a column says when a row changed, rows are versions, known from then on."""
    mapped = {column.name: column for column in columns}
    key = ("row_id",) if "row_id" in mapped and source.name != "usage" else source.key
    raw = [mapped[c].value for c in key if c in mapped]
    if "known_at" not in mapped or not raw or look.tells_rows_apart(raw):
        return columns
    if not look.tells_rows_apart([*raw, mapped["known_at"].value]):
        return columns
    why = {"known_at": "rows are versions, known from here on", "row_id": "tells rows apart, over their versions"}
    return [replace(c, sure=True, why=why[c.name]) if c.name in why else c for c in columns]


def _kind(source: Source, look: Look) -> list[Column]:
    """What kind of feedback or contact a file without such a column holds, by the file's name."""
    kinds = source.allowed.get("kind", ("meeting", "email", "training", "call"))
    told = next((kind for kind in kinds if is_named(look.path, kind)), None)
    if told:
        return [Column(name="kind", value=f"'{told}'", why="by the file's name")]
    return []


def _source(source: Source, look: Look) -> SourceGuess:
    columns = tuple(_columns(source, look))
    used = {column.value for column in columns}
    carried = tuple(
        raw
        for raw, kind in look.types.items()
        if source.name == "accounts"
        and raw not in used
        and kind == "VARCHAR"
        and 2 <= len(look.values(raw)) <= 50
        and plain(raw) not in (*source.columns, "known_at", "superseded_at", "at")
    )
    return SourceGuess(source=source.name, path=look.path, columns=columns, attributes=carried)
