from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from features.synthetic import Company, Programme, simulate

DAYS = timedelta(days=84)


@pytest.fixture(scope="module")
def companies() -> list[Company]:
    return [simulate(accounts=400, months=18, seed=seed, messy=False, programme=Programme()) for seed in range(4)]


def outcomes(company: Company) -> dict[str, np.ndarray]:
    """Every case that closes: its arm, its two futures, and whether a contract of the account ended in its 84 days."""
    terms = company.tables["subscriptions"]
    lost = terms.filter(pc.field("cancelled_at").is_valid()).select(["account_id", "ended_at"]).to_pylist()
    ends: dict[str, list] = {}
    for row in lost:
        ends.setdefault(row["account_id"], []).append(row["ended_at"])
    plays, futures = company.tables["interventions"].to_pylist(), company.truth.cases.to_pylist()
    found: dict[str, list] = {name: [] for name in ("treated", "without", "with", "saved", "driver")}
    for play, case in zip(plays, futures, strict=True):
        assert (play["account_id"], play["at"]) == (case["account_id"], case["at"])
        if play["at"] + DAYS > company.end:
            continue
        is_lost = any(play["at"] < end <= play["at"] + DAYS for end in ends.get(play["account_id"], []))
        for name, value in (
            ("treated", play["arm"] == "treated"),
            ("without", case["stays_without"]),
            ("with", case["stays_with"]),
            ("saved", not is_lost),
            ("driver", play["driver"]),
        ):
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


@pytest.fixture(scope="module")
def seen(companies) -> dict[str, np.ndarray]:
    parts = [outcomes(company) for company in companies]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize(("arm", "future"), [(True, "with"), (False, "without")])
def test_accounts_stay_as_often_as_their_future_says(seen, arm, future):
    of_arm = seen["treated"] == arm
    p, saved = seen[future][of_arm], seen["saved"][of_arm]
    assert not np.isnan(p).any()
    for group in [np.arange(len(p)), *np.array_split(np.argsort(p), 3)]:
        sd = np.sqrt(np.sum(p[group] * (1 - p[group])))
        assert abs(saved[group].sum() - p[group].sum()) < 3 * sd


def test_plays_differ_and_some_contacts_hurt(seen):
    gain = seen["with"] - seen["without"]
    means = {driver: gain[seen["driver"] == driver].mean() for driver in ("usage", "feedback", "relationship")}
    assert means["usage"] > 3 * means["feedback"] > 0
    assert means["relationship"] < 0
    hurt = gain < 0
    assert 0.02 < hurt.mean() < 0.25
    assert set(seen["driver"][hurt]) == {"relationship"}


def test_many_get_a_play_and_half_of_the_accounts_none(companies):
    for company in companies:
        plays = company.tables["interventions"].to_pylist()
        arms = {play["account_id"]: play["arm"] for play in plays}
        assert all(arms[play["account_id"]] == play["arm"] for play in plays)
        assert len(arms) > 250
        assert abs(np.mean([arm == "holdout" for arm in arms.values()]) - 0.5) < 0.1
