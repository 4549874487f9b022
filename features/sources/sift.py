"""One source's rows sifted: good ones become its staged table or view, broken ones go to the quarantine."""

from dataclasses import dataclass, replace
from typing import Any

from features.contracts import Source
from features.engine import Engine
from features.errors import SourceError
from features.sources.judging import Judging
from features.sources.mapping import KNOWN_AT, Resolved
from features.sources.memory import asked, forget
from features.sources.raw import Raw
from features.sources.staged import Broken, StagedSource

QUARANTINE = "_quarantine"
NEWEST = "CAST(NULL AS TIMESTAMP) AS superseded_at"
COPIES_UP_TO = 1_000_000
"""Exact copies of unkeyed rows are counted in sources of up to this many rows; in larger ones a sample of them is."""
SAMPLE = 64
"""Copies have one hash, so one hash in so many tells about their number."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A source on its way: its contract, raw rows, mapping, SQL, and what tells one row from another."""

    source: Source
    raw: Raw
    resolved: Resolved
    how: Judging
    key: tuple[str, ...]
    repeats: bool = False
    """Whether any key comes more than once; only then are rows others' versions."""
    doubles: bool = False
    """Whether any key comes more than once as known at one moment; only then must rows be compared with each other."""

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def versioned(self) -> bool:
        """Whether the company says when rows became known."""
        return KNOWN_AT in self.resolved.expressions

    @property
    def same(self) -> tuple[str, ...]:
        """What no two rows may have in common."""
        return (*self.key, KNOWN_AT) if self.versioned else self.key

    @property
    def in_place(self) -> bool:
        """Whether rows stay in their files: where none is compared with another, nor given a start later."""
        return self.raw.in_place and not self.repeats and self.name != "accounts"


def sift(work: Work, engine: Engine) -> StagedSource:
    """Stage one source and say what it delivered.

    Raises:
        SourceError: the engine cannot compute an expression, or no row has an account and a clock.
    """
    name = work.name
    engine.view(f"_typed_{name}", work.how.typed)
    repeats = _repeats(work, engine, "_again", work.key)
    doubles = _repeats(work, engine, "_double", work.same) if repeats else False
    work = replace(work, repeats=repeats, doubles=doubles)
    scanned = work.raw.in_place and not doubles
    keep = engine.view if scanned else engine.create
    keep(f"_judged_{name}", _judged(work, engine))
    told = _summary(work, engine)
    if told.rows_quarantined:
        broken = f'SELECT _reason, _row FROM "_judged_{name}" WHERE _reason IS NOT NULL'
        engine.append(QUARANTINE, f"SELECT '{name}' AS source, _reason AS reason, _row AS row FROM ({broken})")
    reasons = {broken.reason for broken in told.quarantined}
    if work.how.may_pass(reasons):
        forget(engine, name)
    columns, good = ", ".join(work.how.staged), f'"_judged_{name}" WHERE _reason IS NULL'
    if scanned:
        kept = work.how.keeps(reasons)
        good = f'"_typed_{name}" WHERE {kept}'
    if work.in_place:
        engine.view(name, f"SELECT {columns}, {NEWEST} FROM {good}")
        return told
    engine.create(name, _versions(work, engine, columns, good))
    if not scanned:
        for relation in (f"_judged_{name}", f"_typed_{name}", work.raw.relation):
            engine.drop(relation)
    return told


def _repeats(work: Work, engine: Engine, table: str, columns: tuple[str, ...]) -> bool:
    """Keep the hashes of some columns' values that come more than once as `<table>_<source>`; say if there are any.

    Most come once. Rows are ranked within those of the others alone, which takes memory for these only.
    """
    if not columns:
        return False
    hashed = engine.key_hash(_quoted(columns))
    repeated = f'SELECT {hashed} AS _key FROM "_typed_{work.name}" GROUP BY 1 HAVING COUNT(*) > 1'
    engine.create(f"{table}_{work.name}", repeated)
    return bool(engine.rows(f'SELECT 1 FROM "{table}_{work.name}" LIMIT 1'))


def _among(work: Work, engine: Engine, table: str, columns: tuple[str, ...]) -> str:
    """SQL condition of the rows whose values come more than once, see `_repeats`."""
    return f'{engine.key_hash(_quoted(columns))} IN (SELECT _key FROM "{table}_{work.name}")'


def _judged(work: Work, engine: Engine) -> str:
    """Staged columns with `_reason`, and `_row`, the whole raw row, of the broken ones."""
    judged = work.how.judged(f"_typed_{work.name}")
    columns = ", ".join(work.how.staged)
    row = f"CASE WHEN _reason IS NOT NULL THEN {engine.json('_raw')} END AS _row"
    if not work.doubles:
        return f"SELECT {columns}, _reason, {row}, {engine.row_hash('_raw')} AS _hash FROM ({judged})"
    same, doubled = ", ".join(_quoted(work.same)), _among(work, engine, "_double", work.same)
    order = ", ".join(f"{column} NULLS LAST" for column in (KNOWN_AT, *work.how.staged))
    copy = f"ROW_NUMBER() OVER (PARTITION BY _reason IS NULL, {same} ORDER BY {order})"
    once = f"SELECT *, 1 AS _copy FROM ({judged}) WHERE NOT {doubled}"
    more = f"SELECT *, {copy} AS _copy FROM ({judged}) WHERE {doubled}"
    reason = f"CASE WHEN _reason IS NULL AND _copy > 1 THEN {_repeated(work)} ELSE _reason END AS _reason"
    ranked = f"SELECT {columns}, _raw, {reason} FROM ({once} UNION ALL {more})"
    return f"SELECT {columns}, _reason, {row} FROM ({ranked})"


