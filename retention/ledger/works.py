"""Does the programme work: is churn falling, and did the indicators that should lead it lead (systems R22b)."""

from datetime import date

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from retention.blocks import Block, Column, Value, rows
from retention.figures import UNKNOWN, Z95, Array, Figure
from retention.ledger.periods import Ledger
from retention.ledger.trends import Month

FEWEST_MONTHS = 8
LAGS = (1, 2, 3)


def rate_trend(lost: Array, customers: Array) -> Figure:
    """By what the odds to be lost are multiplied a year: logistic regression of monthly losses on time.

    The interval is widened where months differ more than chance would have them (quasi-likelihood, McCullagh and
    Nelder 1989, section 4.5). n is the number of months.
    """
    held = customers > 0
    n, years = int(held.sum()), np.arange(len(lost))[held] / 12
    if n < FEWEST_MONTHS or not 0 < lost[held].sum() < customers[held].sum():
        return Figure(None, n)
    design = np.column_stack([np.ones(n), years - years.mean()])
    events, size, beta = lost[held], customers[held], np.zeros(2)
    for _ in range(50):
        chance = expit(design @ beta)
        weight = size * chance * (1 - chance)
        step = np.linalg.solve(design.T @ (design * weight[:, None]), design.T @ (events - size * chance))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    chance = expit(design @ beta)
    weight = size * chance * (1 - chance)
    spread = max(1.0, float(np.sum((events - size * chance) ** 2 / weight)) / (n - 2))
    error = float(np.sqrt(spread * np.linalg.inv(design.T @ (design * weight[:, None]))[1, 1]))
    half = float(student.ppf(0.975, n - 2)) * error
    return Figure(float(np.exp(beta[1])), n, float(np.exp(beta[1] - half)), float(np.exp(beta[1] + half)))


def slope(values: Array) -> Figure:
    """By how much a monthly number changes a year: a straight line, with the interval of its slope."""
    known = ~np.isnan(values)
    n, years = int(known.sum()), np.arange(len(values))[known] / 12
    if n < FEWEST_MONTHS:
        return Figure(None, n)
    off, y = years - years.mean(), values[known]
    per_year = float(off @ y / (off @ off))
    left = y - y.mean() - per_year * off
    half = float(student.ppf(0.975, n - 2)) * float(np.sqrt(left @ left / (n - 2) / (off @ off)))
    return Figure(per_year, n, per_year - half, per_year + half)


def correlation(x: Array, y: Array) -> Figure:
    """Pearson's correlation with Fisher's interval; not known for fewer than FEWEST_MONTHS pairs."""
    known = ~(np.isnan(x) | np.isnan(y))
    n = int(known.sum())
    if n < FEWEST_MONTHS or np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
        return Figure(None, n)
    found = float(np.clip(np.corrcoef(x[known], y[known])[0, 1], -1 + 1e-12, 1 - 1e-12))
    half = Z95 / np.sqrt(n - 3)
    return Figure(found, n, float(np.tanh(np.arctanh(found) - half)), float(np.tanh(np.arctanh(found) + half)))


def trends(ledger: Ledger, months: dict[date, Month]) -> Block | None:
    """Whether churn falls; None for fewer than FEWEST_MONTHS months."""
    if len(ledger.months) < FEWEST_MONTHS:
        return None
    ones = [months[month] for month in ledger.months]
    odds = rate_trend(np.array([one.lost for one in ones], float), np.array([one.customers for one in ones], float))
    paid = slope(np.array([_or_nan(one.revenue_churn(1).value) for one in ones]))
    told: list[tuple[Value, ...]] = [
        ("logo churn: the odds a year, times", odds, _verdict(odds, 1.0)),
        ("revenue churn a month: change a year, in points", _times(paid, 100), _verdict(paid, 0.0)),
    ]
    return Block(
        id="churn_trend",
        title="Is churn falling?",
        systems=("R22b",),
        says=f"A line through the {len(ones)} closed months. Below 1 (logo) or below 0 (revenue) churn falls; unclear "
        "where the interval holds that. Falling churn is what a programme that works would show, and no proof.",
        columns=(
            Column("measure", "Measure"),
            Column("trend", "Trend", "number", has_interval=True),
            Column("verdict", "Churn is"),
        ),
        rows=rows(told),
    )


