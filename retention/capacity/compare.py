"""What other ways of choosing would be worth within the same hours: by risk, and at random."""

from collections.abc import Mapping, Sequence

import numpy as np

from retention.capacity.choices import Choice
from retention.capacity.solve import limits
from retention.figures import Figure
from retention.sections import Level

DRAWS, SEED = 200, 20240501


def best_play(choices: Sequence[Choice]) -> list[Choice]:
    """Of each account the play that is worth most: what a ranking of accounts would give it."""
    best: dict[str, Choice] = {}
    for choice in choices:
        if choice.account_id not in best or choice.worth > best[choice.account_id].worth:
            best[choice.account_id] = choice
    return list(best.values())


def by_risk(choices: Sequence[Choice], hours: float, split: Mapping[Level, float], leeway: float) -> list[Choice]:
    """The likeliest to churn first, until hours or the level's limit are used up; what does not fit is passed over."""
    ranked = sorted(best_play(choices), key=lambda choice: (-choice.probability, choice.account_id))
    return _filled(ranked, hours, limits(choices, hours, split, leeway))


def at_random(choices: Sequence[Choice], hours: float, split: Mapping[Level, float], leeway: float) -> list[float]:
    """What accounts in random order are worth within the same limits: one value a draw."""
    options, most = best_play(choices), limits(choices, hours, split, leeway)
    draws = np.random.default_rng(SEED)
    orders = (draws.permutation(len(options)) for _ in range(DRAWS))
    return [sum(c.worth for c in _filled([options[i] for i in order], hours, most)) for order in orders]


def total(chosen: Sequence[Choice]) -> Figure:
    """Expected value of the chosen plays; the interval is that of their effects, all erring the same way at once.

    That is wider than independent errors would make it: one misjudged play is misjudged on every account.
    """
    low, high = (
        sum((effect if effect is not None else c.effect.value or 0.0) * c.stake - c.cost for c, effect in ends)
        for ends in ([(c, c.effect.low) for c in chosen], [(c, c.effect.high) for c in chosen])
    )
    return Figure(sum(choice.worth for choice in chosen), len(chosen), low, high)


def _filled(ranked: Sequence[Choice], hours: float, most: Mapping[Level, float]) -> list[Choice]:
    left, room, taken = hours, dict(most), []
    for choice in ranked:
        if choice.hours <= min(left, room[choice.level]) + 1e-9:
            left -= choice.hours
            room[choice.level] -= choice.hours
            taken.append(choice)
    return taken