def _repeated(work: Work) -> str:
    has_own_id = "row_id" in work.key or "row_id" not in work.source.columns
    advice = "map row_id if these are different rows"
    if has_own_id:
        advice = "one is kept" if work.versioned else "one is kept; map known_at if these are versions"
    values = ", ".join(f"COALESCE(CAST({column} AS STRING), '')" for column in _quoted(work.same))
    return f"'duplicate key ({', '.join(work.same)}), {advice}: ' || LEFT(CONCAT_WS(', ', {values}), 80)"


def _versions(work: Work, engine: Engine, columns: str, rows: str) -> str:
    """Staged rows with `superseded_at`: when the next version of their key became known."""
    if not (work.repeats and work.versioned):
        return f"SELECT {columns}, {NEWEST} FROM {rows}"
    key = ", ".join(_quoted(work.key))
    following = f"LEAD({KNOWN_AT}) OVER (PARTITION BY {key} ORDER BY {KNOWN_AT}) AS superseded_at"
    again = _among(work, engine, "_again", work.key)
    once = f"SELECT {columns}, {NEWEST} FROM {rows} AND NOT {again}"
    return f"{once} UNION ALL SELECT {columns}, {following} FROM {rows} AND {again}"


def _quoted(columns: tuple[str, ...]) -> list[str]:
    return [f'"{column}"' for column in columns]


def _summary(work: Work, engine: Engine) -> StagedSource:
    """Count the rows in one pass: the good ones with their span, the broken ones by reason."""
    at = f'"{work.source.at}"'
    by_reason = f"""SELECT SPLIT_PART(_reason, ': ', 1) AS reason, COUNT(*) AS n, MIN(_reason) AS example,
                           MIN({at}) AS first, MAX({at}) AS last FROM "_judged_{work.name}" GROUP BY 1"""
    counts = _asked(work, engine, by_reason, "reason IS NOT NULL")
    counted: list[Any] = engine.rows(
        f"SELECT reason, CAST(SUM(n) AS BIGINT) AS rows, MIN(example), MIN(first), MAX(last) "
        f"FROM ({counts}) GROUP BY reason ORDER BY rows DESC, reason"
    )
    broken = [Broken(reason=row[0], count=row[1], example=row[2]) for row in counted if row[0] is not None]
    broken += _unreadable(work, engine)
    good, first, last = next(((r[1], r[3], r[4]) for r in counted if r[0] is None), (0, None, None))
    told = StagedSource(
        name=work.name,
        place=work.raw.place,
        columns={c: _plain(sql) for c, sql in (work.resolved.expressions | work.resolved.attributes).items()},
        versioned=work.versioned,
        in_place=work.in_place,
        rows_read=good + sum(b.count for b in broken),
        rows_good=good,
        quarantined=tuple(broken),
        first_at=first,
        last_at=last,
        copies=_copies(work, engine, good),
    )
    _refuse_without_clock(work, told)
    return told


def _plain(sql: str) -> str:
    """The value as the user wrote it."""
    if sql.startswith('"'):
        return sql[1:-1].replace('""', '"')
    return sql.removeprefix("(").removesuffix("\n)")


def _refuse_without_clock(work: Work, told: StagedSource) -> None:
    """A source none of whose rows has an account or a clock is a wrong mapping, not broken rows."""
    at = work.source.at
    hopeless = {"account_id is missing", f"{at} is missing", f"{at} is not a time"}
    if told.rows_good or not {broken.reason for broken in told.quarantined} <= hopeless:
        return
    worst = told.quarantined[0]
    column = worst.reason.split(" ")[0]
    hint = "map another column"
    if worst.reason.endswith("a time"):
        hint = "write an expression: try_strptime(x, '%d/%m/%Y'), or to_timestamp(x) for seconds since 1970"
    raise SourceError(
        f"[sources.{told.name}] {column} = {told.columns.get(column)!r}: "
        f"in all {told.rows_read:,} rows of {told.place} {worst.example}; {hint}"
    )


def _unreadable(work: Work, engine: Engine) -> list[Broken]:
    """Lines of a CSV that do not have its header's columns, kept in the quarantine as text."""
    if work.raw.rejected is None:
        return []
    lines = f'"{work.raw.rejected}"'
    engine.append(QUARANTINE, f"SELECT '{work.name}' AS source, reason, row FROM {lines}")
    [(count, example)] = engine.rows(f"SELECT COUNT(*), MIN(reason) FROM {lines}")
    return [Broken(reason="unreadable line", count=int(str(count)), example=str(example))] if count else []


def _copies(work: Work, engine: Engine, good: int) -> int | None:
    if work.key:
        return 0
    hashes = f'SELECT _hash, COUNT(*) AS n FROM "_judged_{work.name}" WHERE _reason IS NULL'
    share = 1 if good <= COPIES_UP_TO else SAMPLE
    of_share = _asked(work, engine, f"{hashes} AND _hash % {share} = 0 GROUP BY _hash")
    sql = f"SELECT CAST(SUM(n) AS BIGINT) - COUNT(DISTINCT _hash) FROM ({of_share})"
    return share * int(str(engine.rows(sql)[0][0] or 0))


def _asked(work: Work, engine: Engine, question: str, unless: str = "FALSE") -> str:
    """What is remembered of the source's files, where its rows stay there and its accounts are all still known."""
    if not work.in_place or work.name not in engine.remembered:
        return question
    if work.how.checks_accounts:
        ids = asked(engine, work.name, f'SELECT DISTINCT account_id FROM "_typed_{work.name}"')
        if engine.rows(f"SELECT 1 FROM ({ids}) WHERE account_id NOT IN (SELECT account_id FROM accounts) LIMIT 1"):
            return question
    return asked(engine, work.name, question, unless)
