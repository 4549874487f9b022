"""Raw tables in, staged tables out: renamed, cast, judged row by row, both clocks on every row.

Local times: a time that carries no zone is local in the source's (else the company's) time zone. An hour that
happens twice when clocks go back is read as its second, standard-time pass; an hour that clocks jump over is
read as if they had not jumped yet, so 02:30 becomes 03:30. Dates are midnight as they are and never shifted.
"""

from datetime import UTC, datetime

from features.config import Settings
from features.contracts import SOURCES, TEXT, TIME, Source
from features.engine import Engine
from features.errors import SourceError
from features.sources.accounts import derive_accounts, fill_started_at
from features.sources.counting import COPIES_UP_TO
from features.sources.judging import judging
from features.sources.mapping import KNOWN_AT, Resolved, canonical_columns, named_text, resolve
from features.sources.memory import asked
from features.sources.raw import Raw, open_raw
from features.sources.sift import sift
from features.sources.staged import Staged, StagedSource
from features.sources.work import QUARANTINE, Work


def stage(settings: Settings, engine: Engine, *, now: datetime | None = None) -> Staged:
    """Make every canonical source a table or view of the engine that keeps its contract.

    Rows that break it are left out and kept, whole and with their reason, in the quarantine. Parquet files
    without repeated keys stay where they are and are scanned there; everything else is read once. A
    source that is not mapped is an empty table.

    Args:
        settings: the company's configuration.
        engine: where the tables are made.
        now: naive UTC; rows that happened later are in the future. Default: the clock.

    Raises:
        SourceError: a source cannot be read, its mapping is wrong, or no clock in it can be read.
    """
    if engine.name != settings.engine:
        raise SourceError(
            f'engine = "{settings.engine}": this is computed on {engine.name} alone; use a configuration '
            f'with engine = "{engine.name}"'
        )
    now = now or datetime.now(UTC).replace(tzinfo=None)
    engine.remembered = {}
    engine.create(QUARANTINE, _nothing(dict.fromkeys(("source", "reason", "row"), TEXT)))
    staged: dict[str, StagedSource] = {}
    for name in ("accounts", "subscriptions", "usage"):
        if name in settings.sources:
            staged[name] = _stage_one(SOURCES[name], settings, engine, now, known="accounts" in staged)
    if "accounts" not in staged:
        staged["accounts"] = derive_accounts(engine, staged)
    elif "started_at" not in staged["accounts"].columns:
        staged["accounts"] = fill_started_at(engine, staged)
    for name, source in SOURCES.items():
        if name in settings.sources and name not in staged:
            staged[name] = _stage_one(source, settings, engine, now, known=True)
        elif name not in staged:
            engine.create(name, _nothing(_columns(source)))
    carried = staged["accounts"].columns
    return Staged(
        sources=staged,
        attributes=tuple(c for c in carried if c not in canonical_columns("accounts")),
        now=now,
        warnings=tuple(_copies_told(source) for source in staged.values() if source.copies),
    )


def _stage_one(source: Source, settings: Settings, engine: Engine, now: datetime, *, known: bool) -> StagedSource:
    """Stage one source; `known` tells that the accounts are staged, so that ids can be looked up there."""
    mapping = settings.sources[source.name]
    raw = _raw(source.name, settings, engine)
    resolved = resolve(source.name, mapping, raw, engine)
    key = _key(source, resolved)
    try:
        how = judging(
            source,
            resolved,
            raw,
            zone=mapping.timezone or settings.company.timezone,
            now=now,
            check_accounts=known and source.belongs_to_accounts,
            tidy=_tidy(source.name, resolved, raw, engine) if raw.in_place else frozenset(),
            words=engine,
        )
        return sift(Work(source=source, raw=raw, resolved=resolved, how=how, key=key), engine)
    except SourceError as error:
        where = "" if str(error).startswith("[sources.") else f"[sources.{source.name}] {raw.place}: "
        raise SourceError(f"{where}{error}") from error


def _raw(name: str, settings: Settings, engine: Engine) -> Raw:
    """One source's raw rows, read as the engine reads them."""
    mapping = settings.sources[name]
    if settings.engine == "spark":
        from features.spark.raw import open_raw as open_on_spark

        return open_on_spark(name, mapping, settings, engine)
    return open_raw(name, mapping, settings, engine, named_text(name, mapping))


def _key(source: Source, resolved: Resolved) -> tuple[str, ...]:
    """What tells one row from another: row_id where mapped, else the contract's key where its ids are."""
    mapped = resolved.expressions
    if "row_id" in mapped:
        return ("row_id",)
    complete = all(c in mapped for c in source.key if c in source.required or c.endswith("_id"))
    return tuple(c for c in source.key if c in mapped) if complete else ()


def _tidy(source: str, resolved: Resolved, raw: Raw, engine: Engine) -> frozenset[str]:
    """Text columns that one look finds trimmed, so that no later scan in place has to trim them again."""
    texts = {c: sql for c, sql in resolved.expressions.items() if resolved.types[c] == "VARCHAR"}
    if not texts:
        return frozenset()
    untidy = ", ".join(f"COUNT_IF({sql} <> {engine.trimmed(sql)} OR {sql} = '') AS \"{c}\"" for c, sql in texts.items())
    counts = asked(engine, source, f'SELECT {untidy} FROM "{raw.relation}" AS raw')
    sums = ", ".join(f'SUM("{c}")' for c in texts)
    found = engine.rows(f"SELECT {sums} FROM ({counts})")[0]
    return frozenset(column for column, count in zip(texts, found, strict=True) if count == 0)


def _columns(source: Source) -> dict[str, str]:
    """The columns of a staged table with their types."""
    own = {source.staged_name(c): source.staged_type(c) for c in source.columns}
    return own | {KNOWN_AT: TIME, "superseded_at": TIME}


def _nothing(columns: dict[str, str]) -> str:
    named = ", ".join(f'CAST(NULL AS {kind}) AS "{column}"' for column, kind in columns.items())
    return f"SELECT {named} WHERE false"


def _copies_told(source: StagedSource) -> str:
    about = "about " if source.rows_good > COPIES_UP_TO else ""
    return (
        f"{source.name}: {about}{source.copies:,} of {source.rows_good:,} rows are exact copies of another row "
        "and count as rows of their own; map row_id if they are loaded twice"
    )
