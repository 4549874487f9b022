"""The holdout, uplift and shared cases on the command line, over a company's kept runs."""

import json
from pathlib import Path

import pytest

from features.synthetic import simulate, write
from serving.store import accounts, open_store

DAYS = ("2024-01-21", "2024-01-28")
RULES = """
[programme]
holdout_share = 0.5
never_hold_out = []
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory, cli) -> Path:
    """A small company scored on two days by the typical weights, half of its candidates held out."""
    folder = tmp_path_factory.mktemp("effects")
    write(simulate(accounts=120, months=14, seed=3), folder)
    (folder / "retention.toml").write_text(RULES)
    for day in DAYS:
        ran = cli("score", "--as-of", day, "--store", "--json", cwd=folder)
        assert ran.code == 0, ran.err
    return folder


@pytest.fixture
def go(company, cli):
    def run(*words, code=0):
        ran = cli(*words, "--json", cwd=company)
        assert ran.code == code, ran.err
        return ran.json if code == 0 else ran.err

    return run


@pytest.mark.system("R9")
def test_candidates_are_drawn_by_a_run_their_plays_marked_and_their_alerts_withheld(go, company):
    told = go("holdout", "show")
    held = {row["account_id"]: row["drawn_at"] for row in told["held_out"]}
    assert 0.2 * told["drawn"] < len(held) < 0.8 * told["drawn"]
    store = open_store(f"sqlite:///{company / '.keepwell' / 'store.db'}")
    with store.read() as db:
        found = accounts.many(db, list(held)).values()
    store.close()
    assert found
    assert all(action["held_out"] for row in found for action in row.detail["actions"])
    assert go("holdout", "draw") == {"drawn": 0, "held_out": []}


@pytest.mark.system("R9")
def test_a_release_is_kept_with_its_reason_and_only_for_the_held_out(go):
    first = go("holdout", "show")["held_out"][0]["account_id"]
    assert "not held out" in go("holdout", "release", "nobody", "--because", "x", code=1)
    assert go("holdout", "release", first, "--because", "the board asked")["released"]
    row = go("holdout", "show")["held_out"][0]
    assert (row["arm"], row["note"], row["released_at"] is not None) == ("holdout", "the board asked", True)
    assert "not held out" in go("holdout", "release", first, "--because", "again", code=1)


@pytest.mark.system("G10")
def test_uplift_of_a_small_programme_is_refused_with_the_numbers_needed(go):
    found = go("uplift")
    assert "200 with 25 losses are needed in each arm" in found["not_measured"][0]
    assert "a kept run with churn probabilities" in found["not_measured"][1]  # typical weights give none


@pytest.mark.system("K3")
def test_shared_cases_name_no_account_and_no_csm(go, company):
    told = go("cases", "--out", str(company / "cases.json"))
    rows = json.loads((company / "cases.json").read_text())
    assert (told["cases"], told["cases"] > 10) == (len(rows), True)
    assert "csm-" not in str(rows)
    assert "A0" not in str(rows)


def test_without_a_kept_run_there_is_nobody_to_draw(tmp_path, cli):
    write(simulate(accounts=30, months=6, seed=1), tmp_path)
    ran = cli("holdout", "draw", cwd=tmp_path)
    assert ran.code == 1
    assert "no run is kept yet" in ran.err
