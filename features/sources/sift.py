"""One source's rows sifted: good ones become its staged table or view, broken ones go to the quarantine."""

from dataclasses import replace

from features.engine import Engine
from features.sources.counting import summary
from features.sources.mapping import KNOWN_AT
from features.sources.memory import forget
from features.sources.staged import StagedSource
from features.sources.work import QUARANTINE, Work

NEWEST = "CAST(NULL AS TIMESTAMP) AS superseded_at"


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
    told = summary(work, engine)
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
