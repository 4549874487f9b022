"""What would change the recommendation: the save rate at which an option breaks even, and how far a number may move."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retention.records.document import Commit, Compare, Option
from retention.records.parts import SCENARIOS, Name, Number
from retention.records.scenarios import choose, nets, outcomes, recommend

FARTHEST = 100.0
"""How many times its present value money may become, before we say that nothing changes."""
STEPS, HALVINGS = 200, 60


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """The share of churn that an option must prevent to be worth as much as holding still (A).

    The same share in every scenario, so that it means something where the effect's range holds zero; churn and value
    stay each scenario's own. None where no share up to 1 does. `saved` is how many accounts that is, in expectation.
    """

    option: Name
    effect: float
    needed: float | None
    saved: float | None


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A number, and the value from which on another option is recommended; `is_within`: inside the number's own range.

    A flip within the range says that the evidence does not carry the recommendation.
    """

    number: str
    now: float
    at: float
    to: Name
    is_within: bool


@dataclass(frozen=True)
class Lever:
    """A number that can move: all scenarios by the same factor, up to `most` times."""

    name: str
    now: float
    most: float
    range: tuple[float, float] | None


def break_even(compare: Compare, commit: Commit) -> list[BreakEven]:
    """For B and C: E(e) = e G - K, G the expected margin were all churn prevented, K the cost: e* = (K + E(A)) / G."""
    hold, found = recommend(compare, commit).expected["A"], []
    for name in ("B", "C"):
        ours = [one for one in outcomes(with_effect(compare, name, 1.0)) if one.option == name]
        weights = {s: getattr(commit.likelihood, s) for s in SCENARIOS}
        margin, cost, saved = (
            sum(weights[one.scenario] * getattr(one, field) for one in ours) for field in ("margin", "cost", "saved")
        )
        effect = (cost + hold) / margin if margin > 0 else None
        needed = None if effect is None or effect > 1 else effect
        count = None if needed is None else needed * saved
        found.append(BreakEven(option=name, effect=compare.options[name].effect.base, needed=needed, saved=count))
    return found


def with_effect(compare: Compare, name: Name, effect: float) -> Compare:
    """The comparison with an option that prevents the same share of churn in every scenario."""
    option = compare.options[name]
    same = option.effect.model_copy(update=dict.fromkeys(SCENARIOS, effect))
    return compare.model_copy(update={"options": {**compare.options, name: option.model_copy(update={"effect": same})}})


def flips(compare: Compare, commit: Commit) -> list[Flip]:
    """For every number the nearest values, below and above, from which on another option is recommended."""
    chosen = recommend(compare, commit).option
    return [flip for lever in levers(compare) for flip in _flips(compare, commit, lever, chosen)]


def levers(compare: Compare) -> list[Lever]:
    """The numbers that can move. None that is zero: no factor moves it."""
    found = [
        _of_number("churn", compare.churn, 1 / compare.churn.high if compare.churn.high else 1.0),
        _of_number("value", compare.value, FARTHEST),
        Lever("gross_margin", compare.gross_margin, 1 / (compare.gross_margin or 1.0), None),
    ]
    for name, option in compare.options.items():
        largest = max(abs(option.effect.low), abs(option.effect.high))
        found += [
            _of_number(f"{name}.effect", option.effect, 1 / largest if largest else 1.0),
            Lever(f"{name}.lasting", option.lasting, 1 / (option.lasting or 1.0), None),
            Lever(f"{name}.discount", option.discount, 1 / (option.discount or 1.0), None),
            Lever(f"{name}.cost", option.cost + option.accounts * option.cost_per_account, FARTHEST, None),
        ]
    return [lever for lever in found if lever.now != 0]


def moved(compare: Compare, name: str, factor: float) -> Compare:
    """The comparison with one number scaled."""
    which, _, part = name.partition(".")
    if not part:
        held = getattr(compare, which)
        scaled = held.times(factor) if isinstance(held, Number) else held * factor
        return compare.model_copy(update={which: scaled})
    options = {o: _moved(option, part, factor) if o == which else option for o, option in compare.options.items()}
    return compare.model_copy(update={"options": options})


def _moved(option: Option, part: str, factor: float) -> Option:
    if part == "effect":
        return option.model_copy(update={"effect": option.effect.times(factor)})
    parts = ("cost", "cost_per_account") if part == "cost" else (part,)
    return option.model_copy(update={name: getattr(option, name) * factor for name in parts})


def _flips(compare: Compare, commit: Commit, lever: Lever, chosen: Name) -> Iterator[Flip]:
    """Every option's net value is linear in the factor, so two points tell it everywhere."""
    none, now = nets(moved(compare, lever.name, 0.0)), nets(compare)

    def option(factor: float) -> Name:
        return choose({key: none[key] + factor * (now[key] - none[key]) for key in now}, commit).option

    for end in (0.0, lever.most):
        found = _first_change(option, chosen, end)
        if found is not None:
            at = found * lever.now
            within = lever.range is not None and lever.range[0] <= at <= lever.range[1]
            yield Flip(number=lever.name, now=lever.now, at=at, to=option(found), is_within=within)


def _first_change(option: Callable[[float], Name], chosen: Name, end: float) -> float | None:
    """The factor nearest to 1, on the way to `end`, from which on another option is taken; None where none is."""
    same = 1.0
    for step in range(1, STEPS + 1):
        other = 1 + (end - 1) * (step / STEPS) ** 3  # finer near today's value
        if option(other) == chosen:
            same = other
            continue
        for _ in range(HALVINGS):
            middle = (same + other) / 2
            same, other = (middle, other) if option(middle) == chosen else (same, middle)
        return other
    return None


def _of_number(name: str, number: Number, most: float) -> Lever:
    return Lever(name, number.base, most, (number.low, number.high))
