"""Records in the store: versions with their digests, events for other systems, and months of a company going on."""

import json
import tomllib
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from features.config import load
from features.engine import open_engine
from features.sources import stage
from features.synthetic import simulate, write
from retention import house
from retention.blocks import Chapter, Report
from retention.inputs import open_inputs
from retention.ledger import panels, renewals
from retention.ledger.periods import look
from retention.metrics import METRICS
from retention.records import document
from retention.voice import scores
from serving import recording
from serving.delivery import read_targets
from serving.errors import ServingError
from serving.recording import Actor
from serving.store import audit, kept_records, open_store, reports
from serving.store.tables import outbox

START, STEP = datetime(2023, 1, 1), timedelta(days=28)
TARGETS = read_targets({"targets": {"people": {"kind": "csv", "folder": "told"}}})
EXAMPLE = Path(__file__).parents[3] / "examples" / "saas" / "decision.toml"
ANN = Actor(by="Ann", at=datetime(2025, 2, 1))


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


@pytest.fixture
def measured(store):
    """Keep a report of a day with these figures."""

    def keep(as_of, **figures):
        told = {name: {"value": value, "n": 100, "low": None, "high": None} for name, value in figures.items()}
        digests = {name: metric.digest for name, metric in METRICS.items()}
        body = {"as_of": as_of.isoformat(), "figures": told, "definitions": digests, "chapters": []}
        with store.write() as db:
            reports.keep(db, reports.RETENTION, body, as_of=as_of, at=as_of)

    return keep


