"""What a source delivered: its good rows and their span, its broken ones by reason, its copies."""

from typing import Any

from features.engine import Engine
from features.errors import SourceError
from features.sources.memory import asked
from features.sources.staged import Broken, StagedSource
from features.sources.work import QUARANTINE, Work

COPIES_UP_TO = 1_000_000
"""Exact copies of unkeyed rows are counted in sources of up to this many rows; in larger ones a sample of them is."""
SAMPLE = 64
"""Copies have one hash, so one hash in so many tells about their number."""


def summary(work: Work, engine: Engine) -> StagedSource:
    """Count the judged rows in one pass.

    Raises:
        SourceError: no row has an account and a clock.
    """
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
