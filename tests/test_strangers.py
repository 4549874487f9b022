"""Companies that Keepwell has not seen, each read by configuration alone; and those it refuses, in words.

All but the last few are one and the same company (`Book`) as different systems would export it.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

DAY = timedelta(days=1)
ORIGIN = date(2024, 1, 1)
DAYS = 364
TERM = 28
LAST = ORIGIN + DAYS * DAY


pytestmark = pytest.mark.usefixtures("quick_training")


@dataclass(frozen=True)
class Book:
    """Accounts with a beginning and an end (None: still there), and their events in order of time.

    An event is (account, user, moment, action, amount). Accounts use the product a quarter as much in the last
    term before they leave.
    """

    terms: list[tuple[str, date, date | None]]
    events: list[tuple[str, str, datetime, str, float]]

    @property
    def ended(self) -> list[tuple[str, date]]:
        return [(account, end) for account, _, end in self.terms if end is not None]


def book(accounts: int = 150, *, seed: int = 0, rate: float = 0.5, leaves: float = 0.08, signal: bool = True) -> Book:
    rng = np.random.default_rng(seed)
    terms, events = [], []
    for i in range(accounts):
        account, begin = f"A{i:04d}", int(rng.integers(0, 4 * TERM))
        kept = int(rng.geometric(leaves))
        end = begin + kept * TERM if begin + kept * TERM < DAYS else None
        terms.append((account, ORIGIN + begin * DAY, None if end is None else ORIGIN + end * DAY))
        rates = np.full((end or DAYS) - begin, rate * rng.lognormal(0, 0.6))
        if end is not None and signal:
            rates[-TERM:] /= 4
        for day in np.repeat(np.arange(len(rates)), rng.poisson(rates)):
            at = datetime.combine(ORIGIN, datetime.min.time()) + (begin + int(day)) * DAY
            at += timedelta(minutes=int(rng.integers(0, 1440)))
            action = str(rng.choice(["login", "search", "export"], p=[0.6, 0.3, 0.1]))
            events.append((account, f"{account}-u{rng.integers(3)}", at, action, round(float(rng.gamma(2, 10)), 2)))
    return Book(terms, sorted(events, key=lambda event: event[2]))


@pytest.fixture(scope="module")
def exported() -> Book:
    return book()


@pytest.fixture(autouse=True)
def one_mlflow(tmp_path_factory, monkeypatch) -> None:
    """All strangers' models go to one database: its creation takes longer than a small company's training."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.getbasetemp() / 'strangers.db'}")


def write(path: Path, header: str, rows: Iterable[Iterable[object]], *, delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header.split())
        writer.writerows(["" if value is None else value for value in row] for row in rows)


def write_contracts(folder: Path, terms: list[tuple[str, date, date | None]]) -> None:
    write(folder / "contracts.csv", "customer begin end", terms)


CONTRACTS = """
[sources.subscriptions]
path = "contracts.csv"
account_id = "customer"
started_at = "begin"
ended_at = "end"
"""


@pytest.fixture
def stranger(tmp_path, cli, sane):
    """Check and train on a folder; both must be done, and say sane things."""

    def run(toml: str) -> tuple[dict, dict]:
        (tmp_path / "keepwell.toml").write_text(toml, encoding="utf-8")
        config = ["--config", str(tmp_path / "keepwell.toml"), "--json"]
        checked, trained = cli("check", *config), cli("train", *config)
        assert checked.code == 0, checked.err + checked.out
        assert trained.code == 0, trained.err
        assert (checked.err, trained.err) == ("", "")
        sane(trained.json)
        return checked.json, trained.json

    return run


