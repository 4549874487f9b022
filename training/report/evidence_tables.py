"""What a model was worth, in the terminal: the evidence of a run.

Every function takes the object that `--json` prints, so that a person and a machine are told the same numbers.
"""

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from serving.health import RANGES, TYPICAL
from training.report.layout import VERDICT_STYLE, bullets, section, table, tier
from training.report.rival_tables import contenders
from training.report.words import (
    count,
    figure,
    figure_percent,
    number,
    percent,
    short,
    verdict,
)

Told = dict[str, Any]


def evidence(told: Told) -> RenderableType:
    """The evidence of one training run."""
    return Group(
        _data(told),
        *contenders(told),
        *_health(told),
        *_calibration(told),
        *_silence(told.get("inactivity") or []),
        *_leaks(told["leaks"]),
        *_capacity(told),
        *_groups(told),
        *(section("Worth knowing", bullets(told["notes"])) if told["notes"] else []),
        _version(told["model_version"]),
    )


def _data(told: Told) -> RenderableType:
    data, about, test = told["data"], told["about"], told["test"]
    lead = f" after {count(about['lead_days'], 'day')} of lead time" if about["lead_days"] else ""
    lines = [
        f"{count(data['accounts'], 'account')}, {count(data['snapshots'], 'snapshot')}: {data['churners']:,} churned "
        f"({count(data['churned_accounts'], 'account')}), {data['involuntary']:,} involuntary, {data['censored']:,} "
        f"censored (window not closed yet). {count(data['quarantined'], 'source row')} quarantined.",
        f"Churn ({about['churn']}) within {count(about['horizon_days'], 'day')}{lead}. Trained until "
        f"{about['trained_until']}; tested from {about['test_from']} on {count(test['n'], 'snapshot')}, "
        f"{test['churners']:,} of them churned ({percent(test['churners'] / test['n'] if test['n'] else None)}).",
    ]
    return Text("\n".join(lines))


def _health(told: Told) -> list[RenderableType]:
    health = told["health"]
    weights = table("component", "weight>", "typical>", "customary range>")
    for name, learned in health["weights"].items():
        low, high = RANGES.get(name, (None, None))
        between = f"{percent(low, 0)} to {percent(high, 0)}" if low else ""
        weights.add_row(name, figure_percent(learned), percent(TYPICAL[name], 0) if name in TYPICAL else "", between)
    tiers = table("tier", "share of the book>", "realised churn>")
    for name, rates in health["tiers"].items():
        tiers.add_row(tier(name), figure_percent(rates["share"]), figure_percent(rates["churn_rate"]))
    checks = table("check", "found>", "verdict")
    for check in health["checks"]:
        words = f"[{VERDICT_STYLE[check['passed']]}]{verdict(check['passed'])}[/]"
        checks.add_row(escape(check["check"]), number(check["value"], 2), words)
    return [
        *section("The health score: how well it ranks", _health_auc(health)),
        *section("Learned health weights", weights),
        *section("Tiers on the test period", tiers),
        *section("What is asked of the tiers", checks),
    ]


def _health_auc(health: Told) -> RenderableType:
    rows = table("ranked by", "AUC>")
    others = f"health ({', '.join(health['components'])})"
    for words, name in (
        (others, "auc"),
        ("unrestricted LightGBM on the same features", "auc_unrestricted"),
        ("typical hand weights", "auc_hand_weights"),
        ("churn probability, all components", "auc_all_components"),
    ):
        rows.add_row(words, figure(health[name]))
    lost = _less(health["auc_all_components"], health["auc"])
    rows.add_row("price of leaving the other components out of health", lost)
    return rows


def _less(one: Told, other: Told) -> str:
    known = one["value"] is not None and other["value"] is not None
    return number(one["value"] - other["value"] if known else None)


def _calibration(told: Told) -> list[RenderableType]:
    calibration = told["calibration"]
    slopes = ", ".join(f"{name} {number(slope, 2)}" for name, slope in calibration["slopes"].items())
    harm = figure(calibration["harm"], 4)
    words = (
        f"Method: {calibration['method']}. Slopes: {slopes}. "
        f"Log loss with calibration less without it, on the test rows: {harm}; above zero it did harm."
    )
    return section("Calibration", Text(words))


def _silence(thresholds: list[Told]) -> list[RenderableType]:
    """Learned inactivity: from which silence on an account is warned of, and what share of silences ended in time."""
    if not thresholds:
        return []
    weeks = list(thresholds[0]["return_rate_after_weeks"])
    rows = table("segment", "inactive after>", "accounts>", *(f"back after {w} weeks>" for w in weeks))
    for told in thresholds:
        days = "no silence" if told["days"] is None else count(told["days"], "day")
        back = (percent(told["return_rate_after_weeks"][w], 0) for w in weeks)
        rows.add_row(escape(short(told["segment"], 24)), days, f"{told['accounts']:,}", *back)
    return section(
        "Inactivity, a warning and not a churn: the silence from which fewer than half come back in time", rows
    )


def _leaks(leaks: list[Told]) -> list[RenderableType]:
    if not leaks:
        return []
    rows = table("check", "verdict", "what was found")
    for leak in sorted(leaks, key=lambda leak: leak["verdict"] != "flagged"):
        style = "red" if leak["verdict"] == "flagged" else "green"
        rows.add_row(leak["check"], f"[{style}]{leak['verdict']}[/]", escape(leak["sentence"]))
    return section("Leak checks by experiment", rows)


def _capacity(told: Told) -> list[RenderableType]:
    rows = table("riskiest", "of them churn>", "churners caught>", "lift>", "value caught>")
    for catch in told["capacity"]:
        share = catch["capacity"] / told["test"]["n"]
        rows.add_row(
            f"{count(round(catch['capacity']), 'row')} ({percent(share, 0)})",
            percent(catch["precision"]),
            percent(catch["recall"]),
            number(catch["lift"], 2),
            percent(catch["value_recall"]),
        )
    return section("What a team would have caught", rows)


def _groups(told: Told) -> list[RenderableType]:
    if not told["groups"]:
        return []
    rows = table("among", "AUC>", "log loss>", "lift>", "calibration slope>")
    for name, figures in told["groups"].items():
        cells = figure(figures["auc"]), figure(figures["log_loss"]), figure(figures["lift_at_10pct"], 2)
        rows.add_row(escape(name.replace("_", " ")), *cells, figure(figures["calibration_slope"], 2))
    return section("Segments and stages (10 churned rows or more)", rows)


def _version(version: str | None) -> RenderableType:
    registered = f"Registered as version {version}, @challenger." if version else "Not registered."
    return Text(f"\n{registered}", style="bold")
