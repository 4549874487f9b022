"""What a measurement reads: the company's tables and what Keepwell kept, all as known at one moment, in one engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from features.config import Settings
from features.contracts import SOURCES
from features.engine import Engine
from features.sources import Staged
from retention.house import House
from retention.ledger import lifetimes

TEXT, MOMENT, NUMBER, COUNT, FLAG = pa.string(), pa.timestamp("us"), pa.float64(), pa.int64(), pa.bool_()

KEPT = {
    "score_history": {
        "account_id": TEXT,
        "as_of": MOMENT,
        "segment": TEXT,
        "owner": TEXT,
        "churn_probability": NUMBER,
        "health_score": NUMBER,
        "tier": TEXT,
        "risk_level": TEXT,
        "yearly_value": NUMBER,
        "value_at_risk": NUMBER,
        "renewal_at": MOMENT,
        "driver": TEXT,
        "top_driver_1": TEXT,
        "top_driver_2": TEXT,
        "top_driver_3": TEXT,
        "inactive": FLAG,
    },
    "driver_history": {
        "account_id": TEXT,
        "as_of": MOMENT,
        "driver": TEXT,
        "title": TEXT,
        "owners": TEXT,
        "log_odds": NUMBER,
    },
    "sign_history": {
        "account_id": TEXT,
        "rule": TEXT,
        "at": MOMENT,
        "severity": TEXT,
        "text": TEXT,
        "due_at": MOMENT,
        "closed_at": MOMENT,
        "closed_by": TEXT,
    },
    "decision_history": {
        "account_id": TEXT,
        "at": MOMENT,
        "by": TEXT,
        "choice": TEXT,
        "play": TEXT,
        "reason": TEXT,
    },
    "play_history": {
        "account_id": TEXT,
        "at": MOMENT,
        "play": TEXT,
        "owner": TEXT,
        "arm": TEXT,
        "driver": TEXT,
        "cost": NUMBER,
        "outcome": TEXT,
    },
    "holdout_history": {"account_id": TEXT, "arm": TEXT, "at": MOMENT},
    "check_history": {
        "id": COUNT,
        "account_id": TEXT,
        "item": TEXT,
        "at": MOMENT,
        "by": TEXT,
        "is_done": FLAG,
        "note": TEXT,
    },
    "fact_history": {"account_id": TEXT, "name": TEXT, "value": NUMBER, "moment": MOMENT, "at": MOMENT},
}
"""What Keepwell's own store holds, by table and column; each is an empty table where there is no store.

`score_history` has one row an account and kept run, `driver` being the policy's; `driver_history` one row an
account and driver that raises its risk in the newest run, `owners` being roles with commas between; `sign_history`
the warning signs, `play_history` the plays recorded in Keepwell, `holdout_history` who was drawn into which arm and
when, `check_history` what was ticked or found (of the same moment the higher id counts), `fact_history` what persons
told (neither value nor moment: taken back).
"""

CLOCK = {"score_history": "as_of", "driver_history": "as_of"}


@dataclass(frozen=True, kw_only=True)
class Standards:
    """What the policy sets and measurements read, as plain values: retention knows no policy.

    Attributes:
        tiers: names of the tiers, the healthiest first.
        touch_every_days: by risk level.
        renewal_days: the renewal windows, the widest first.
    """

    tiers: tuple[str, ...] = ()
    touch_every_days: Mapping[str, float] = field(default_factory=dict)
    renewal_days: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The tables of one engine, as known at `as_of`.

    For every canonical source there is a view `known_{source}`: rows that happened before `as_of` and were known by
    then, of each row the newest version known by then. Contract terms that begin before `as_of` keep an end that lies
    after it. `known_interventions` holds the source's plays and those of the store. The tables of `KEPT` are cut too.
    """

    engine: Engine
    staged: Staged
    settings: Settings
    house: House
    as_of: datetime
    standards: Standards = Standards()

    def has(self, source: str, *columns: str) -> bool:
        """Whether the company's data have this source and fill these columns."""
        return source in self.staged.sources and all(self.staged.has(source, column) for column in columns)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        return self.engine.rows(sql)

    @property
    def moment(self) -> str:
        """`as_of` as a SQL literal."""
        return self.engine.moment(self.as_of)


def open_inputs(
    engine: Engine,
    staged: Staged,
    settings: Settings,
    house: House,
    as_of: datetime,
    kept: Mapping[str, pa.Table] | None = None,
    standards: Standards | None = None,
) -> Inputs:
    """Make the views and tables that measurements read, and those of `retention.ledger.lifetimes`.

    Args:
        engine: with the staged sources in it.
        staged: what staging delivered.
        settings: the company.
        house: its retention.toml.
        as_of: the moment; naive UTC.
        kept: tables of `KEPT` out of the store; those that are missing are empty.
        standards: what the policy sets.
    """
    at = engine.moment(as_of)
    for source in SOURCES.values():
        clock = f"COALESCE(r.{source.at}, r.known_at)" if source.name == "accounts" else f"r.{source.at}"
        engine.run(
            f"""CREATE OR REPLACE VIEW known_{source.name} AS SELECT * FROM {source.name} r
                WHERE {clock} < {at} AND r.known_at <= {at}
                  AND (r.superseded_at IS NULL OR r.superseded_at > {at})"""
        )
    for name, columns in KEPT.items():
        schema = pa.schema(list(columns.items()))
        table = (kept or {}).get(name, schema.empty_table()).select(list(columns)).cast(schema)
        engine.register(f"_{name}", table)
        engine.create(name, f"SELECT * FROM _{name} r WHERE r.{CLOCK.get(name, 'at')} <= {at}")
    engine.run(_all_plays(at))
    inputs = Inputs(
        engine=engine,
        staged=staged,
        settings=settings,
        house=house,
        as_of=as_of,
        standards=standards or Standards(),
    )
    lifetimes.make(inputs)
    return inputs


def _all_plays(at: str) -> str:
    """The plays of the company's own table, and beside them those recorded in Keepwell."""
    columns = "r.account_id, r.at, play, owner, cost_cents, COALESCE(arm, 'treated') AS arm, outcome, driver"
    return f"""
        CREATE OR REPLACE VIEW known_interventions AS
        SELECT {columns} FROM interventions r
        WHERE r.at < {at} AND r.known_at <= {at} AND (r.superseded_at IS NULL OR r.superseded_at > {at})
        UNION ALL
        SELECT r.account_id, r.at, play, owner, CAST(ROUND(cost * 100) AS BIGINT), arm, outcome, driver
        FROM play_history r"""
