"""Tell what contenders did: tables of medians, and claims that hold or fail."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Round = dict[str, dict[str, float]]
"""What each contender did in one round, by contender and measure."""


def claim(
    name: str, rounds: Sequence[Round], ours: str, control: str, what: str, goal: float | None, *, more_is_better: bool
) -> dict[str, Any]:
    """How many times as good a contender of ours is as a control in the same round; a goal of null is none.

    Args:
        name: the claim in words.
        rounds: what was measured.
        ours: our contender.
        control: whom it is compared with.
        what: the measure.
        goal: the least ratio at which the claim holds.
        more_is_better: whether a larger measure is the better one.
    """
    pairs = [(one[ours][what], one[control][what]) for one in rounds]
    ratios = [mine / theirs if more_is_better else theirs / mine for mine, theirs in pairs]
    middle, theirs = (median(side) for side in zip(*pairs, strict=True))
    holds = None if goal is None else median(ratios) >= goal
    spread = {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    return {"name": name, "ours": middle, "control": theirs, **spread, "goal": goal, "holds": holds}


def within(name: str, rounds: Sequence[Round], ours: str, control: str, what: str, most: float) -> dict[str, Any]:
    """The claim that a contender of ours takes at most so many times what a control takes in the same round."""
    ratios = [one[ours][what] / one[control][what] for one in rounds]
    middle, theirs = (median(one[who][what] for one in rounds) for who in (ours, control))
    spread = {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    return {"name": name, "ours": middle, "control": theirs, **spread, "goal": most, "holds": median(ratios) <= most}


def at_most(name: str, found: float, most: float = 0) -> dict[str, Any]:
    """The claim that something is no larger than `most`, or by default does not happen."""
    return {"name": name, "ours": found, "control": 0, "ratio": None, "goal": most, "holds": found <= most}


@dataclass(frozen=True)
class Column:
    """A measure in a table: its heading, what it is multiplied with, and its format."""

    heading: str
    times: float = 1
    form: str = ",.1f"


def table(title: str, rounds: Sequence[Round], columns: Mapping[str, Column]) -> list[str]:
    """The medians by contender; `columns` are by measure."""
    width = 2 + max(map(len, rounds[0]))
    lines = [title, " " * width + "".join(f"{column.heading:>14}" for column in columns.values())]
    for who in rounds[0]:
        told = [
            (median(one[who][what] for one in rounds) * column.times, column.form) for what, column in columns.items()
        ]
        lines.append(f"{who:{width}}" + "".join(f"{value:>14{form}}" for value, form in told))
    return [*lines, ""]


def told(found: Mapping[str, Any]) -> str:
    """A claim as a line."""
    goal = "" if found["goal"] is None else f", goal {found['goal']:g}: {'holds' if found['holds'] else 'FAILS'}"
    if found["ratio"] is None:
        return f"{found['name']}: {found['ours']:.2g}{goal}"
    return f"{found['name']}: {found['ratio']:.2f} times ({found['ratio_low']:.2f} to {found['ratio_high']:.2f}){goal}"


def show(tables: Sequence[str], claims: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print claims and tables as one JSON object, or the tables with a line for each claim."""
    found = {"claims": claims, "tables": tables}
    print(json.dumps(found, indent=2) if as_json else "\n".join([*tables, *map(told, claims)]))
