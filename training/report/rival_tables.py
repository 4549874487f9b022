"""One model against others, in the terminal: its benchmarks, its origins, champion and challenger."""

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from training.report.layout import bullets, section, table
from training.report.words import CONTENDERS, METRICS, count, figure, figure_percent

Told = dict[str, Any]
RANKING, PROBABILITY = list(METRICS)[:3], list(METRICS)[3:]
INTERVALS = "In brackets: 95 % intervals, accounts resampled."


def contenders(told: Told) -> list[RenderableType]:
    """The model above its benchmarks, on the same rows: how they rank, and how their probabilities are."""
    everyone = {"test": told["test"], **told["benchmarks"]}
    shown: list[RenderableType] = []
    for title, metrics in (
        ("How well it ranks the test rows", RANKING),
        ("How good its probabilities are", PROBABILITY),
    ):
        rows = table("", *(f"{METRICS[m][0]}>" for m in metrics))
        for name, figures in everyone.items():
            cells = [figure(figures[m], METRICS[m][1]) for m in metrics]
            rows.add_row(CONTENDERS.get(name, name), *cells, style="bold" if name == "test" else None)
        shown += section(title, rows)
    right = "A calibration slope of 1 and an intercept of 0 are right; a lower log loss or Brier score is better. "
    return [*shown, Text(right + INTERVALS)]


def backtest(told: Told) -> RenderableType:
    """Each origin, all of them together, and how the health weights moved from one to the next."""
    rows = table("test from", "rows>", "churned>", "AUC>", "log loss>", "health AUC>")
    for origin in told["origins"]:
        rows.add_row(
            origin["test_from"],
            f"{origin['n']:,}",
            f"{origin['churners']:,}",
            figure(origin["auc"]),
            figure(origin["log_loss"]),
            figure(origin["health_auc"]),
            end_section=origin is told["origins"][-1],
        )
    test = told["test"]
    pooled = f"{test['n']:,}", f"{test['churners']:,}", figure(test["auc"]), figure(test["log_loss"])
    rows.add_row("all together", *pooled, "", style="bold")
    refused = told.get("refused") or []
    return Group(
        *section("Rolling origins: each time trained on what was closed by then", rows),
        *_weights_by_origin(told["origins"]),
        *(section("Origins that could not be judged", bullets(refused)) if refused else []),
        *contenders(told),
        *(section("Worth knowing", bullets(told["notes"])) if told.get("notes") else []),
    )


def _weights_by_origin(origins: list[Told]) -> list[RenderableType]:
    if not origins or "weights" not in origins[0]:
        return []
    names = list(dict.fromkeys(name for origin in origins for name in origin["weights"]))
    rows = table("test from", *(f"{name}>" for name in names))
    for origin in origins:
        rows.add_row(origin["test_from"], *(figure_percent(origin["weights"].get(name), 0) for name in names))
    return section("Health weights learned at each origin", rows)


def comparison(told: Told) -> RenderableType:
    """The gate's verdict with its reasons, and the paired differences it rests on."""
    champion = f"version {told['champion']}" if told["champion"] else "none yet (the base rate takes its place)"
    said = "Promote: the gate lets the challenger through." if told["promote"] else "Keep the champion."
    if told.get("promoted"):
        forced = "" if told["promote"] else " although the gate said no (forced, and recorded with its reason)"
        said = f"Promoted: version {told['challenger']} is champion now{forced}."
    differences: list[RenderableType] = []
    rows = table("challenger less champion", "difference>")
    for name, difference in (told.get("figures") or {}).items():
        rows.add_row(escape(name.replace("_", " ")), figure(difference, 4))
    if rows.row_count:
        differences = [rows, Text("Below zero is in the challenger's favour. " + INTERVALS)]
    judged = f", judged on {count(told['rows'], 'later row')}" if "rows" in told else ""
    return Group(
        Text(f"Champion: {champion}. Challenger: version {told['challenger']}{judged}."),
        Text(f"\n{said}", style="bold green" if told["promote"] else "bold yellow"),
        bullets(told["reasons"]),
        *differences,
    )