@pytest.mark.system("X9", "X10")
def test_a_decision_is_reopened_by_its_own_signal_when_the_months_go_on(tmp_path, store):
    """A simulated company, cut at every 28 days: what it decides at month 13 is re-opened by what happens to it."""
    settings = load(write(simulate(accounts=150, months=18, seed=3, messy=False), tmp_path / "company"))
    given = document.read(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")), "the example")
    rules, changed = house.load(), {}
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        for month in range(13, 17):
            today = START + month * STEP
            inputs = open_inputs(engine, staged, settings, rules, today)
            report = Report(
                as_of=today,
                company="x",
                chapters=(_live(inputs),),
                definitions={name: metric.digest for name, metric in METRICS.items()},
            )
            with store.write() as db:
                reports.keep(db, reports.RETENTION, report.as_json(), as_of=today, at=today)
                if month == 13:
                    recording.create(db, given, Actor(by="Ann", at=today))
                for version in recording.watch(db, TARGETS, Actor(by="watch", at=today)):
                    changed[month] = version, report.figures["grr"].value
    ((month, (version, grr)),) = changed.items()
    assert month == 16  # the second report in a row; month 15 was the first
    assert grr < 0.78
    assert (version.state, version.body["happened"]["signals"]) == ("reopened", ["grr < 78 % for 2 reports"])
    with store.read() as db:
        assert recording.replayed(db, "success-calls")["same"]
        (event,) = db.execute(select(outbox.c.kind, outbox.c.body)).all()
    assert event.kind == "record_reopened"
    assert "grr < 78 % for 2 reports" in event.body["alert"]["text"]


def _live(inputs):
    """The metrics that the record speaks of, as the chapters on customers and on their voices measure them."""
    ledger = look(inputs)
    renewals.make(inputs)
    told = panels.figures(ledger) | {"nps": scores.overall(inputs)}
    return Chapter(id="live", title="Live", blocks=(), figures={name: told[name] for name in LIVE})


LIVE = ("logo_churn", "nps", "expansion_revenue", "grr")


@pytest.mark.system("X4", "X10")
def test_every_version_stays_and_is_bound_to_the_one_before(store, measured, decision):
    measured(datetime(2025, 1, 31), logo_churn=0.03, nps=30.0, expansion_revenue=9.0)
    with store.write() as db:
        recording.create(db, decision(), ANN)
        recording.review(db, decision().id, "initial", "confirmed", "inputs are right", ANN)
        recording.revise(db, decision({"frame.owner": "Ben"}), "Ann left", ANN)
        recording.close(db, decision().id, "carried out", ANN)
        kept = kept_records.versions(db, decision().id)
        entries = audit.recent(db, subject=decision().id)
    assert [(one.version, one.event, one.state) for one in kept] == [
        (1, "created", "open"), (2, "reviewed", "open"), (3, "revised", "open"), (4, "closed", "closed"),
    ]  # fmt: skip
    before = ""
    for one in kept:
        before = sha256((before + json.dumps(one.body, sort_keys=True)).encode()).hexdigest()
        assert one.digest == before
    assert kept[0].body["document"]["frame"]["owner"] == "Ann"
    assert [entry.action for entry in reversed(entries)] == [
        "record.created", "record.reviewed", "record.revised", "record.closed",
    ]  # fmt: skip


def test_a_record_needs_a_report_and_an_id_of_its_own(store, measured, decision):
    with store.write() as db, pytest.raises(ServingError, match="keepwell measure --store"):
        recording.create(db, decision(), ANN)
    measured(datetime(2025, 1, 31), logo_churn=0.03, nps=30.0, expansion_revenue=9.0)
    with store.write() as db:
        recording.create(db, decision(), ANN)
        with pytest.raises(ServingError, match="already"):
            recording.create(db, decision(), ANN)
        with pytest.raises(ServingError, match="no record other"):
            recording.show(db, "other", ANN.at)


@pytest.mark.system("X3", "X4", "X6", "X14", "X15", "X20")
def test_the_markdown_has_every_field_of_both_templates(store, measured, decision):
    measured(datetime(2025, 1, 31), logo_churn=0.03, nps=30.0, expansion_revenue=9.0)
    with store.write() as db:
        recording.create(db, decision(), ANN)
        recording.review(db, decision().id, "initial", "confirmed", "inputs are right", ANN)
        text = recording.show(db, decision().id, ANN.at).markdown
    for field in FIELDS:
        assert field in text, field
    assert METRICS["nps"].digest in text


FIELDS = """\
Decision question:** Do we call every account at risk each week?
Background:** Red accounts churn
Objective:** Fewer preventable losses
Scope:** Accounts of high risk
Horizon:** 91 days
| Logo churn | 0.03 |
| Support backlog | support | tickets | 2025-01-30 | 98% | Dee | 7 days | Dee | no chat |
- 126 accounts are at risk (report of January; confidence high)
- Calls reach (Ann; confidence medium; if wrong: no effect)
- Do partners count? (Ben, by 2025-02-15)
Constraints:** 12 CSMs
Dependencies:** the calling list
Trade-offs:** Hours on red accounts
**A: Hold.**
**B: Phased calls.**
**C: Calls for all.**
- checkpoint after 28 days: 5 saved of 50; stop if fewer than 2
- risk: They wait for the next offer; mitigation: once a year; watched: monthly
| Effect of B | 0.05 | 0.2 | 0.35 | 200 | measured | low | report of January |
### Scenarios: retention investment against margin
| B | base | 1.2 | 6,000 | 4,500 | 2,000 | 2,500 |
### What would change the conclusion
- B breaks even with holding still at:
Decision criterion:** expected_value
Recommendation:** B
Selected:** B
Reversal signals:** `logo_churn > 4 % for 2 reports`
Who acts on them:** Ann
Stop rules:** Two checkpoints missed
Monitoring cadence:** Ann, each report
Escalation:** Head of success → Board
Approvals:** Finance
Freshness:** the newest report is at most 35 days old
Expires:** on 2025-05-03; prices change
| initial | 2025-02-08 | 2025-02-01 by Ann | confirmed | inputs are right |
## Evidence log
- Support backlog: support, as of 2025-01-30
## Version history
| 1 | 2025-02-01 | Ann | created | open |""".splitlines()
