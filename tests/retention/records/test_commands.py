"""`keepwell record …`: from a file to fill in, to a decision, its reviews, and its end."""

import tomllib
from datetime import datetime
from pathlib import Path

import pytest

from features.config import load
from retention.metrics import METRICS
from serving.batch import opened_store
from serving.store import reports

EXAMPLE = Path(__file__).parents[3] / "examples" / "saas" / "decision.toml"
CONFIG = '[sources.usage]\npath = "usage.csv"\n[churn]\nkind = "inactivity"\n'


@pytest.fixture
def keepwell(cli, tmp_path):
    """The command line in a company's folder, whose store holds a report of February 2024."""
    (tmp_path / "keepwell.toml").write_text(CONFIG, encoding="utf-8")
    keep(tmp_path, datetime(2024, 2, 25), grr=0.80)
    return lambda *words: cli(*words, cwd=tmp_path)


def keep(folder, as_of, **figures):
    """Keep a report with these figures and what a plan and a list of inputs would say."""
    values = {"logo_churn": 0.22, "nps": 11.0, "expansion_revenue": 18e3} | figures
    told = {name: {"value": v, "n": 400, "low": 0.9 * v, "high": 1.1 * v} for name, v in values.items()}
    effect = {"value": 0.2, "n": None, "low": 0.0, "high": 0.4}
    churn, value = (dict(effect, value=v, n=126, low=0.9 * v, high=1.1 * v) for v in (0.122, 5120.0))
    blocks = {
        "stakes": [{"level": "high", "accounts": 126, "churn": churn, "value": value}],
        "plays": [{"play": "recovery_plan", "effect": effect, "basis": "assumed", "cost": 30.0}],
    }
    inputs = {"input": 'Tickets "open"', "source": "support", "owner": "support",
              "newest": "2024-02-24T00:00:00", "filled": 0.98}  # fmt: skip
    chapters = [
        {"id": "plan", "blocks": [{"id": name, "rows": rows} for name, rows in blocks.items()]},
        {"id": "health", "blocks": [{"id": "decision_inputs", "rows": [inputs]}]},
    ]
    definitions = {name: metric.digest for name, metric in METRICS.items()}
    body = {"as_of": as_of.isoformat(), "figures": told, "definitions": definitions, "chapters": chapters}
    with opened_store(load(folder / "keepwell.toml")) as store, store.write() as db:
        reports.keep(db, reports.RETENTION, body, as_of=as_of, at=as_of)


@pytest.mark.system("X6", "X11", "X19", "X20")
def test_a_new_file_holds_what_the_report_knows_and_is_refused_until_people_fill_it(keepwell, tmp_path):
    assert keepwell("record", "new", "decision.toml").code == 0
    text = (tmp_path / "decision.toml").read_text(encoding="utf-8")
    given = tomllib.loads(text)
    assert f"#   grr                  0.8  (0.72 to 0.88)  n 400  high  {METRICS['grr'].digest}" in text
    assert "#   save_rate            not measured" in text
    assert given["frame"]["horizon_days"] == 91
    assert given["compare"]["churn"] | {"source": ""} == {
        "low": 0.1098, "base": 0.122, "high": 0.1342, "n": 126, "basis": "measured", "source": "",
    }  # fmt: skip
    (held,) = given["compare"]["inputs"]
    assert (held["name"], held["coverage"], str(held["as_of"])) == ('Tickets "open"', 0.98, "2024-02-24")
    assert [given["compare"]["options"][o]["accounts"] for o in "ABC"] == [0, 63, 126]
    assert given["compare"]["options"]["C"]["effect"]["high"] == 0.4
    assert keepwell("record", "new", "decision.toml").code == 1
    refused = keepwell("record", "create", "decision.toml")
    assert refused.code == 1
    for field in ("[frame.owner]", "[frame.question]", "[compare.facts.0.text]", "[commit.reversal_signals]", "[id]"):
        assert field in refused.err


@pytest.mark.system("X2", "X9", "X10")
def test_a_decision_from_creation_to_its_end(keepwell, tmp_path):
    day = ("--on", "2024-02-25")
    made = keepwell("record", "create", str(EXAMPLE), *day, "--by", "Ann", "--json")
    assert (made.code, made.json["decided"]["recommended"], made.json["version"]) == (0, "B", 1)
    assert keepwell("record", "create", str(EXAMPLE), *day).code == 1
    found = keepwell("record", "review", "success-calls", "initial", "confirmed", "--note", "right", *day, "--json")
    assert found.json["state"] == "open"
    for month in (3, 4):
        keep(tmp_path, datetime(2024, month, 20), grr=0.76)
    assert keepwell("record", "watch", "--on", "2024-04-21", "--json").json[0]["state"] == "reopened"
    assert keepwell("record", "watch", "--on", "2024-04-21").out.strip() == "No record changes."
    told = keepwell("record", "show", "success-calls", "--on", "2024-04-21", "--markdown").out
    assert "**reopened**" in told
    assert "grr < 78 % for 2 reports: 0.76 on 2024-03-20, 0.76 on 2024-04-20" in told
    assert keepwell("record", "replay", "success-calls", "--json").json["same"] is True
    changed = tmp_path / "revised.toml"
    text = EXAMPLE.read_text(encoding="utf-8").replace("grr < 78 %", "grr < 70 %")
    changed.write_text(text, encoding="utf-8")
    revised = keepwell("record", "revise", "revised.toml", "--note", "a lower bar", "--on", "2024-04-22", "--json")
    assert (revised.json["event"], revised.json["state"]) == ("revised", "open")
    assert keepwell("record", "close", "success-calls", "--note", "done", "--json").json["state"] == "closed"
    listed = keepwell("record", "list", "--json").json
    assert [(one["id"], one["state"], one["version"]) for one in listed] == [("success-calls", "closed", 5)]
    history = keepwell("record", "show", "success-calls", "--json").json["history"]
    assert [one["event"] for one in history] == ["created", "reviewed", "reopened", "revised", "closed"]
    assert history[3]["happened"]["changed"] == ["commit.reversal_signals.0"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "none"), "no record none"),
        (("create", "missing.toml"), "keepwell record new"),
        (("review", "none", "initial", "confirmed", "--note", "x"), "no record none"),
    ],
)
def test_what_is_not_there_is_said(keepwell, words, says):
    answer = keepwell("record", *words)
    assert answer.code == 1
    assert says in answer.err