def leads(ledger: Ledger, months: dict[date, Month]) -> Block | None:
    """Whether indicators moved before churn did; None where no indicator is in the data, or too few months are."""
    series = _series(ledger)
    if not series or len(ledger.months) < FEWEST_MONTHS + 2:
        return None
    churn = np.diff([_or_nan(months[month].churn(1).value) for month in ledger.months])
    told: list[tuple[Value, ...]] = []
    for title, sign, values in series:
        moved = np.diff(values)
        told.append((title, *(_lead(correlation(moved[:-lag], churn[lag:]), sign) for lag in LAGS)))
        first = told[-1][1]
        told[-1] = (*told[-1], _lead_verdict(first) if isinstance(first, Figure) else None)
    return Block(
        id="leading_lag",
        title="Did the leading indicators lead?",
        systems=("R22b", "R11"),
        says="Correlation of an indicator's change in a month with the change of churn one, two and three months "
        "later, turned so that above 0 is as it should be: better first, less churn after. It led when the interval "
        "after one month lies above 0. Few months make wide intervals, and of forty indicators that tell nothing one "
        "is above 0 by chance.",
        columns=(
            Column("indicator", "Indicator"),
            *(Column(f"lag_{lag}", f"After {lag} month{'s'[: lag > 1]}", "number", has_interval=True) for lag in LAGS),
            Column("verdict", "It"),
        ),
        rows=rows(told),
    )


def _series(ledger: Ledger) -> list[tuple[str, int, Array]]:
    """Indicators by month: title, +1 where more should mean more churn and -1 where less, values."""
    inputs, told = ledger.inputs, []
    sources = (
        ("usage", "Use a customer", -1, "at", "COUNT(*)", True),
        ("support", "Tickets a customer", 1, "opened_at", "COUNT(*)", True),
        (
            "feedback",
            "NPS answers, mean",
            -1,
            "at",
            "AVG(CASE WHEN kind = 'nps' THEN CAST(score AS DOUBLE) END)",
            False,
        ),
        ("touchpoints", "Contacts a customer", -1, "at", "COUNT(*)", True),
    )
    held = {month: int(str(n)) for month, n in inputs.rows(_held())}
    for source, title, sign, clock, number, a_head in sources:
        if not inputs.has(source):
            continue
        query = f"""SELECT CAST(DATE_TRUNC('month', r.{clock}) AS DATE), {number} FROM known_{source} r GROUP BY 1"""
        found = {month: None if value is None else float(str(value)) for month, value in inputs.rows(query)}
        values = [_a_head(found.get(month), held.get(month, 0) if a_head else 1) for month in ledger.months]
        told.append((title, sign, np.array(values)))
    return told


def _held() -> str:
    return """SELECT CAST(n.month AS DATE), COUNT(*) FROM months n JOIN customer_spans s ON s.began_at < n.month
              AND (s.ended_at IS NULL OR s.ended_at >= n.month) GROUP BY 1"""


def _a_head(value: float | None, customers: int) -> float:
    return float("nan") if value is None or not customers else value / customers


def _lead(found: Figure, sign: int) -> Figure:
    if found.value is None or found.low is None or found.high is None or sign > 0:
        return found
    return Figure(-found.value, found.n, -found.high, -found.low)


def _lead_verdict(found: Figure) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "cannot be told"
    return "led" if found.low > 0 else "moved the wrong way" if found.high < 0 else "unclear"


def _verdict(found: Figure, none: float) -> str:
    if found.low is None or found.high is None:
        return "cannot be told"
    return "falling" if found.high < none else "rising" if found.low > none else "unclear"


def _times(found: Figure, factor: float) -> Figure:
    if found.value is None or found.low is None or found.high is None:
        return UNKNOWN if found.value is None else found
    return Figure(found.value * factor, found.n, found.low * factor, found.high * factor)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
