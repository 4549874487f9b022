"""Whom a play would change most, learned from the cases: only commands reach this room of LightGBM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features import snapshots, table
from features.catalogue import declare, discover
from retention.blocks import Block, Chapter, Column, rows
from retention.effects import cases, preventable
from retention.effects.measured import Measured, Table, measure
from retention.effects.uplift import Model, Quality, Sample, learn, not_enough, out_of_fold, quality
from retention.figures import Figure
from retention.inputs import Inputs
from retention.report import Tell
from retention.value import yearly_value

Array = NDArray[np.float64]
KINDS = ("driver", "scored_driver", "segment")
"""Of a case: the driver that was noted with the play, the driver of the last score before, and the segment."""
TITLE = "Whom a play would change most"
KEYS = ("account_id", "snapshot_at")
MOSTLY = 0.8
"""Share of today's customers whose label must be known, for effects to depend on it."""


@dataclass(frozen=True)
class Book:
    """Today's customers: their features by name (n, p), and what a record each tells: account_id, owner, the kinds."""

    names: list[str]
    features: Array
    told: list[dict[str, Any]]


@dataclass(frozen=True)
class Kinds:
    """Labels that a play's effect may depend on, with the values of each that cases had."""

    values: dict[str, list[str]]

    def coded(self, told: Mapping[str, Sequence[str | None]]) -> Array:
        """(n, kinds): the position of each label among its values; NaN for others."""
        columns = []
        for kind, known in self.values.items():
            place = {value: float(i) for i, value in enumerate(known)}
            columns.append([place.get(value or "", np.nan) for value in told[kind]])
        return np.array(columns, dtype=np.float64).reshape(len(columns), -1).T


def chapter(inputs: Inputs, tell: Tell) -> Chapter:
    """The ranking by learned effects and its quality; where the holdout does not allow it, by the average effect."""
    cases.make(inputs)
    measured, rules = measure(inputs), inputs.house.programme
    tell("measuring plays", 1, 3)
    compared = measured.compared
    problem = not_enough(
        None if compared is None else compared.cases, least=rules.uplift_cases, losses=rules.uplift_losses
    )
    if problem or compared is None:
        return _by_average(inputs, measured, f"Effects of single accounts: {problem}")
    book = _book(inputs)
    kinds = usable(compared, book.told)
    tell("learning effects", 2, 3)
    sample = sample_of(inputs, measured, kinds)
    effect, _ = out_of_fold(sample)
    found = quality(effect, sample.cases)
    if not (found.qini.low or 0.0) > 0:
        told = (
            "Effects of single accounts: the learned ranking is not shown to beat chance, its Qini interval holds zero"
        )
        return _by_average(inputs, measured, told, _quality(found, measured))
    ranked = _ranking(inputs, measured, learn(sample), kinds, book)
    return Chapter(id="uplift", title=TITLE, blocks=(_quality(found, measured), ranked))


def usable(compared: Table, told: Sequence[Mapping[str, Any]]) -> Kinds:
    """The labels whose values among cases are known of most of today's customers.

    What a play did for a driver is of no use for accounts whose driver nobody knows: those would be asked of a model
    that never saw their like.
    """
    values = {kind: sorted(compared.groups(kind)) for kind in KINDS}
    enough = MOSTLY * len(told)
    return Kinds({k: known for k, known in values.items() if known and sum(row[k] in known for row in told) >= enough})


def _by_average(inputs: Inputs, measured: Measured, why: str, *blocks: Block) -> Chapter:
    """The ranking by the measured average effect along the risk, with the reason why not by learned effects."""
    found = preventable.chances(inputs, measured)
    told = (*blocks, preventable.ranking(found, measured)) if found else blocks
    missing = (
        (why,)
        if found
        else (why, "Preventable loss: it needs a measured effect and a kept run with churn probabilities")
    )
    return Chapter(id="uplift", title=TITLE, blocks=told, not_measured=missing)


def sample_of(inputs: Inputs, measured: Measured, kinds: Kinds) -> Sample:
    """The cases of both arms with every feature as it was on the day of the case, kinds first."""
    compared = measured.compared
    assert compared is not None
    name = "play_cases" if measured.basis == "held-out plays" else "drawn_cases"
    day = "DATE_TRUNC('day', begun_at) AS snapshot_at"
    inputs.engine.create("case_spine", f"SELECT account_id, {day} FROM {name} WHERE is_closed")
    found = _features(inputs, "case_spine").sort_by([("account_id", "ascending"), ("snapshot_at", "ascending")])
    told = {kind: compared.labels[kind].tolist() for kind in kinds.values}
    features = np.column_stack([kinds.coded(told), _matrix(found)]) if kinds.values else _matrix(found)
    return Sample(cases=compared.cases, features=features, kinds=len(kinds.values))


