"""Twenty planted leaks are flagged, honest features (a dominant recency among them) never are."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.catalogue import Catalogue, Vocabulary, declare
from features.config import load
from features.declare import Feature
from features.engine import open_engine
from features.sources import stage
from training import leaks
from training.history import History
from training.labels import CHURNED, STAYED, Labels
from training.leaks import probes
from training.leaks.sample import draw
from training.split import Split, forward_folds

WINDOW = 28
START = datetime(2024, 1, 1)


class World:
    """A company: accounts live through windows of 28 days, use the product, tire of it and leave.

    `days` is usage per account and day, `row` the (account, day) of each snapshot, `left` the day of leaving
    (none: after the end). Until an account tires it comes at its own rate; then it stops, and may leave.
    """

    def __init__(
        self, seed: int, accounts: int = 700, windows: int = 14, chance_days: int = 2500, trickle: float = 0.05
    ) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.n, self.end = accounts, (windows + 1) * WINDOW
        rate = rng.lognormal(-0.7, 0.8, accounts)
        self.rate = np.clip(rate, 0.12, 6)
        self.begins = np.where(rng.random(accounts) < 0.5, 0, rng.integers(0, self.end // 2, accounts))
        tires = self.begins + rng.exponential(450, accounts)
        day = np.arange(self.end)
        self.level = 1 + 0.4 * np.sin(2 * np.pi * (day[None] / 180 + rng.random((accounts, 1))))
        tired = day[None] >= tires[:, None]
        mean = self.rate[:, None] * self.level * np.where(tired, trickle, 1) * (day[None] >= self.begins[:, None])
        self.days = rng.poisson(mean)
        leaves = np.where(rng.random(accounts) < 0.9, tires + rng.gamma(3, 14, accounts), np.inf)
        by_chance = self.begins + rng.exponential(chance_days, accounts)
        self.left = np.maximum(np.minimum(leaves, by_chance), self.begins + WINDOW + 1)
        self.days[day[None] >= self.left[:, None]] = 0
        at = np.arange(1, windows + 1) * WINDOW
        here = (at[None] > self.begins[:, None]) & (at[None] < self.left[:, None])
        moment, account = np.nonzero(here.T)
        self.account, self.at = account, at[moment]
        ahead = self.left[account] - self.at
        self.churned = ahead <= WINDOW
        self.mood = rng.normal(0, 1, accounts)
        self.segment = rng.integers(0, 4, accounts).astype(float)

    def usage(self, since: int, until: int, back: int = 0) -> np.ndarray:
        """Usage of each row in [at + since, at + until), all `back` days earlier."""
        total = np.pad(np.cumsum(self.days, axis=1), ((0, 0), (1, 0)))
        at = np.clip(np.array([since, until])[:, None] + self.at - back, 0, self.end)
        return (total[self.account, at[1]] - total[self.account, at[0]]).astype(float)

    def idle(self, back: int = 0) -> np.ndarray:
        """Days since the last use, at most 200."""
        day = np.where(self.days > 0, np.arange(self.end), -200)
        newest = np.maximum.accumulate(day, axis=1)
        return np.minimum(self.at - back - newest[self.account, np.maximum(self.at - back - 1, 0)], 200).astype(float)

    def honest(self, back: int = 0) -> dict[str, tuple[str, np.ndarray]]:
        """Feature -> (signal, values), all from before the snapshot less `back` days."""
        rng = np.random.default_rng(5)
        month = (self.at - back) // 91
        nps = np.round(7 + 1.5 * self.mood[self.account] - self.idle(back) / 25 + rng.normal(0, 1, len(self.at)))
        asked = (self.account * 7 + month) % 3 > 0
        tickets = rng.poisson(0.3 + 0.2 * (self.usage(-28, 0, back) > 5))
        quarter = self.usage(-84, 0, back)
        return {
            "days_since_last_use": ("recency", self.idle(back)),
            "events_7d": ("activity", self.usage(-7, 0, back)),
            "events_28d": ("activity", self.usage(-28, 0, back)),
            "events_84d": ("activity", quarter),
            "trend_28d": ("trend", self.usage(-28, 0, back) / np.where(quarter > 0, quarter, np.nan)),
            "nps_last": ("nps", np.where(asked, np.clip(nps, 0, 10), np.nan)),
            "tickets_28d": ("tickets", tickets.astype(float)),
            "account_age_days": ("tenure", (self.at - back - self.begins[self.account]).astype(float)),
            "segment": ("profile", self.segment[self.account]),
            "seats": ("seats", np.ceil(self.rate[self.account] * 5)),
        }


def history(world: World, columns: dict[str, tuple[str, np.ndarray]]) -> tuple[History, Split]:
    moments = np.array([START + timedelta(days=int(d)) for d in world.at], dtype="datetime64[us]")
    features = tuple(
        Feature(name, signal, "", "", "", component="usage", scan="events") for name, (signal, _) in columns.items()
    )
    outcome = np.where(world.churned, CHURNED, STAYED)
    table = pd.DataFrame({"account_id": world.account.astype(str), "snapshot_at": moments, "outcome": outcome})
    whole = History(
        pd.DataFrame({name: values for name, (_, values) in columns.items()}),
        world.account.astype(str),
        moments,
        Labels(table, START + timedelta(days=world.end)),
        Catalogue(features, Vocabulary((), (), {})),
    )
    days = np.unique(moments)
    first_test, last_training = days[-3].item(), days[-3].item() - timedelta(days=WINDOW)
    development = moments <= np.datetime64(last_training)
    folds = forward_folds(moments, development, WINDOW)
    return whole, Split(development, moments >= days[-3], folds, first_test, last_training)


def status(w: World) -> np.ndarray:
    return (w.left[w.account] <= w.end).astype(float)


def flipped(w: World) -> np.ndarray:
    return (w.churned ^ (w.rng.random(len(w.churned)) < 0.1)).astype(float)


def only(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where, values, np.nan)


def lot(w: World, share: float) -> np.ndarray:
    """A share of the accounts, drawn by lot; per row."""
    return (w.rng.random(w.n) < share)[w.account]


def backdated_tickets(w: World) -> np.ndarray:
    return w.honest()["tickets_28d"][1] + w.churned * (1 + w.rng.poisson(2, len(w.at)))


def mean_of_account(w: World) -> np.ndarray:
    return (np.bincount(w.account, w.churned) / np.maximum(np.bincount(w.account), 1))[w.account]


def risk_typed_in_later(w: World) -> np.ndarray:
    return np.where(w.churned & lot(w, 0.6), 3.0, w.rng.integers(0, 3, len(w.at)))


def later_nps(w: World) -> np.ndarray:
    score = np.round(7 + 1.5 * w.mood[w.account] + w.rng.normal(0, 1, len(w.at)))
    return np.clip(np.where(w.churned, w.rng.integers(0, 4, len(w.at)), score), 0, 10)


def days_to_last_event(w: World) -> np.ndarray:
    last = w.days.shape[1] - 1 - (w.days[:, ::-1] > 0).argmax(axis=1)
    return (last[w.account] - w.at).astype(float)


def id_in_order_of_leaving(w: World) -> np.ndarray:
    return np.argsort(np.argsort(w.left, kind="stable"))[w.account].astype(float)


PLANTED: dict[str, Callable[[World], np.ndarray]] = {
    "outcome flag": lambda w: w.churned.astype(float),
    "outcome flag, a tenth flipped": flipped,
    "outcome of 30 % of the churners": lambda w: (w.churned & lot(w, 0.3)).astype(float),
    "days until leaving": lambda w: np.minimum(w.left[w.account], w.end) - w.at,
    "missing for churners only": lambda w: only(w.usage(-28, 0), ~(w.churned & lot(w, 0.6))),
    "stamped for stayers only": lambda w: only(w.rng.uniform(0, 90, len(w.at)), ~w.churned & lot(w, 0.6)),
    "events after the window": lambda w: w.usage(28, 56),
    "final invoice back-dated": lambda w: np.where(w.churned & lot(w, 0.7), 1.0, 0.0),
    "refund back-dated": lambda w: np.where(w.churned & lot(w, 0.5), -w.rate[w.account] * 100, 0.0),
    "ticket topic cancellation back-dated": lambda w: (w.churned & lot(w, 0.5)).astype(float),
    "tickets back-dated among honest ones": backdated_tickets,
    "account id in order of leaving": id_in_order_of_leaving,
    "attribute status": status,
    "usage of the next 7 days": lambda w: w.usage(0, 7),
    "usage of the next month": lambda w: w.usage(0, 28),
    "outcome mean of the account": mean_of_account,
    "NPS asked later": later_nps,
    "risk typed in later": risk_typed_in_later,
    "days to the last event ever": days_to_last_event,
    "events in a whole life": lambda w: w.days.sum(axis=1)[w.account].astype(float),
    "rows of the account in a table": lambda w: np.bincount(w.account)[w.account].astype(float),
    "renewal stamp": lambda w: (~w.churned & lot(w, 0.5)).astype(float),
}


def flagged(found: list[leaks.Leak]) -> set[str | None]:
    return {leak.feature for leak in found if leak.verdict == "flagged"}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_leak_is_flagged_and_nothing_else(planted: str) -> None:
    world = World(seed=11)
    columns = {**world.honest(), "planted": ("planted", PLANTED[planted](world))}
    assert flagged(leaks.check(*history(world, columns))) == {"planted"}


def loyal_until_tired(seed: int) -> World:
    """Nearly everybody who leaves stops coming weeks before: recency dominates, honestly."""
    return World(seed, chance_days=50_000, trickle=0.01)


def before(world: World, days: int) -> np.ndarray:
    return np.column_stack([values for _, values in world.honest(back=days).values()])


def rows_of(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: matrix[rows]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("world", [World, loyal_until_tired])
def test_no_honest_feature_is_accused(world: Callable[[int], World], seed: int) -> None:
    company = world(seed)
    assert flagged(leaks.check(*history(company, company.honest()), shifted=rows_of(before(company, 7)))) == set()
    assert flagged(leaks.check(*history(company, company.honest()))) == set()


@pytest.mark.parametrize("seed", range(12))
def test_the_honest_companies_have_a_dominant_recency_feature(seed: int) -> None:
    company = loyal_until_tired(seed)
    sample = draw(*history(company, company.honest()), None, 0)
    outcome = sample.churned[sample.judged]
    area = probes.auc(probes.alone(sample, sample.matrix[:, 0]), outcome)(np.ones(len(outcome)))["auc"]
    assert 0.8 < area < 0.95


def notice(w: World, back: int) -> np.ndarray:
    """Half of those who leave say so, up to 120 days before."""
    rng = np.random.default_rng(1)
    given = np.where(rng.random(w.n) < 0.5, w.left - rng.uniform(1, 120, w.n), np.inf)
    return (w.at - back >= given[w.account]).astype(float)


def mood(w: World, back: int) -> np.ndarray:
    """A dominant signal (AUC 0.9) that turns weeks before an account leaves and that no other signal shows."""
    rng = np.random.default_rng(2)
    turns = w.left - rng.gamma(2, 40, w.n)
    return np.round(np.where(w.at - back >= turns[w.account], 2, 8) + rng.normal(0, 1.2, len(w.at)))


def cancelled(w: World, back: int) -> np.ndarray:
    """Everybody who leaves clicks "cancel" some time in the label window before: half of them after the snapshot."""
    clicks = w.left - np.random.default_rng(3).uniform(0, WINDOW, w.n)
    return (w.at - back >= clicks[w.account]).astype(float)


def month_before_last(w: World, back: int) -> np.ndarray:
    return w.usage(-56, -28, back)


@pytest.mark.parametrize("honest", [notice, mood, cancelled, month_before_last])
@pytest.mark.parametrize("seed", range(4))
def test_an_early_warning_that_was_known_a_week_before_is_not_accused(
    honest: Callable[[World, int], np.ndarray], seed: int
) -> None:
    company = World(seed)
    columns = {**company.honest(), "warning": ("warning", honest(company, 0))}
    shifted = np.column_stack([before(company, 7), honest(company, 7)])
    assert flagged(leaks.check(*history(company, columns), shifted=rows_of(shifted))) == set()


def test_a_record_back_dated_to_just_before_the_snapshot_falls_off_the_freshness_cliff() -> None:
    company = World(3)
    usual = lot(company, 0.1)
    columns = {**company.honest(), "planted": ("planted", usual + 1.0 * (company.churned & lot(company, 0.5)))}
    shifted = np.column_stack([before(company, 7), usual])
    found = leaks.check(*history(company, columns), shifted=rows_of(shifted))
    assert {leak.feature for leak in found if leak.check == "freshness"} == {"planted"}


@pytest.mark.parametrize("days_too", [True, False])
def test_a_record_back_dated_by_days_or_weeks_falls_off_the_cliff_of_a_label_window(days_too: bool) -> None:
    """Most of it is still there a week earlier, as of an honest early warning; a label window earlier none is."""
    company = World(3)
    usual, noted = lot(company, 0.05), company.churned & lot(company, 0.9)
    columns = {**company.honest(), "planted": ("planted", usual + 1.0 * noted)}
    shifted = np.column_stack([before(company, 7), usual + 1.0 * (noted & lot(company, 0.7))])
    found = leaks.check(*history(company, columns), shifted=rows_of(shifted) if days_too else None)
    (leak,) = (leak for leak in found if leak.check == "freshness")
    assert leak.feature == "planted"
    assert "a label window earlier" in leak.sentence


def test_a_check_that_found_nothing_says_so() -> None:
    company = World(0)
    found = leaks.check(*history(company, company.honest()))
    assert [(leak.check, leak.verdict) for leak in found] == [
        (name, "clear") for name in ("alone", "purity", "ahead", "freshness", "static", "permutation")
    ]


def test_outcomes_are_dealt_within_their_snapshot() -> None:
    company = World(0)
    sample = draw(*history(company, company.honest()), None, 0)
    dealt = leaks.checks._dealt(sample, seed=1)
    assert (np.sort(dealt) == np.arange(len(dealt))).all()
    assert (sample.moments[dealt] == sample.moments).all()
    assert (dealt != np.arange(len(dealt))).mean() > 0.9


@pytest.mark.parametrize(("days", "idle"), [(0, 10.0), (7, 3.0), (12, np.nan)])
def test_a_shifted_matrix_sees_each_row_some_days_earlier(tmp_path: Path, days: int, idle: float) -> None:
    (tmp_path / "usage.csv").write_text("who,day\na,2024-01-10\nb,2024-01-01\n")
    (tmp_path / "keepwell.toml").write_text(
        """
        [company]
        name = "Shop"
        [sources.usage]
        path = "usage.csv"
        account_id = "who"
        at = "day"
        [churn]
        kind = "inactivity"
        horizon_days = 28
        """
    )
    wanted = pa.table({"account_id": ["a"], "snapshot_at": pa.array([datetime(2024, 1, 20)], pa.timestamp("us"))})
    with open_engine(tmp_path / "home") as engine:
        staged = stage(load(tmp_path / "keepwell.toml"), engine)
        catalogue = declare(staged, Vocabulary((), (), {}))
        engine.register("drawn", wanted)
        found = leaks.shifted_matrix(engine, staged, catalogue, "drawn", days)
        assert engine.query("SELECT account_id, snapshot_at FROM drawn") == wanted
    assert found.shape == (1, len(catalogue.names))
    np.testing.assert_equal(found[0, catalogue.names.index("days_since_last_use")], idle)