def test_events_of_users_under_an_organisation(tmp_path, exported, stranger):
    users = sorted({(user, account) for account, user, *_ in exported.events})
    write(tmp_path / "users.csv", "user_id organisation_id", users)
    write(tmp_path / "events.csv", "user_id time action", [(u, t, a) for _, u, t, a, _ in exported.events])
    write_contracts(tmp_path, exported.terms)
    checked, told = stranger(
        CONTRACTS
        + """
[sources.usage]
query = "select * from 'events.csv' join 'users.csv' using (user_id)"
account_id = "organisation_id"
at = "time"
event = "action"
"""
    )
    assert checked["accounts"] == len(exported.terms)
    assert told["data"]["churned_accounts"] > 50
    assert told["test"]["auc"]["value"] > 0.6


def test_dates_counted_from_another_tables_start(tmp_path, cli, stranger):
    """A university: days relative to the start of a course's presentation, keys of three columns."""
    rng = np.random.default_rng(5)
    starts = {
        ("AAA", "2023J"): date(2023, 10, 1),
        ("AAA", "2024B"): date(2024, 2, 1),
        ("BBB", "2024B"): date(2024, 2, 5),
    }
    write(
        tmp_path / "courses.csv", "module presentation starts_on length", [(*k, day, 240) for k, day in starts.items()]
    )
    registered, clicks = [], []
    for (module, presentation), student in ((key, s) for key in starts for s in range(120)):
        leaves = int(rng.integers(10, 235)) if rng.random() < 0.4 else None
        registered.append((module, presentation, student, int(rng.integers(-60, -5)), leaves))
        until = 240 if leaves is None else leaves
        for day in np.flatnonzero(rng.random(until + 20) < 0.3) - 20:
            if leaves is None or day < leaves - 21 or rng.random() < 0.2:
                clicks.append((module, presentation, student, int(day), int(rng.integers(1, 30))))
    write(tmp_path / "registrations.csv", "module presentation student registered withdrawn", registered)
    write(tmp_path / "clicks.csv", "module presentation student day clicks", clicks)
    checked, told = stranger(
        """
[sources.subscriptions]
query = "select * from 'registrations.csv' join 'courses.csv' using (module, presentation)"
account_id = "module || '-' || presentation || '-' || student"
started_at = "starts_on + CAST(registered AS INTEGER)"
ended_at = "starts_on + CAST(coalesce(withdrawn, length) AS INTEGER)"

[sources.usage]
query = "select * from 'clicks.csv' join 'courses.csv' using (module, presentation)"
account_id = "module || '-' || presentation || '-' || student"
at = "starts_on + CAST(day AS INTEGER)"
quantity = "clicks"

[sources.churns]
query = "select * from 'registrations.csv' join 'courses.csv' using (module, presentation) where withdrawn is not null"
account_id = "module || '-' || presentation || '-' || student"
at = "starts_on + CAST(withdrawn AS INTEGER)"

[churn]
kind = "told"
horizon_days = 28

[snapshots]
every_days = 14
"""
    )
    assert checked["accounts"] == 360
    assert told["test"]["auc"]["value"] > 0.6


def test_contracts_with_nothing_but_begin_and_end(tmp_path, exported, stranger):
    write_contracts(tmp_path, exported.terms)
    checked, told = stranger(CONTRACTS)
    assert checked["sources"][1]["rows_good"] == len(exported.terms)
    assert told["data"]["churned_accounts"] > 50
    assert set(told["health"]["weights"]) == {"commercial"}


def test_purchases_and_nothing_else(tmp_path, exported, stranger):
    bought = [(account, at.date(), f"{amount:.2f}") for account, _, at, _, amount in exported.events]
    write(tmp_path / "purchases.csv", "customer date amount", bought)
    _, told = stranger(
        """
[sources.usage]
path = "purchases.csv"
account_id = "customer"
at = "date"
value = "amount"

[churn]
kind = "inactivity"
horizon_days = 28

[population]
min_events = 3
"""
    )
    assert told["data"]["churned_accounts"] > 50
    assert told["test"]["auc"]["value"] > 0.6