def _features(inputs: Inputs, spine: str) -> pa.Table:
    most = inputs.settings.features.max_events
    words = discover(inputs.engine, inputs.staged, known_by=inputs.as_of, max_events=most)
    return table.build(inputs.engine, inputs.staged, declare(inputs.staged, words), spine)


def _matrix(found: pa.Table) -> Array:
    columns = [found[name].cast("float64").to_numpy(zero_copy_only=False) for name in _names(found)]
    return np.column_stack(columns)


def _names(found: pa.Table) -> list[str]:
    return [name for name in found.column_names if name not in KEYS]


def _book(inputs: Inputs) -> Book:
    """The customers of the day, in the order of their ids."""
    snapshots.spine_at(inputs.settings, inputs.engine, inputs.staged, inputs.as_of)
    found = _features(inputs, "spine").sort_by("account_id")
    inputs.engine.register("book_accounts", found.select(["account_id"]))
    told = inputs.engine.query(
        """SELECT f.account_id, COALESCE(s.owner, a.owner) AS owner, s.driver, s.driver AS scored_driver,
                  COALESCE(s.segment, a.segment) AS segment
           FROM book_accounts f
           LEFT JOIN (SELECT account_id, MAX(segment) AS segment, MAX(owner) AS owner FROM known_accounts GROUP BY 1) a
                USING (account_id)
           LEFT JOIN (SELECT * FROM score_history WHERE as_of = (SELECT MAX(as_of) FROM score_history)) s
                USING (account_id)
           ORDER BY f.account_id"""
    ).to_pylist()
    return Book(_names(found), _matrix(found), told)


def _ranking(inputs: Inputs, measured: Measured, model: Model, kinds: Kinds, book: Book) -> Block:
    """Today's customers by expected preventable loss."""
    coded = kinds.coded({kind: [row[kind] for row in book.told] for kind in kinds.values})
    features = np.column_stack([coded, book.features]) if kinds.values else book.features
    effect, loss = model.effects(features), 1 - model.stays(features, treated=False)
    house, cost = inputs.house, preventable.mean_cost(measured)
    worth = yearly_value(book.names, book.features) * house.money.gross_margin * house.programme.saved_years
    gain = effect * worth - cost
    by_risk = np.argsort(np.argsort(-loss, kind="stable"), kind="stable") + 1
    numbers = zip(*([_known(float(x)) for x in values] for values in (loss, effect, worth, gain)), strict=True)
    told = [
        (row["account_id"], row["owner"], row["segment"], *known, int(place))
        for row, known, place in zip(book.told, numbers, by_risk, strict=True)
    ]
    unused = [kind for kind in KINDS if kind not in kinds.values]
    notes = [f"A play would pay at {int(np.nansum(gain > 0)):,} of {len(gain):,} accounts, at {cost:,.0f} a play."]
    if unused:
        notes.append(
            f"Not used: {', '.join(unused)}; of today's customers they are not known in the words of the cases."
        )
    return Block(
        id="learned",
        title=TITLE,
        systems=("G10",),
        says="Today's customers by expected preventable loss: the learned effect x worth - cost of a play. An effect "
        "below zero says that contact hurts. Single effects are uncertain: how well they rank stands above.",
        columns=(
            Column("account_id", "Account"),
            Column("owner", "CSM"),
            Column("segment", "Segment"),
            Column("loss", "Chance to be lost", "share"),
            Column("effect", "A play takes off", "share"),
            Column("worth", "Worth", "money"),
            Column("preventable", "Preventable", "money"),
            Column("by_risk", "Place by risk", "count"),
        ),
        rows=rows(sorted(told, key=lambda row: (row[6] is None, -(row[6] or 0.0), row[0]))),
        account="account_id",
        notes=tuple(notes),
    )


def _quality(found: Quality, measured: Measured) -> Block:
    told = [(f"effect among the first {100 * share:.0f} %", figure) for share, figure in found.at.items() if share < 1]
    return Block(
        id="uplift_quality",
        title="How well learned effects rank",
        systems=("G10", "X12"),
        says="Effects were predicted for accounts that the model had not learned from; intervals by a bootstrap over "
        "accounts. Qini: area between the curve of saves won and the straight line, in saves a treated case; 0 is a "
        "ranking by lot.",
        columns=(Column("what", "What"), Column("share", "Value", "share", has_interval=True)),
        rows=rows([*told, ("effect over all", measured.effect), ("Qini", found.qini), _mean(found)]),
    )


def _mean(found: Quality) -> tuple[str, Figure]:
    return "effect over all, as predicted", Figure(found.predicted)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
