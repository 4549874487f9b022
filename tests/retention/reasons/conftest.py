"""Customers who stay and customers who leave, as rows a person can read."""

from collections.abc import Callable
from typing import Any

import pytest

from features.config import Settings, load
from features.synthetic import simulate, write

Row = dict[str, Any]


@pytest.fixture
def stayer() -> Callable[..., Row]:
    """A customer since a day, at so much a month."""

    def make(account: str, since: str = "2023-06-01", mrr: float = 100.0) -> Row:
        return {"account_id": account, "started_at": since, "plan": "pro", "mrr": mrr, "known_at": since}

    return make


@pytest.fixture
def leaver(stayer: Callable[..., Row]) -> Callable[..., Row]:
    """A customer whose contract ended, with the reason they gave."""

    def make(account: str, left: str, reason: str | None = None, since: str = "2023-06-01", mrr: float = 100.0) -> Row:
        return stayer(account, since, mrr) | {"ended_at": left, "cancel_reason": reason}

    return make


@pytest.fixture(scope="session")
def raw_company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A simulated company of 300 accounts over eighteen months, as files."""
    company = simulate(accounts=300, months=18, seed=4, messy=False)
    return load(write(company, tmp_path_factory.mktemp("simulated")))
