"""The programme as measured: how many were saved, how many would have stayed anyway, what that was worth and cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retention.effects.cases import follow
from retention.effects.estimate import Cases, Flags, effect, rate, scaled, share_saved
from retention.figures import Figure
from retention.inputs import Inputs

Array = NDArray[np.float64]
Basis = Literal["held-out plays", "held-out accounts", "assumed", "not known"]
LABELS = ("play", "owner", "driver", "scored_driver", "segment", "tier", "risk_level")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Closed cases with what they are cut by.

    `labels` has a value a case for each of LABELS, None where it is not known; `stays` is the chance to stay by the
    score before, NaN where there was none.
    """

    cases: Cases
    labels: dict[str, NDArray[np.object_]]
    stays: Array
    accounts: NDArray[np.object_]

    def where(self, chosen: Flags) -> "Table":
        """Some of the cases."""
        labels = {name: values[chosen] for name, values in self.labels.items()}
        return Table(
            cases=self.cases.where(chosen), labels=labels, stays=self.stays[chosen], accounts=self.accounts[chosen]
        )

    def groups(self, label: str) -> list[str]:
        """The known values of a label, most cases first."""
        known, counts = np.unique([v for v in self.labels[label] if v is not None], return_counts=True)
        return [str(known[i]) for i in np.lexsort((known, -counts))]

    def of(self, label: str, value: str) -> "Table":
        """The cases with one value of a label."""
        return self.where(self.labels[label] == value)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What plays did, and what it was worth.

    `treated` are the closed cases in which a play was carried out. `compared` are those of both arms: the cases
    themselves where plays were recorded as held out, else every account that Keepwell drew, from the day it was
    drawn; None without a holdout. Money is in the company's currency.
    """

    treated: Table
    compared: Table | None
    basis: Basis
    assumed: float | None
    plays_cost: float
    overhead: float
    unpriced: int
    months: int
    fewest: int

    @cached_property
    def save_rate(self) -> Figure:
        """Share of the treated cases that were saved."""
        return rate(self.treated.cases, fewest=self.fewest)

    def effect_of(self, table: Table | None) -> Figure:
        """What being treated added to the chance to stay, within some of the compared cases."""
        if self.basis == "assumed" and self.assumed is not None and table is not None:
            return scaled(rate(table.cases, fewest=self.fewest), 1.0, -self.assumed)
        return Figure(None, 0) if table is None else effect(table.cases, fewest=self.fewest)

    @cached_property
    def effect(self) -> Figure:
        """What being treated added to the chance to stay, over the whole programme."""
        return self.effect_of(self.treated if self.basis == "assumed" else self.compared)

    @cached_property
    def natural(self) -> Figure:
        """The save rate that the treated would have had without plays."""
        if self.basis == "assumed":
            return Figure(self.assumed, 0)
        rate_, change = self.save_rate.value, self.effect.value
        if rate_ is None or change is None or self.compared is None:
            return Figure(None, 0)
        held = rate(self.compared.where(self.compared.cases.is_held).cases)
        if held.value is None or held.low is None or held.high is None:
            return Figure(rate_ - change, held.n)
        return Figure(rate_ - change, held.n, *(end - held.value + rate_ - change for end in (held.low, held.high)))

    @cached_property
    def worth(self) -> Figure:
        """What it is worth to save one of the treated accounts, on average."""
        known = self.treated.cases.worth
        return Figure(float(known.mean()) if len(known) and not np.isnan(known).any() else None, len(known))

    @cached_property
    def prevented(self) -> Figure:
        """Worth of the accounts saved less that of those who would have stayed anyway (systems R9).

        The effect is weighted by what the accounts are worth: saving a large one counts more.
        """
        if self.worth.value is None:
            return Figure(None, len(self.treated.cases))
        whole = float(self.treated.cases.worth.sum())
        if self.basis == "assumed" and self.assumed is not None:
            saved = share_saved(self.treated.cases, self.treated.cases.worth)
            return scaled(saved, whole, -self.assumed * whole)
        if self.compared is None:
            return Figure(None, len(self.treated.cases))
        change = effect(self.compared.cases, self.compared.cases.worth, fewest=self.fewest)
        return scaled(change, whole)

    @property
    def cost(self) -> float:
        """What the programme cost: its plays, and people, technology and resources besides."""
        return self.plays_cost + self.overhead

    @cached_property
    def roi(self) -> Figure:
        """Return on the programme's cost (systems R10)."""
        return roi(self.prevented, self.cost)


