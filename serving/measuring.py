"""From a configuration to what retention reads: staged sources and the store's past, as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection

from features.config import Settings
from features.engine import open_engine
from features.snapshots import midnight, span
from features.sources import stage
from retention import house
from retention.blocks import Report
from retention.inputs import Inputs, Standards, open_inputs
from retention.report import Tell, measure
from serving import policy
from serving.batch import opened_store
from serving.delivery.loop import utc_now
from serving.policy import Policy
from serving.store import history, reported, reports


@contextmanager
def inputs_of(settings: Settings, as_of: datetime | None, tell: Tell) -> Iterator[Inputs]:
    """What measurements read, as of a moment; None for the last midnight in the data."""
    rules = house.load(settings.retention_file)
    with open_engine(settings.home_dir) as engine:
        tell("reading the sources", 0, 1)
        staged = stage(settings, engine)
        day = as_of or midnight(span(engine, staged)[1])
        with opened_store(settings) as store, store.read() as db:
            kept = history.tables(db, until=day)
        yield open_inputs(engine, staged, settings, rules, day, kept, standards(policy.load(settings.policy_file)))


def standards(rules: Policy) -> Standards:
    """What measurements read of a policy."""
    return Standards(
        tiers=tuple(band.name for band in rules.bands),
        touch_every_days={level: rule.touch_every_days for level, rule in rules.risk.items()},
        renewal_days=tuple(sorted((window.days for window in rules.renewal.values()), reverse=True)),
    )


def retention_report(settings: Settings, as_of: datetime | None, tell: Tell) -> Report:
    """The retention report as of a moment."""
    with inputs_of(settings, as_of, tell) as inputs:
        return measure(inputs, tell)


def keep_report(settings: Settings, report: Report) -> bool:
    """Keep a retention report in the store, for the pages and the API; whether it is new."""
    with opened_store(settings) as store, store.write() as db:
        return keep(db, report, at=utc_now())


def keep(db: Connection, report: Report, *, at: datetime) -> bool:
    """Keep a report, and its rows by account where no later moment is measured; whether the report is new."""
    body = report.as_json()
    is_new = reports.keep(db, reports.RETENTION, body, as_of=report.as_of, at=at)
    if report.as_of == reports.moments(db, reports.RETENTION)[-1]:
        reported.keep(db, body, as_of=report.as_of, at=at)
    return is_new