@pytest.mark.parametrize("accounts", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_accounts_without_feedback_or_support(tmp_path, stranger, accounts):
    large = book(accounts, seed=1, rate=0.1, leaves=0.04)
    write(tmp_path / "events.csv", "customer time action", [(a, t, e) for a, _, t, e, _ in large.events])
    write_contracts(tmp_path, large.terms)
    checked, told = stranger(
        CONTRACTS
        + """
[sources.usage]
path = "events.csv"
account_id = "customer"
at = "time"
event = "action"
"""
    )
    assert checked["accounts"] == accounts
    assert told["data"]["accounts"] > 0.99 * accounts
    assert set(told["health"]["weights"]) == {"usage"}


def test_usage_that_contradicts_contracts_and_churn_that_is_noise(tmp_path, exported, stranger):
    """Usage of other people under the accounts' names: it starts before and goes on after their contracts."""
    rng = np.random.default_rng(3)
    accounts = [account for account, _, _ in exported.terms]
    days = rng.integers(0, DAYS, 20_000)
    write(
        tmp_path / "events.csv",
        "customer time",
        [(rng.choice(accounts), ORIGIN + int(day) * DAY) for day in np.sort(days)],
    )
    ends = rng.integers(7, DAYS, len(accounts))
    noise = [
        (a, b, b + int(n) * DAY if b + int(n) * DAY < LAST else None)
        for (a, b, _), n in zip(exported.terms, ends, strict=True)
    ]
    write_contracts(tmp_path, noise)
    checked, told = stranger(
        CONTRACTS
        + """
[sources.usage]
path = "events.csv"
account_id = "customer"
at = "time"
"""
    )
    assert any("usage contradicts contracts" in warning for warning in checked["warnings"])
    assert told["test"]["auc"]["low"] <= 0.5 <= told["test"]["auc"]["high"]
    assert any(note.startswith("No signal was found") for note in told["notes"])


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("written", ["2024-03-31T01:59:00+01:00", "2024-03-31 03:01:00+02:00"])
def test_times_with_berlin_offsets_are_the_same_moment_over_dst(tmp_path, exported, cli, written):
    instant = datetime.fromisoformat(written).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    write(tmp_path / "events.csv", "account_id at", [("a", written)])
    (tmp_path / "keepwell.toml").write_text('[sources.usage]\npath = "events.csv"\n[churn]\nkind = "inactivity"\n')
    checked = cli("check", "--config", str(tmp_path / "keepwell.toml"), "--json")
    assert checked.json["sources"][-1]["first_at"] == instant.isoformat()


USAGE = """
[sources.usage]
path = "events.csv"
account_id = "customer"
at = "time"
event = "action"
"""


def test_local_and_offset_times_of_one_company_train_alike(tmp_path, exported, stranger):
    """Timestamps written with Berlin's offset, and naive in UTC, are one company."""
    write_contracts(tmp_path, exported.terms)
    utc = ZoneInfo("UTC")
    zoned = [(a, t.replace(tzinfo=utc).astimezone(BERLIN).isoformat(), e) for a, _, t, e, _ in exported.events]
    write(tmp_path / "events.csv", "customer time action", zoned)
    _, berlin = stranger(CONTRACTS + USAGE)
    write(tmp_path / "events.csv", "customer time action", [(a, t, e) for a, _, t, e, _ in exported.events])
    _, naive = stranger(CONTRACTS + USAGE)
    assert berlin["data"] == naive["data"]
    assert berlin["test"] == naive["test"]


def test_leading_zeros_in_one_file_are_told_and_then_mapped_away(tmp_path, exported, cli, stranger):
    number = {account: int(account[1:]) for account, _, _ in exported.terms}
    padded = [(f"{number[a]:06d}", begin, end) for a, begin, end in exported.terms]
    write(tmp_path / "accounts.csv", "account_id", [(a,) for a, _, _ in padded])
    write_contracts(tmp_path, padded)
    write(tmp_path / "events.csv", "customer time action", [(number[a], t, e) for a, _, t, e, _ in exported.events])
    accounts = '[sources.accounts]\npath = "accounts.csv"\n'
    (tmp_path / "keepwell.toml").write_text(accounts + CONTRACTS + USAGE)
    refused = cli("check", "--config", str(tmp_path / "keepwell.toml"), "--json")
    assert refused.code == 1
    assert "unknown account, not in accounts: " in refused.json["problems"][0]
    assert any("leading zeros" in warning for warning in refused.json["warnings"])
    checked, _ = stranger(
        accounts + CONTRACTS + USAGE.replace('"customer"', "\"lpad(CAST(customer AS VARCHAR), 6, '0')\"")
    )
    assert checked["sources"][2]["rows_quarantined"] == 0


def test_semicolons_and_decimal_commas(tmp_path, exported, stranger):
    bought = [(a, f"{t:%d.%m.%Y %H:%M}", f"{x:.2f}".replace(".", ",")) for a, _, t, _, x in exported.events]
    write(tmp_path / "umsatz.csv", "kunde zeit betrag", bought, delimiter=";")
    checked, told = stranger(
        """
[company]
timezone = "Europe/Berlin"
[sources.usage]
path = "umsatz.csv"
account_id = "kunde"
at = "strptime(zeit, '%d.%m.%Y %H:%M')"
value = "replace(betrag, ',', '.')"
[churn]
kind = "inactivity"
"""
    )
    assert checked["sources"][-1]["rows_quarantined"] == 0
    assert told["data"]["churned_accounts"] > 50


STRANGE = ['"Quotes", and commas', "two\nlines", "semi;colon 'quoted'", "[bold]markup[/bold]", "ü" * 10_000]


def test_one_huge_account_and_strange_names(tmp_path, exported, cli, stranger):
    name = {account: STRANGE[i] if i < len(STRANGE) else account for i, (account, _, _) in enumerate(exported.terms)}
    write_contracts(tmp_path, [(name[a], begin, end) for a, begin, end in exported.terms])
    rows = [(name[a], t, e) for a, _, t, e, _ in exported.events]
    huge = [(STRANGE[0], datetime(2024, 1, 1) + timedelta(minutes=5 * i), "sync") for i in range(50_000)]
    write(tmp_path / "events.csv", "customer time action", rows + huge)
    config = ["--config", str(tmp_path / "keepwell.toml")]
    checked, _ = stranger(CONTRACTS + USAGE)
    assert checked["accounts"] == len(exported.terms)
    assert cli("score", *config, "--as-of", "2024-05-01", "--out", str(tmp_path / "book.parquet")).code == 0
    for account in STRANGE:
        explained = cli("explain", account, *config, "--as-of", "2024-05-01")
        assert explained.code == 0, explained.err


def test_monthly_rows_and_one_open_row_tell_the_same(tmp_path, exported, stranger):

    def monthly(account: str, begin: date, end: date | None) -> list[tuple[str, date, date]]:
        until = end or LAST + TERM * DAY
        starts = [begin + i * TERM * DAY for i in range((until - begin).days // TERM)]
        return [(account, start, start + TERM * DAY) for start in starts if start <= LAST]

    write(tmp_path / "events.csv", "customer time action", [(a, t, e) for a, _, t, e, _ in exported.events])
    write_contracts(tmp_path, exported.terms)
    until = f"\n[churn]\nhorizon_days = 28\nobserved_until = {LAST - TERM * DAY:%Y-%m-%d}\n"
    _, one_row = stranger(CONTRACTS + USAGE + until)
    write_contracts(tmp_path, [row for term in exported.terms for row in monthly(*term)])
    _, rows = stranger(CONTRACTS + USAGE + until)
    for count in ("accounts", "churners", "churned_accounts"):
        assert rows["data"][count] == one_row["data"][count]
    judged = [told["data"]["snapshots"] - told["data"]["censored"] for told in (rows, one_row)]
    assert judged[0] == judged[1]
    assert (rows["test"]["n"], rows["test"]["churners"]) == (one_row["test"]["n"], one_row["test"]["churners"])
