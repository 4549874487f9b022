"""A programme of literal plays on accounts of literal contracts, and light programmes whose truth is known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from shutil import rmtree
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.config import load
from features.engine import open_engine
from features.sources import stage
from features.synthetic import Company, write
from retention import house
from retention.effects import cases
from retention.effects.estimate import Cases
from retention.inputs import KEPT, Inputs, open_inputs

BEGUN = "2023-01-01"
PLAY = "2024-03-01"
Row = dict[str, Any]


def term(account: str, lost: str | None = None, mrr: float = 2000.0, **more: Any) -> Row:
    """A contract since 2023 that runs on, or ends on a day."""
    return {"account_id": account, "started_at": BEGUN, "ended_at": lost, "mrr": mrr, **more}


def play(account: str, at: str = PLAY, what: str = "call", **more: Any) -> Row:
    """A play on an account, carried out unless `arm` says otherwise."""
    return {"account_id": account, "at": at, "play": what, "arm": "treated", "cost": 100.0, **more}


def day(days: int, since: str = PLAY) -> str:
    """The date so many days after a play."""
    return str(date.fromisoformat(since) + timedelta(days=days))


@pytest.fixture
def programme(measured: Callable[..., Inputs]) -> Callable[..., Inputs]:
    """Inputs of plays and contracts with `play_cases` made; every account named in a play has a contract."""

    def make(plays: list[Row], terms: list[Row] | None = None, **more: Any) -> Inputs:
        named = {row["account_id"] for row in terms or []}
        rest = sorted({row["account_id"] for row in plays} - named)
        beside = [term("ends late", "2024-12-20"), term("stays")]
        contracts = [*(terms or []), *(term(account) for account in rest), *beside]
        if "accounts" in more:
            more["accounts"] = [
                *more["accounts"],
                *({"account_id": row["account_id"], "started_at": BEGUN} for row in beside),
            ]
        more.setdefault("support", [{"account_id": "stays", "opened_at": "2024-12-31"}])  # the data reach so far
        inputs = measured(interventions=plays, subscriptions=contracts, **more)
        cases.make(inputs)
        return inputs

    return make


@pytest.fixture
def arms(programme: Callable[..., Inputs]) -> Callable[..., Inputs]:
    """A programme by counts: (treated, saved of them, held out, saved of them), each on an account of its own."""

    def make(treated: int, saved: int, held: int, stayed: int, *, mrr: float = 2000.0, **more: Any) -> Inputs:
        plays, terms = [], []
        for arm, n, kept in (("treated", treated, saved), ("holdout", held, stayed)):
            for i in range(n):
                account = f"{arm}{i:04d}"
                plays.append(play(account, arm=arm, cost=100.0 if arm == "treated" else 0.0, **more.get("with_", {})))
                terms.append(term(account, None if i < kept else day(30), mrr))
        rest = {name: value for name, value in more.items() if name != "with_"}
        return programme(plays, terms, **rest)

    return make


@dataclass(frozen=True)
class Light:
    """A programme drawn from a law: its cases, and of each the two chances to stay and what is known before."""

    cases: Cases
    without: np.ndarray
    with_play: np.ndarray
    kind: np.ndarray
    risk: np.ndarray
    cost: float


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="session")
def light() -> Callable[..., Light]:
    """Draw a programme: accounts of differing risk and worth, treated several times, held out once for all.

    Kinds 0 to 3 are drivers: plays help kind 0 much, 1 less, 2 not, and hurt 3.
    """

    def make(seed: int, accounts: int = 300, held: float = 0.3, times: float = 0.7) -> Light:
        rng = np.random.default_rng(seed)
        account = np.repeat(np.arange(accounts), 1 + rng.poisson(times, accounts))
        n = len(account)
        worth = np.exp(rng.normal(8.5, 0.8, accounts))[account]
        risk = rng.normal(0.2, 1.2, accounts)[account] + rng.normal(0, 0.4, n)
        kind = rng.integers(0, 4, n)
        shift = np.array([1.8, 0.7, 0.0, -0.8])[kind]
        without, with_play = sigmoid(-risk), sigmoid(-risk + shift)
        is_held = (rng.random(accounts) < held)[account]
        saved = rng.random(n) < np.where(is_held, without, with_play)
        made = Cases(account=account, is_held=is_held, is_treated=~is_held, is_saved=saved, worth=worth)
        return Light(made, without, with_play, kind, risk, cost=300.0 * (~is_held).sum() + 20_000)

    return make


@pytest.fixture(scope="session")
def build() -> Any:
    """The builders of rows, for tests to name: `build.term`, `build.play`, `build.day`."""

    class Build:
        term, play, day = staticmethod(term), staticmethod(play), staticmethod(day)

    return Build


@pytest.fixture(scope="session")
def opened(tmp_path_factory: Any) -> Any:
    """Inputs of a simulated company at its end, with a retention.toml over the shipped one."""

    @contextmanager
    def make(company: Company, rules: str = "", kept: dict[str, list[Row]] | None = None) -> Iterator[Inputs]:
        folder = tmp_path_factory.mktemp("company")
        settings = load(write(company, folder))
        path = folder / "retention.toml"
        path.write_text(rules, encoding="utf-8")
        with open_engine(settings.home_dir) as engine:
            staged = stage(settings, engine)
            held = {
                name: pa.Table.from_pylist(rows, schema=pa.schema(list(KEPT[name].items())))
                for name, rows in (kept or {}).items()
            }
            yield open_inputs(engine, staged, settings, house.load(path), company.end, held)
        rmtree(folder)

    return make
