"""The scored book in the terminal: its tiers, the accounts with most at risk, and why one account has its score."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from serving.calibration import sigmoid
from serving.reasons import shared_points
from serving.tiers import TIERS
from training.report.layout import bullets, section, table, tier
from training.report.words import UNKNOWN, adding_up, count, direction, number, percent, short

Row = dict[str, Any]
MOST_SIGNALS = 10
BAR = 12
"""Characters of the longest bar to either side."""


def tiers_of_book(book: pa.Table) -> RenderableType:
    """Accounts, churn probability and money of each tier, and of all."""
    rows = table("tier", "accounts>", "share>", "mean churn probability>", "yearly value>", "value at risk>")
    book = book.select(["tier", "churn_probability", "yearly_value", "value_at_risk"])
    names = [t.name for t in TIERS] + sorted(set(book["tier"].to_pylist()) - {t.name for t in TIERS}, key=str)
    for name in names:
        members = book.filter(pc.is_null(book["tier"]) if name is None else pc.equal(book["tier"], name))
        if len(members):
            rows.add_row(tier(name), *_of_tier(members, len(book)))
    rows.add_section()
    rows.add_row("all", *_of_tier(book, len(book)), style="bold")
    return Group(*section("The book by tier", rows))


def _of_tier(members: pa.Table, everyone: int) -> tuple[str, ...]:
    mean = pc.mean(members["churn_probability"]).as_py()
    money = (pc.sum(members[name]).as_py() for name in ("yearly_value", "value_at_risk"))
    share = len(members) / everyone if everyone else None
    return f"{len(members):,}", percent(share), percent(mean), *(number(x, 0) for x in money)


def top_accounts(book: pa.Table, n: int) -> RenderableType:
    """The n accounts with most value at risk; by churn probability, or health, where no value is known."""
    by = next((c for c in ("value_at_risk", "churn_probability") if book[c].null_count < len(book)), "health_score")
    most = "ascending" if by == "health_score" else "descending"
    first = book.sort_by([(by, most), ("account_id", "ascending")]).slice(0, n).to_pylist()
    rows = table("account", "tier", "health>", "churn probability>", "value at risk>", "why")
    for row in first:
        why = [row[f"reason_{i}"] for i in (1, 2, 3) if row.get(f"reason_{i}")]
        rows.add_row(
            escape(short(str(row["account_id"]), 24)),
            tier(row["tier"]),
            number(row["health_score"], 1),
            _probability(row).replace(" (", "\n("),
            number(row["value_at_risk"], 0),
            "\n".join(f"- {escape(short(text, 160))}" for text in why) or UNKNOWN,
            end_section=True,
        )
    said = {"value_at_risk": "most value at risk", "churn_probability": "the highest churn probability"}
    return Group(*section(f"The {count(len(first), 'account')} with {said.get(by, 'the lowest health')}", rows))


def waterfall(row: Row) -> RenderableType:
    """Why an account has its score, from one row of the book: every column of numbers adds up to its last line."""
    return Group(_head(row), *_signals(row), *_components(row), *_reasons(row))


def _head(row: Row) -> RenderableType:
    horizon = f" within {count(row['horizon_days'], 'day')}" if row["horizon_days"] else ""
    lines = [
        f"[bold]{escape(str(row['account_id']))}[/] on {row['as_of']:%Y-%m-%d}",
        f"Churn probability{horizon}: [bold]{_probability(row)}[/]",
        f"Health: [bold]{number(row['health_score'], 2)}[/] of 100, tier {tier(row['tier'])}",
        f"Value at risk: {number(row['value_at_risk'], 0)} of {number(row['yearly_value'], 0)} a year",
    ]
    return Text.from_markup("\n".join(lines))


def _probability(row: Row) -> str:
    value, low, high = (row[f"churn_probability{end}"] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:  # a model served as it is, without calibration, has no interval
        return UNKNOWN if value is None else percent(value)
    return f"{percent(value)} ({number(100 * low, 1)}-{number(100 * high, 1)} %)"


def _signals(row: Row) -> list[RenderableType]:
    """From the intercept through every signal to the log-odds and the probability."""
    if not row["drivers"]:
        return [Text("\nNo drivers: no model was learned yet. Health comes from the typical weights and step maps.")]
    terms = largest_signals(row)
    start, end = float(sigmoid(row["intercept"])), float(row["churn_probability"])
    base = round(row["intercept"], 2), round(100 * start, 2)
    log_odds = _closing(list(terms.values()), round(row["log_odds"], 2) - base[0], row)
    points = _closing(shared_points(list(terms.values()), start, end), round(100 * end, 2) - base[1], row)
    longest = max((abs(x) for x in terms.values()), default=0.0)
    rows = table("signal", "log-odds>", "points of probability>", "lowers | raises the risk")
    rows.add_row("base: no signal either way", number(base[0], 2), number(base[1], 2), "", end_section=True)
    for (name, value), odds, point in zip(terms.items(), log_odds, points, strict=True):
        rows.add_row(escape(name), _signed(odds), _signed(point), _bar(value, longest))
    rows.add_section()
    total = number(base[0] + sum(log_odds), 2), f"{number(base[1] + sum(points), 2)} %"
    rows.add_row("sum: churn probability", *total, "", style="bold")
    return section("What moves the churn probability", rows)


def _closing(parts: list[float], total: float, row: Row) -> list[float]:
    """Parts that add up as printed; where small signals are pooled, the pool takes what rounding leaves."""
    if len(row["drivers"]) <= MOST_SIGNALS:
        return adding_up(parts, 2, total)
    shown = [round(x, 2) for x in parts[:-1]]
    return [*shown, total - sum(shown)]


def largest_signals(row: Row, most: int = MOST_SIGNALS) -> dict[str, float]:
    """Contributions in log-odds by signal, the largest first; those beyond `most` are pooled in the last."""
    drivers = sorted(row["drivers"], key=lambda d: (-abs(d["log_odds"]), d["component"], d["signal"]))
    shown = {f"{d['component']}: {short(d['signal'])}": float(d["log_odds"]) for d in drivers[:most]}
    rest = [float(d["log_odds"]) for d in drivers[most:]]
    return shown | ({f"all other signals ({len(rest)})": sum(rest)} if rest else {})


def _signed(value: float) -> str:
    return f"{value:+z,.2f}"


def _bar(value: float, longest: float) -> str:
    """A bar to the left of the axis where the risk is lowered, to the right where it is raised."""
    bar = "█" * round(BAR * abs(value) / longest) if longest else ""
    if direction(value) == "lowers":
        return f"[cyan]{bar:>{BAR}}[/]│"
    return f"{'':{BAR}}│[magenta]{bar}[/]"


def _components(row: Row) -> list[RenderableType]:
    """Scores times weights are points; points add up to health."""
    names = [name.removesuffix("_points") for name in row if name.endswith("_points")]
    known = [name for name in names if row[f"{name}_points"] is not None]
    if not known:
        return [Text("\nNo component of the health score has data for this account.")]
    points = dict(zip(known, adding_up([row[f"{name}_points"] for name in known], 2, row["health_score"]), strict=True))
    rows = table("component", "score>", "weight>", "points>", "features known>", "data as of")
    for name in names:
        rows.add_row(
            name,
            number(row[f"{name}_score"], 2),
            percent(row[f"{name}_weight"]),
            number(points.get(name), 2),
            percent(row.get(f"{name}_coverage"), 0),
            f"{row[f'{name}_data_as_of']:%Y-%m-%d}" if row.get(f"{name}_data_as_of") else UNKNOWN,
        )
    rows.add_section()
    rows.add_row("health", "", "", number(sum(points.values()), 2), "", "", style="bold")
    return section("What the health score is made of", rows)


def _reasons(row: Row) -> list[RenderableType]:
    told = [f"{'Raises' if r['contribution'] > 0 else 'Lowers'} the risk: {r['text']}" for r in row["reasons"] or []]
    return section("In words", bullets(told)) if told else []
