"""Times that the ledger closes, and what became of each account over one of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retention.blocks import Column
from retention.figures import Array, Figure, difference
from retention.inputs import Inputs
from retention.ledger import movements

Flags = NDArray[np.bool_]
Texts = NDArray[np.str_]
NO_SEGMENT = "(none)"
YEAR = 12
MONEY = ("begin", "new", "reactivation", "expansion", "contraction", "churn", "end")


Columns = tuple[Column, ...]
COMPARED = (
    Column("before", "Year before", "share", has_interval=True),
    Column("change", "Change", "share", has_interval=True),
)


@dataclass(frozen=True)
class Period:
    """Whole months: from the end of the month `begin` to the end of the month `end`, both given by their first day."""

    begin: date
    end: date

    @property
    def months(self) -> int:
        """How many months it has."""
        return (self.end.year - self.begin.year) * 12 + self.end.month - self.begin.month

    @property
    def from_at(self) -> datetime:
        """Its first moment."""
        return _moment(shifted(self.begin, 1))

    @property
    def until_at(self) -> datetime:
        """The first moment after it."""
        return _moment(shifted(self.end, 1))

    def before(self) -> "Period":
        """The time of the same length before it."""
        return Period(shifted(self.begin, -self.months), self.begin)

    def __str__(self) -> str:
        return f"{shifted(self.begin, 1):%Y-%m} to {self.end:%Y-%m}"


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Accounts over a period, one entry each. `lost`: a customer of the period's beginning whose stint ended in it.

    Customer-months count the months at whose beginning it was a customer, `losses` those in which it was then lost,
    `paid` is the money of these beginnings. Money is in the company's currency, NaN where it is not known.
    """

    account_id: Texts
    segment: Texts
    began_at: NDArray[np.datetime64]
    customer: Flags
    lost: Flags
    customer_months: Array
    losses: Array
    paid: Array
    begin: Array
    new: Array
    reactivation: Array
    expansion: Array
    contraction: Array
    churn: Array
    end: Array

    def only(self, mask: Flags) -> "Accounts":
        """Those accounts alone."""
        return Accounts(**{name: column[mask] for name, column in vars(self).items()})

    def by_segment(self) -> dict[str, "Accounts"]:
        """The accounts of each segment, in the order of names."""
        return {str(name): self.only(self.segment == name) for name in sorted(set(self.segment.tolist()))}


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What every block of the chapter reads: the closed months, the last year of them, and its accounts.

    `year` is shorter than 12 months where the data are; None where no month is closed. `before` and `accounts_before`
    are the year before it, None where the data do not reach it whole.
    """

    inputs: Inputs
    months: tuple[date, ...]
    year: Period
    accounts: Accounts
    before: Period | None
    accounts_before: Accounts | None
    money: movements.Money | None

    @property
    def is_year(self) -> bool:
        """Whether the last period is a whole year, which targets are meant for."""
        return self.year.months == YEAR

    @property
    def beside(self) -> Columns:
        """The columns for the year before and the change; none where the data do not reach back so far."""
        return COMPARED if self.before else ()

    @property
    def times(self) -> str:
        """The last period in words."""
        return "the last 12 months" if self.is_year else f"the last {self.year.months} months"


def compared(ledger: Ledger, now: Figure, before: Figure) -> tuple[Figure, ...]:
    """A row's values for `Ledger.beside`."""
    return (before, difference(now, before)) if ledger.before else ()


def look(inputs: Inputs) -> Ledger | None:
    """Look at the closed months; None where there is none with customers at its beginning."""
    months = [row[0] for row in inputs.rows("SELECT CAST(month AS DATE) AS month FROM months ORDER BY month")]
    begins = [month for month in months if isinstance(month, date) and _has_customers(inputs, month)]
    if not begins:
        return None
    year = Period(shifted(begins[-min(YEAR, len(begins))], -1), begins[-1])
    before = year.before() if year.months == YEAR and len(begins) >= 2 * YEAR else None
    return Ledger(
        inputs=inputs,
        months=tuple(begins),
        year=year,
        accounts=accounts(inputs, year),
        before=before,
        accounts_before=accounts(inputs, before) if before else None,
        money=movements.money_of(inputs),
    )


