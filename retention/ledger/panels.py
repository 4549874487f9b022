"""What a business model steers by, its outcomes, and the goals that somebody set (systems M2, L22, A14, A10)."""

from datetime import date, datetime, timedelta

from retention.blocks import Block, Column, Value, rows
from retention.figures import UNKNOWN, Figure, difference, share
from retention.health.leading import verdict
from retention.inputs import Inputs
from retention.ledger import arrivals, baseline, rates, returns
from retention.ledger.periods import YEAR, Ledger, Period, accounts, shifted
from retention.metrics import METRICS
from retention.sections import Goal
from retention.voice import scores

OUTCOMES = ("nps", "logo_churn", "renewal_rate", "nrr")
ANSWERS_DAYS = 364


def figures(ledger: Ledger) -> dict[str, Figure]:
    """Every metric of the chapter by name; those that the data do not allow are not in it."""
    found = _of_year(ledger, ledger.year) | arrivals.activation(ledger.inputs) | arrivals.referrals(ledger)
    return {name: one for name, one in found.items() if one.value is not None}


def metric_set(ledger: Ledger, found: dict[str, Figure]) -> Block:
    """The metrics of each stage; the first is its North Star (systems M2, L22)."""
    inputs = ledger.inputs
    model = inputs.settings.company.business_model
    known = found | {"nps": _nps(inputs, inputs.as_of), "detractors": _detractors(inputs, inputs.as_of)}
    told = [
        (stage, METRICS[name].title, "North Star" if i == 0 else "diagnostic", said(name, known.get(name, UNKNOWN)))
        for stage, names in inputs.house.metric_sets.get(model, {}).items()
        for i, name in enumerate(names)
    ]
    return Block(
        id="metric_set",
        title="What this business steers by",
        systems=("M2", "L22", "L6", "L18", "L19", "L20", "L21"),
        says=f'The metrics of the stages of [company] business_model = "{model}", over {ledger.times}. Steer each '
        "stage by its North Star; the diagnostics say why it moves.",
        columns=(
            Column("stage", "Stage"),
            Column("metric", "Metric"),
            Column("role", "Role"),
            Column("value", "Value"),
        ),
        rows=rows(told),
    )


def outcomes(ledger: Ledger) -> Block:
    """NPS, churn, renewal rate and NRR, and whether they moved the way they should (systems A14)."""
    inputs = ledger.inputs
    now = _of_year(ledger, ledger.year) | {"nps": _nps(inputs, inputs.as_of)}
    then = _of_year(ledger, ledger.before) if ledger.before else {}
    then |= {"nps": _nps(inputs, inputs.as_of - timedelta(days=ANSWERS_DAYS))}
    told = []
    for name in OUTCOMES:
        moved = difference(now[name], then.get(name, UNKNOWN))
        good = METRICS[name].good or "up"
        told.append((METRICS[name].title, good, said(name, now[name]), said(name, then.get(name, UNKNOWN)),
                     said(name, moved), "not known" if moved.value is None else verdict(moved, good)))  # fmt: skip
    return Block(
        id="outcomes",
        title="Outcomes",
        systems=("A14",),
        says=f"Over {ledger.times} and the year before (NPS: {ANSWERS_DAYS} days of answers up to the report). Clear "
        "where the interval of the change leaves zero out.",
        columns=(
            Column("metric", "Metric"),
            Column("wanted", "Wanted"),
            Column("now", "Now"),
            Column("before", "Year before"),
            Column("change", "Change"),
            Column("verdict", "It is"),
        ),
        rows=rows(told),
    )


def goals(ledger: Ledger) -> Block | None:
    """Each goal with its baseline, what it should be, what it is, and whether it is reached (systems A10)."""
    set_ = ledger.inputs.house.goals
    if not set_:
        return None
    return Block(
        id="goals",
        title="Goals",
        systems=("A10",),
        says="A metric at its baseline, the change wanted, and what it is now; both over the year that ended then. "
        "Unsure where the interval of what it is now holds what it should be.",
        columns=(
            Column("goal", "Goal"),
            Column("metric", "Metric"),
            Column("month", "Baseline", "month"),
            Column("baseline", "It was"),
            Column("wanted", "Shall be"),
            Column("now", "Is"),
            Column("until", "Until", "day"),
            Column("verdict", "Reached"),
        ),
        rows=rows(_goal(ledger, one) for one in set_.values()),
    )


