"""The contract report: what every source delivered, what was left out and why, and what looks wrong across them."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.check.doubts import (
    Contradiction,
    accounts_without_usage,
    constant,
    contradiction,
    contradiction_told,
    hindsight,
    known_ahead,
    late,
    leading_zeros,
)
from features.config import Settings
from features.contracts import SOURCES
from features.engine import Engine
from features.sources import QUARANTINE, Broken, Staged, StagedSource


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What one source delivered: times in ISO 8601, UTC. `mapping` is column -> raw column or SQL."""

    name: str
    place: str
    grain: str
    mapping: dict[str, str]
    rows_read: int
    rows_good: int
    rows_quarantined: int
    quarantined: tuple[Broken, ...]
    first_at: str | None
    last_at: str | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """The contract report as plain values. `ok` is False when `problems` has one."""

    ok: bool
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[SourceReport, ...]
    accounts: int
    accounts_without_usage: float | None
    segments: dict[str, int]
    contradiction: Contradiction | None

    def plain(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return asdict(self)


def report(settings: Settings, engine: Engine, staged: Staged) -> Report:
    """Look at the staged sources, each by itself and across.

    Args:
        settings: the company's configuration.
        engine: where the sources are staged.
        staged: what staging said of them.
    """
    sources = tuple(_source(staged.sources[name]) for name in SOURCES if name in staged.sources)
    problems = tuple(_problem(source) for source in sources if _is_refused(source))
    found = contradiction(engine, staged)
    without = accounts_without_usage(engine, staged)
    warnings = [
        *staged.warnings,
        *contradiction_told(found),
        *([f"{without:.0%} of accounts have no usage at all"] if without and without > 0.5 else []),
        *leading_zeros(engine),
        *late(staged),
        *(told for source in staged.sources.values() for told in constant(engine, source)),
        *known_ahead(engine, staged),
        *hindsight(staged),
    ]
    return Report(
        ok=not problems,
        problems=problems,
        warnings=tuple(warnings),
        sources=sources,
        accounts=staged.sources["accounts"].rows_good,
        accounts_without_usage=without,
        segments=_segments(engine, staged),
        contradiction=found,
    )


def write_quarantine(engine: Engine, folder: Path) -> dict[str, Path]:
    """Write the rows left out to `folder/<source>.parquet`: source, reason and the raw row as JSON.

    Files of an earlier run go. Returns the files written, by source.
    """
    written = {}
    broken = {str(row[0]) for row in engine.rows(f"SELECT DISTINCT source FROM {QUARANTINE}")}
    for name in SOURCES:
        path = folder / f"{name}.parquet"
        if name in broken:
            engine.save(f"SELECT * FROM {QUARANTINE} WHERE source = '{name}' ORDER BY reason, row", path)
            written[name] = path
        else:
            path.unlink(missing_ok=True)
    return written


def _source(told: StagedSource) -> SourceReport:
    return SourceReport(
        name=told.name,
        place=told.place,
        grain=SOURCES[told.name].grain,
        mapping=told.columns,
        rows_read=told.rows_read,
        rows_good=told.rows_good,
        rows_quarantined=told.rows_quarantined,
        quarantined=told.quarantined,
        first_at=_iso(told.first_at),
        last_at=_iso(told.last_at),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _is_refused(source: SourceReport) -> bool:
    return source.rows_good == 0 or source.rows_quarantined * 2 > source.rows_read


def _problem(source: SourceReport) -> str:
    left_out = f"{source.rows_quarantined:,} of {source.rows_read:,} rows of {source.place} are quarantined"
    most = f", most because: {source.quarantined[0].example}" if source.quarantined else ""
    return f"{source.name}: {left_out}{most}; look at the mapping in [sources.{source.name}] first"


def _segments(engine: Engine, staged: Staged) -> dict[str, int]:
    """Accounts by segment, as known now."""
    if not staged.has("accounts", "segment"):
        return {}
    counted = engine.rows(
        "SELECT COALESCE(segment, ''), COUNT(*) FROM accounts WHERE superseded_at IS NULL "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    )
    return {str(segment): int(str(n)) for segment, n in counted}
