"""Whom a play would change most: expected preventable loss instead of risk (systems G10)."""

from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from retention.blocks import Block, Column, rows
from retention.effects.measured import Measured
from retention.figures import Figure
from retention.inputs import Inputs

Array = NDArray[np.float64]
MOST = 100


@dataclass(frozen=True, kw_only=True)
class Chance:
    """An account of the newest run: what a play would do for it.

    `loss` is the chance that it is lost within `outcome_days` without a play, `effect` what a play takes off that
    chance, `worth` that of saving it, `preventable` = effect x worth - cost; None where its value is not known.
    """

    account_id: str
    owner: str | None
    segment: str | None
    driver: str | None
    risk_level: str | None
    loss: float
    effect: Figure
    worth: float | None
    cost: float

    @property
    def preventable(self) -> Figure:
        """Expected preventable loss."""
        if self.worth is None or self.effect.value is None:
            return Figure(None, self.effect.n)
        low, high = self.effect.low, self.effect.high
        return Figure(
            self.effect.value * self.worth - self.cost,
            self.effect.n,
            None if low is None else low * self.worth - self.cost,
            None if high is None else high * self.worth - self.cost,
        )


def chances(inputs: Inputs, measured: Measured) -> list[Chance]:
    """Every account of the newest run, the most preventable loss first; empty where no effect was measured.

    The measured average effect is spread along the risk: in log-odds a play takes the same off every account, so it
    changes most where the outcome is open, and little where an account is safe, or lost anyway.
    """
    shifts = shift(measured.natural, measured.effect)
    if shifts is None:
        return []
    house, days = inputs.house, inputs.house.programme.outcome_days / inputs.settings.churn.horizon_days
    cost = mean_cost(measured)
    found = inputs.engine.query(
        """SELECT account_id, owner, segment, driver, risk_level, churn_probability, yearly_value FROM score_history
           WHERE as_of = (SELECT MAX(as_of) FROM score_history) AND churn_probability IS NOT NULL"""
    ).to_pylist()
    told = []
    for row in found:
        loss, value = 1 - (1 - row.pop("churn_probability")) ** days, row.pop("yearly_value")
        less = [None if s is None else float(reduction(loss, s)) for s in shifts]
        worth = None if value is None else value * house.money.gross_margin * house.programme.saved_years
        effect = Figure(less[0], measured.effect.n, less[1], less[2])
        told.append(Chance(**row, loss=loss, effect=effect, worth=worth, cost=cost))
    return sorted(told, key=lambda one: (-(one.preventable.value or 0.0), one.account_id))


def mean_cost(measured: Measured) -> float:
    """What a treated case costs, without overhead."""
    return measured.plays_cost / max(1, len(measured.treated.cases))


def shift(natural: Figure, effect: Figure) -> tuple[float, float | None, float | None] | None:
    """What plays add to the log-odds to stay, at the effect and at the ends of its interval; None without an effect."""
    if natural.value is None or effect.value is None:
        return None
    base = _logit(natural.value)

    def added(change: float | None) -> float | None:
        return None if change is None or natural.value is None else _logit(natural.value + change) - base

    return _logit(natural.value + effect.value) - base, added(effect.low), added(effect.high)


def reduction(loss: float, added: float) -> float:
    """What a shift of the log-odds to stay takes off a chance to be lost.

    >>> round(reduction(0.5, log(3)), 3), round(reduction(0.02, log(3)), 3)
    (0.25, 0.013)
    """
    return loss - 1 / (1 + exp(_logit(1 - loss) + added))


def ranking(found: list[Chance], measured: Measured) -> Block:
    """The accounts at which a play is worth most, beside their place by risk alone."""
    by_risk = {c.account_id: place for place, c in enumerate(sorted(found, key=lambda c: -c.loss), 1)}
    top = [c for c in found if c.preventable.value is not None][:MOST]
    assumed = " The effect is ASSUMED." if measured.basis == "assumed" else ""
    return Block(
        id="preventable",
        title="Whom a play would change most",
        systems=("G10",),
        says="Expected preventable loss: the chance to be lost that a play takes off, times the worth of the account, "
        "less what a play costs. The effect is the programme's average, spread along the risk; `keepwell uplift` "
        f"learns it from the accounts where the holdout allows.{assumed}",
        columns=(
            Column("account_id", "Account"),
            Column("owner", "CSM"),
            Column("driver", "Driver"),
            Column("loss", "Chance to be lost", "share"),
            Column("effect", "A play takes off", "share", has_interval=True),
            Column("worth", "Worth", "money"),
            Column("preventable", "Preventable", "money", has_interval=True),
            Column("by_risk", "Place by risk", "count"),
        ),
        rows=rows(
            (c.account_id, c.owner, c.driver, c.loss, c.effect, c.worth, c.preventable, by_risk[c.account_id])
            for c in top
        ),
        account="account_id",
        notes=(f"The first {len(top)} of {len(found):,} scored accounts.",),
    )


def _logit(p: float) -> float:
    bounded = min(max(p, 1e-6), 1 - 1e-6)
    return log(bounded / (1 - bounded))
