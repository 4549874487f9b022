"""Whom a play would change most, learned from the cases: only commands reach this room of LightGBM."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features import snapshots, table
from features.catalogue import declare, discover
from retention.blocks import Block, Chapter, Column, rows
from retention.effects import cases, preventable
from retention.effects.measured import Measured, measure
from retention.effects.uplift import Model, Quality, Sample, learn, not_enough, out_of_fold, quality
from retention.figures import Figure
from retention.inputs import Inputs
from retention.report import Tell
from retention.value import yearly_value

Array = NDArray[np.float64]
KINDS = ("driver", "segment")
TITLE = "Whom a play would change most"
KEYS = ("account_id", "snapshot_at")


def chapter(inputs: Inputs, tell: Tell) -> Chapter:
    """The ranking by learned effects and its quality; where the holdout does not allow it, by the average effect."""
    cases.make(inputs)
    measured, rules = measure(inputs), inputs.house.programme
    tell("measuring plays", 1, 3)
    compared = None if measured.compared is None else measured.compared.cases
    problem = not_enough(compared, least=rules.uplift_cases, losses=rules.uplift_losses)
    if problem or measured.compared is None:
        return _by_average(inputs, measured, f"Effects of single accounts: {problem}")
    sample, names, codes = _sample(inputs, measured)
    tell("learning effects", 2, 3)
    effect, _ = out_of_fold(sample)
    found = quality(effect, sample.cases)
    if not (found.qini.low or 0.0) > 0:
        told = (
            "Effects of single accounts: the learned ranking is not shown to beat chance, its Qini interval holds zero"
        )
        return _by_average(inputs, measured, told, _quality(found, measured))
    ranked = _ranking(inputs, measured, learn(sample), names, codes)
    return Chapter(id="uplift", title=TITLE, blocks=(_quality(found, measured), ranked))


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


def _sample(inputs: Inputs, measured: Measured) -> tuple[Sample, list[str], dict[str, list[str]]]:
    """The cases of both arms with every feature as it was on the day of the case, kinds first."""
    assert measured.compared is not None
    name = "play_cases" if measured.basis == "held-out plays" else "drawn_cases"
    inputs.engine.create(
        "case_spine",
        f"SELECT account_id, DATE_TRUNC('day', begun_at) AS snapshot_at FROM {name} WHERE is_closed",
    )
    found = _features(inputs, "case_spine")
    inputs.engine.register("case_features", found)
    names = [column for column in found.column_names if column not in KEYS]
    ordered = inputs.engine.query(
        f"""SELECT f.* FROM {name} c JOIN case_features f ON f.account_id = c.account_id
                 AND f.snapshot_at = DATE_TRUNC('day', c.begun_at)
            WHERE c.is_closed ORDER BY c.account_id, c.begun_at"""
    )
    codes = {kind: sorted(measured.compared.groups(kind)) for kind in KINDS}
    kinds = [_coded(measured.compared.labels[kind].tolist(), codes[kind]) for kind in KINDS]
    features = np.column_stack([*kinds, *(_column(ordered, column) for column in names)])
    return Sample(cases=measured.compared.cases, features=features, kinds=len(KINDS)), names, codes


def _features(inputs: Inputs, spine: str) -> pa.Table:
    words = discover(
        inputs.engine, inputs.staged, known_by=inputs.as_of, max_events=inputs.settings.features.max_events
    )
    return table.build(inputs.engine, inputs.staged, declare(inputs.staged, words), spine)


def _ranking(inputs: Inputs, measured: Measured, model: Model, names: list[str], codes: dict[str, list[str]]) -> Block:
    """Today's customers by expected preventable loss."""
    snapshots.spine_at(inputs.settings, inputs.engine, inputs.staged, inputs.as_of)
    found = _features(inputs, "spine")
    inputs.engine.register("book_features", found)
    labels = inputs.engine.query(
        """SELECT f.account_id, s.driver, COALESCE(s.segment, a.segment) AS segment, COALESCE(s.owner, a.owner) AS owner
           FROM book_features f
           LEFT JOIN (SELECT account_id, MAX(segment) AS segment, MAX(owner) AS owner FROM known_accounts GROUP BY 1) a
                USING (account_id)
           LEFT JOIN (SELECT * FROM score_history WHERE as_of = (SELECT MAX(as_of) FROM score_history)) s
                USING (account_id)
           ORDER BY f.account_id"""
    ).to_pylist()
    ordered = inputs.engine.query("SELECT * FROM book_features ORDER BY account_id")
    plain = np.column_stack([_column(ordered, column) for column in names])
    kinds = [_coded([row[kind] for row in labels], codes[kind]) for kind in KINDS]
    features = np.column_stack([*kinds, plain])
    effect, loss = model.effects(features), 1 - model.stays(features, treated=False)
    house, cost = inputs.house, preventable.mean_cost(measured)
    worth = yearly_value(names, plain) * house.money.gross_margin * house.programme.saved_years
    gain = effect * worth - cost
    by_risk = np.argsort(np.argsort(-loss, kind="stable"), kind="stable") + 1
    order = sorted(range(len(gain)), key=lambda i: (np.isnan(gain[i]), -gain[i], labels[i]["account_id"]))
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
        rows=rows(
            (
                *(labels[i][name] for name in ("account_id", "owner", "segment")),
                *(_known(float(values[i])) for values in (loss, effect, worth, gain)),
                int(by_risk[i]),
            )
            for i in order
        ),
        account="account_id",
        notes=(f"A play would pay at {int(np.nansum(gain > 0)):,} of {len(gain):,} accounts, at {cost:,.0f} a play.",),
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


def _coded(values: list[str | None], known: list[str]) -> Array:
    """Position of each value in `known`; NaN for others."""
    place = {value: float(i) for i, value in enumerate(known)}
    return np.array([place.get(value or "", np.nan) for value in values])


def _column(found: pa.Table, name: str) -> Array:
    column: Array = found[name].cast("float64").to_numpy(zero_copy_only=False)
    return column


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