def said(name: str, found: Figure) -> str:
    """A metric's value with its interval in words.

    >>> said("logo_churn", Figure(0.244, 562, 0.21, 0.281)), said("ltv", Figure(1234.5, 9)), said("nps", UNKNOWN)
    ('24.4 % (21.0 to 28.1; n 562)', '1,234 (n 9)', '-')
    """
    unit = METRICS[name].unit
    factor, digits = (100.0 if unit == "share" else 1.0), {"money": 0, "count": 0, "number": 2}.get(unit, 1)
    if found.value is None:
        return "-"
    value, *ends = (f"{x * factor:,.{digits}f}" for x in (found.value, found.low, found.high) if x is not None)
    inside = [" to ".join(ends)] if len(ends) == 2 else []
    inside += [f"n {found.n:,}"] if found.n is not None else []
    return value + {"share": " %", "days": " days"}.get(unit, "") + (f" ({'; '.join(inside)})" if inside else "")


def _of_year(ledger: Ledger, period: Period) -> dict[str, Figure]:
    house = ledger.inputs.house
    found = ledger.accounts if period == ledger.year else accounts(ledger.inputs, period)
    fewest = house.programme.fewest
    return rates.figures(ledger, found, period) | {
        "retention_rate": rates.retention_rate(found, fewest),
        "monthly_churn": rates.monthly_churn(found, fewest),
        "repeat_rate": baseline.repeat_rate(ledger.inputs, found, period),
        "ltv": rates.ltv(found, house.money.gross_margin, fewest),
        "expansion_revenue": rates.expansion(found),
        "reactivation_rate": returns.reactivation_rate(ledger, period),
    }


def _goal(ledger: Ledger, goal: Goal) -> tuple[Value, ...]:
    was, now = _at(ledger, goal.metric, goal.month), _at(ledger, goal.metric, ledger.year.end)
    wanted = None if was.value is None else was.value * (1 + goal.change)
    name = goal.metric
    return (goal.title, METRICS[name].title, goal.month, said(name, was), said(name, Figure(wanted)), said(name, now),
            goal.until, _reached(now, wanted, goal.change))  # fmt: skip


def _reached(now: Figure, wanted: float | None, change: float) -> str:
    if now.value is None or wanted is None:
        return "not known"
    told = "yes" if (now.value <= wanted if change < 0 else now.value >= wanted) else "no"
    unsure = now.low is not None and now.high is not None and now.low <= wanted <= now.high
    return f"{told}, unsure" if unsure else told


def _at(ledger: Ledger, name: str, month: date) -> Figure:
    """A metric over the year that ended with a month."""
    month = month.replace(day=1)
    by_answers = {"nps": _nps, "detractors": _detractors}
    if name in by_answers:
        return by_answers[name](ledger.inputs, Period(month, month).until_at)
    if shifted(month, -YEAR + 1) < ledger.months[0] or month > ledger.months[-1]:
        return UNKNOWN
    return _of_year(ledger, Period(shifted(month, -YEAR), month)).get(name, UNKNOWN)


def _nps(inputs: Inputs, until: datetime) -> Figure:
    return scores.nps(_classes(inputs, until))


def _detractors(inputs: Inputs, until: datetime) -> Figure:
    classes = _classes(inputs, until)
    return share(classes.count("detractor"), len(classes), fewest=inputs.house.programme.fewest)


def _classes(inputs: Inputs, until: datetime) -> list[str]:
    """The classes of the answers of 364 days up to a moment."""
    end = inputs.engine.moment(until)
    found = inputs.rows(
        f"""SELECT {scores.CLASS} FROM known_feedback r
            WHERE {scores.NPS} AND r.at < {end} AND r.at >= {end} - INTERVAL {ANSWERS_DAYS} DAY"""
    )
    return [str(name) for (name,) in found]
