"""Why an account's score is what it is: parts that add up, exactly as stored and again as rounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from serving.bundle import FeatureSpec
from serving.calibration import sigmoid
from serving.pages.words import adding_up, number, plain, things
from serving.reasons import amount, in_words, shared_points
from serving.store.runs import ModelVersion
from serving.store.scores import Scored

MOST_STEPS = 8
"""Signals that the waterfall tells one by one; the others are one step together."""


@dataclass(frozen=True)
class Part:
    """A component. `points = score x weight` are of health; `said` is `points` rounded so that parts add up.

    Outside the health score, score, weight and points are None; `log_odds` is its part of the churn probability.
    """

    name: str
    score: float | None
    weight: float | None
    points: float | None
    said: float | None
    log_odds: float | None
    coverage: float | None
    data_as_of: str | None
    is_stale: bool


@dataclass(frozen=True)
class Move:
    """What a signal (component and name; None: several together) moves: log-odds, and points of probability."""

    signal: tuple[str, str] | None
    label: str
    text: str
    log_odds: float
    points: float


@dataclass(frozen=True)
class Step:
    """A step of the waterfall, in percentage points of probability from `start` to `end`.

    `said` is the step rounded so that base and steps add up to the probability as rounded.
    """

    move: Move
    said: float
    start: float
    end: float


@dataclass(frozen=True)
class Waterfall:
    """From the base probability over the steps to the account's, in percent; `most` is where the scale ends."""

    base: float
    base_said: float
    steps: tuple[Step, ...]
    probability: float
    probability_said: float
    most: float


def parts(scored: Scored) -> list[Part]:
    """The components, those of the health score first, the heaviest first; the others after them."""
    told: Mapping[str, Any] = scored.detail.get("components") or {}
    stale = {one["component"] for one in scored.detail.get("freshness") or () if one.get("is_stale")}
    inside = [name for name in told if told[name].get("weight") is not None]
    inside.sort(key=lambda name: -told[name]["weight"])
    points = [told[name].get("points") or 0.0 for name in inside]
    said = dict(zip(inside, adding_up(points, scored.score.health_score or 0.0), strict=True))
    return [
        Part(
            name=name,
            score=told[name].get("score"),
            weight=told[name].get("weight"),
            points=told[name].get("points"),
            said=said[name] if told[name].get("points") is not None and name in said else None,
            log_odds=told[name].get("log_odds"),
            coverage=told[name].get("coverage"),
            data_as_of=told[name].get("data_as_of"),
            is_stale=name in stale,
        )
        for name in [*inside, *(name for name in told if name not in inside)]
    ]


def waterfall(scored: Scored, specs: Sequence[FeatureSpec]) -> Waterfall | None:
    """How signals lead from the base probability to the account's; None at a cold start."""
    score, told = scored.score, scored.detail.get("drivers") or []
    if score.intercept is None or score.churn_probability is None or not told:
        return None
    base, end = float(sigmoid(score.intercept)), score.churn_probability
    points = shared_points([driver["log_odds"] for driver in told], base, end)
    words = _words(scored, specs)
    reasons = {_key(reason) for reason in scored.detail.get("reasons") or ()}
    moves = [
        Move(_key(driver), f"{plain(driver['component'])}: {driver['signal']}", words.get(_key(driver), ""), *by)
        for driver, *by in zip(told, (driver["log_odds"] for driver in told), points, strict=True)
    ]
    moves.sort(key=lambda move: (move.signal not in reasons, -abs(move.points)))
    rest = moves[MOST_STEPS:]
    shown = sorted(moves[:MOST_STEPS], key=lambda move: -abs(move.points))
    if rest:
        others = sum(move.log_odds for move in rest), sum(move.points for move in rest)
        shown.append(Move(None, f"{things(len(rest), 'other signal')} together", "", *others))
    return _added(base, end, shown)


def _added(base: float, end: float, moves: Sequence[Move]) -> Waterfall:
    base_said, end_said = round(100 * base, 1), round(100 * end, 1)
    said = adding_up([move.points for move in moves], end_said - base_said)
    steps, at = [], 100 * base
    for move, rounded in zip(moves, said, strict=True):
        steps.append(Step(move, rounded, at, at + move.points))
        at += move.points
    reach = [100 * base, 100 * end, *(step.end for step in steps)]
    return Waterfall(100 * base, base_said, tuple(steps), 100 * end, end_said, max(*reach, 1.0))


def told_reasons(scored: Scored, specs: Sequence[FeatureSpec], waterfall: Waterfall | None) -> list[dict[str, Any]]:
    """The stored reasons with value and own baseline as a person would write them; `said` as in the waterfall."""
    by_name = {spec.name: spec for spec in specs}
    said_there = {step.move.signal: step.said for step in waterfall.steps} if waterfall else {}
    found = []
    for reason in scored.detail.get("reasons") or ():
        spec = by_name.get(reason["feature"])
        found.append(
            {
                **reason,
                "title": spec.definition if spec else plain(reason["signal"]),
                "said": said_there.get(_key(reason), reason["contribution_pp"]),
                "value_said": said(spec, reason["value"]),
                "baseline_said": said(spec, reason["baseline"]),
                "is_category": bool(spec and spec.categories),
            }
        )
    return found


def specs_of(model: ModelVersion | None) -> list[FeatureSpec]:
    """The features of a model, in their order; none where the store does not know it."""
    told = model.about.get("features") or [] if model else []
    return [FeatureSpec(**{**spec, "categories": tuple(spec.get("categories") or ())}) for spec in told]


def said(spec: FeatureSpec | None, value: float | None) -> str:
    """A feature's value with its unit."""
    if spec is None or value is None:
        return number(value) if value is not None else "not known"
    return amount(spec, value)


def _words(scored: Scored, specs: Sequence[FeatureSpec]) -> dict[tuple[str, str], str]:
    """What is told of each signal: its stored reason, else its first feature that is known."""
    found = {_key(reason): reason["text"] for reason in scored.detail.get("reasons") or ()}
    features = scored.features or []
    if len(features) != len(specs):
        return found
    usual = scored.baseline or [None] * len(specs)
    for spec, value, baseline in zip(specs, features, usual, strict=True):
        key = spec.component, spec.signal
        if value is not None and key not in found:
            found[key] = in_words(spec, value, nan if baseline is None else baseline, nan)
    return found


def _key(told: Mapping[str, Any]) -> tuple[str, str]:
    return told["component"], told["signal"]