def roi(prevented: Figure, cost: float) -> Figure:
    """(prevented value - cost) / cost; not known where nothing was spent.

    40 saved worth 20,000 each, 15 of them naturally, for 100,000:

    >>> roi(Figure((40 - 15) * 20_000.0), 100_000.0).value
    4.0
    """
    return scaled(prevented, 1 / cost, -1.0) if cost > 0 else Figure(None, prevented.n)


def measure(inputs: Inputs) -> Measured:
    """The programme of `play_cases`, over the cases that are closed."""
    rules = inputs.house.programme
    table = closed(inputs, "play_cases")
    treated = table.where(table.cases.is_treated)
    compared, basis = _compared(inputs, table)
    if compared is None and rules.natural_save_rate is not None:
        basis = "assumed"
    cost, unpriced, months = inputs.rows(
        """SELECT COALESCE(SUM(cost_cents), 0) / 100, SUM(unpriced), COUNT(DISTINCT DATE_TRUNC('month', begun_at))
           FROM play_cases WHERE is_closed AND is_treated"""
    )[0]
    return Measured(
        treated=treated,
        compared=compared,
        basis=basis,
        assumed=rules.natural_save_rate,
        plays_cost=float(str(cost)),
        overhead=rules.overhead * int(str(months)),
        unpriced=int(str(unpriced or 0)),
        months=int(str(months)),
        fewest=rules.fewest,
    )


def closed(inputs: Inputs, name: str) -> Table:
    """The closed cases of a table; an account whose value is not known counts with the mean of the others."""
    rows = inputs.engine.query(f"SELECT * FROM {name} WHERE is_closed ORDER BY account_id, begun_at")
    names = rows["account_id"].to_numpy(zero_copy_only=False)
    worth = rows["yearly_cents"].cast("float64").to_numpy(zero_copy_only=False) / 100
    worth = worth * inputs.house.money.gross_margin * inputs.house.programme.saved_years
    known = worth[~np.isnan(worth)]
    cases = Cases(
        account=np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64),
        is_held=rows["arm"].to_numpy(zero_copy_only=False) == "holdout",
        is_treated=rows["is_treated"].to_numpy(zero_copy_only=False).astype(bool),
        is_saved=rows["is_saved"].to_numpy(zero_copy_only=False).astype(bool),
        worth=np.where(np.isnan(worth), known.mean(), worth) if len(known) else worth,
    )
    return Table(
        cases=cases,
        labels={label: rows[label].to_numpy(zero_copy_only=False) for label in LABELS},
        stays=rows["stays"].to_numpy(zero_copy_only=False).astype(float),
        accounts=names,
    )


def _compared(inputs: Inputs, table: Table) -> tuple[Table | None, Basis]:
    """The cases of both arms, and what kind they are."""
    if (table.cases.is_held & ~table.cases.is_treated).any():
        return table, "held-out plays"
    days = inputs.house.programme.outcome_days
    inputs.engine.create(
        "_offered",
        f"""SELECT h.account_id, h.at AS begun_at, h.arm, MIN(c.begun_at) IS NOT NULL AS is_treated,
                   ARG_MIN(c.play, c.begun_at) AS play,
                   ARG_MIN(c.owner, c.begun_at) AS owner, ARG_MIN(c.driver, c.begun_at) AS driver
            FROM holdout_history h LEFT JOIN play_cases c ON c.account_id = h.account_id AND c.is_treated
                 AND c.begun_at >= h.at AND c.begun_at < h.at + INTERVAL {days} DAY
            GROUP BY h.account_id, h.at, h.arm""",
    )
    follow(inputs, "_offered", "drawn_cases")
    offered = closed(inputs, "drawn_cases")
    if offered.cases.is_held.any() and not offered.cases.is_held.all():
        return offered, "held-out accounts"
    return None, "not known"


def label_groups(table: Table, labels: Sequence[str]) -> list[tuple[str, str, Table]]:
    """(label, value, cases) for every known value of some labels."""
    return [(label, value, table.of(label, value)) for label in labels for value in table.groups(label)]