def accounts(inputs: Inputs, period: Period) -> Accounts:
    """Every account that was a customer at either end of a period, or within it."""
    names = ", ".join(f"m.{name}_cents / 100.0 AS {name}" for name in MONEY)
    moment = inputs.engine.moment
    at, until = moment(period.from_at), moment(period.until_at)
    found = inputs.engine.query(
        f"""SELECT s.account_id, COALESCE(a.segment, '{NO_SEGMENT}') AS segment, s.first_at AS began_at, s.customer,
                   s.lost, COALESCE(e.customer_months, 0) AS customer_months, COALESCE(e.losses, 0) AS losses, e.paid,
                   {names}
            FROM (SELECT account_id, MIN(began_at) AS first_at, BOOL_OR({_runs(at)}) AS customer,
                         BOOL_OR({_runs(at)} AND ended_at < {until}) AS lost,
                         BOOL_OR(began_at < {until} AND (ended_at IS NULL OR ended_at >= {at})) AS is_in
                  FROM customer_spans GROUP BY account_id) s
            LEFT JOIN ({_exposure(at, until)}) e ON e.account_id = s.account_id
            LEFT JOIN ({movements.between(_one(period))}) m ON m.account_id = s.account_id
            LEFT JOIN known_accounts a ON a.account_id = s.account_id
            WHERE s.is_in OR m.account_id IS NOT NULL ORDER BY s.account_id"""
    )
    unknown = 0.0 if movements.money_of(inputs) else np.nan
    return Accounts(
        account_id=np.array(found["account_id"].to_pylist(), dtype=np.str_),
        segment=np.array(found["segment"].to_pylist(), dtype=np.str_),
        began_at=found["began_at"].to_numpy().astype("datetime64[us]"),
        customer=np.array(found["customer"].to_pylist(), dtype=np.bool_),
        lost=np.array(found["lost"].to_pylist(), dtype=np.bool_),
        customer_months=_numbers(found["customer_months"], 0.0),
        losses=_numbers(found["losses"], 0.0),
        **{name: _numbers(found[name], unknown) for name in ("paid", *MONEY)},
    )


def shifted(month: date, by: int) -> date:
    """The first day of another month, so many months on.

    >>> shifted(date(2024, 1, 1), -1), shifted(date(2024, 11, 1), 14)
    (datetime.date(2023, 12, 1), datetime.date(2026, 1, 1))
    """
    count = month.year * 12 + month.month - 1 + by
    return date(count // 12, count % 12 + 1, 1)


def _runs(at: str) -> str:
    """A stint that runs at a moment: (began, ended]."""
    return f"(began_at < {at} AND (ended_at IS NULL OR ended_at >= {at}))"


def _one(period: Period) -> str:
    begin, end = (f"TIMESTAMP '{day} 00:00:00'" for day in (period.begin, period.end))
    return f"SELECT {end} AS month, {begin} AS begin_month, {end} AS end_month"


def _exposure(at: str, until: str) -> str:
    """Months of the period at whose beginning an account was a customer, those in which it was lost, money of both."""
    return f"""
        SELECT s.account_id, COUNT(*) AS customer_months, SUM(v.begin_cents) / 100.0 AS paid,
               COUNT(CASE WHEN s.ended_at < n.month + INTERVAL 1 MONTH THEN 1 END) AS losses
        FROM months n JOIN customer_spans s ON s.began_at < n.month AND (s.ended_at IS NULL OR s.ended_at >= n.month)
        LEFT JOIN movements v ON v.account_id = s.account_id AND v.month = n.month
        WHERE n.month >= {at} AND n.month < {until} GROUP BY s.account_id"""


def _has_customers(inputs: Inputs, month: date) -> bool:
    at = inputs.engine.moment(_moment(month))
    return bool(inputs.rows(f"SELECT 1 FROM customer_spans WHERE {_runs(at)} LIMIT 1"))


def _numbers(column: Any, empty: float) -> Array:
    return np.array([empty if value is None else float(value) for value in column.to_pylist()], dtype=np.float64)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
