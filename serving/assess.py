"""A scored book under a policy, whole or a part at a time: what each score calls for, what moved it, what is news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from serving import policy as rules
from serving.before import DUE, Before
from serving.book import ScoredDay, matrix
from serving.bundle import Bundle
from serving.change import Change, Then, changes
from serving.policy import Alert, Policy, Situation, WarningSign
from serving.score import score
from serving.store.records import row_of
from serving.store.scores import Scored, rows_of

Array = NDArray[np.float64]
TOLD_OF_DRIVERS = ("id", "title", "tactic", "timing", "owners", "success_metrics")


@dataclass(frozen=True)
class Assessed:
    """Accounts of a book with everything that the policy says of them; lists are in their order.

    `news` are the alerts worth telling, before budget and cool-down. `due` are the accounts that a watch run is about;
    None stands for all of them.
    """

    situations: list[Situation]
    warnings: dict[str, tuple[WarningSign, ...]]
    rows: list[Scored]
    news: list[Alert]
    due: frozenset[str] | None = None

    def is_due(self, account_id: str) -> bool:
        """Whether the run is about this account."""
        return self.due is None or account_id in self.due


@dataclass(frozen=True)
class Among:
    """What accounts are ranked among: yearly values and churn probabilities of the whole book, rising."""

    worth: Sequence[float]
    probabilities: Sequence[float]


def whole(book: pa.Table) -> Among:
    """A book as what its accounts are ranked among."""
    held = [book[name].drop_null().to_pylist() for name in ("yearly_value", "churn_probability")]
    return Among(*map(sorted, held))


def assess(
    policy: Policy,
    bundle: Bundle,
    scored: ScoredDay,
    before: Before,
    *,
    business_model: str,
    scope: rules.Scope = "book",
    among: Among | None = None,
) -> Assessed:
    """Rules applied to a scored day, or a part of one.

    Args:
        policy: the rules in force.
        bundle: the model that scored it.
        scored: the accounts.
        before: what was known of them before.
        business_model: of the company.
        scope: whether the run is about all accounts or the watched.
        among: the whole book, where `scored` is but a part of it.
    """
    book = among or whole(scored.book)
    found = situations_of(policy, scored, before, business_model=business_model, among=book)
    warnings = {s.account_id: rules.warning_signs(policy, s) for s in found}
    due = None if scope == "book" else _due(policy, found, warnings)
    moved = what_moved(bundle, scored, before, _stale(policy, found))
    names = [spec.name for spec in bundle.features]
    disagree = rules.disagreements(policy, found, book.probabilities)
    rows = [
        _in_book(
            completed(
                policy,
                row,
                situation,
                warnings[situation.account_id],
                change,
                list(map(situation.features.get, names)),
                list(map(situation.baseline.get, names)),
            ),
            disagree.get(row.account_id),
            due,
        )
        for row, situation, change in zip(rows_of(scored.book, before.scores), found, moved, strict=True)
    ]
    news = rules.worth_telling(policy, found, warnings, before.waiting, about=due)
    return Assessed(found, warnings, rows, news, due)


def situations_of(
    policy: Policy, scored: ScoredDay, before: Before, *, business_model: str, among: Among
) -> list[Situation]:
    """The accounts of a scored day, or of a part of one, as the rules read them."""
    return rules.situations(
        policy,
        scored.book,
        features=scored.features,
        baseline=scored.baseline,
        business_model=business_model,
        book_values=among.worth,
        inputs=before.facts,
        previous={account: told for account in before.scores or () if (told := before.last_told(account))},
    )


def _due(
    policy: Policy, situations: Sequence[Situation], warnings: Mapping[str, Sequence[WarningSign]]
) -> frozenset[str]:
    return frozenset(s.account_id for s in situations if rules.is_due(policy, s, warnings[s.account_id]))


def what_moved(bundle: Bundle, scored: ScoredDay, before: Before, stale: frozenset[str]) -> list[Change | None]:
    """Each account's change of health since the run before; None for accounts that were not in it."""
    accounts = scored.book["account_id"].to_pylist()
    known = [i for i, account in enumerate(accounts) if before.of(account)]
    told: list[Change | None] = [None] * len(accounts)
    if not known:
        return told
    rows = matrix(bundle, scored.features)[known]
    then = _then(bundle, [before.of(accounts[i]) for i in known], before.features)
    found = changes(bundle, score(bundle, rows), rows, then, score(bundle, then.rows), stale)
    for i, change in zip(known, found, strict=True):
        told[i] = change
    return told


def _then(bundle: Bundle, past: Sequence[Scored | None], names: Sequence[str]) -> Then:
    """The inputs of then in the order of today's model; a feature that was not kept is unknown."""
    place = {name: j for j, name in enumerate(names)}
    rows, scores, health = [], [], []
    for row in past:
        assert row is not None
        held = row.features or []
        rows.append([held[place[s.name]] if s.name in place and held else None for s in bundle.features])
        told = row.detail.get("components", {})
        scores.append([told.get(c, {}).get("score") for c in bundle.health_components])
        health.append(row.score.health_score)
    by_component = np.array(scores, dtype=np.float64).T
    return Then(
        np.array(rows, dtype=np.float64),
        dict(zip(bundle.health_components, by_component, strict=True)),
        np.array(health, dtype=np.float64),
    )


def _stale(policy: Policy, situations: Sequence[Situation]) -> frozenset[str]:
    """Components whose data is too old; they are the same for the whole book."""
    found = rules.freshness(policy, situations[0]) if situations else ()
    return frozenset(fresh.component for fresh in found if fresh.is_stale)


def completed(
    policy: Policy,
    row: Scored,
    situation: Situation,
    warnings: Sequence[WarningSign],
    change: Change | None,
    features: list[float | None],
    baseline: list[float | None],
) -> Scored:
    """A row of the book with the policy's part, its inputs, and what moved it."""
    risk, top = rules.risk_level(policy, situation), rules.top_drivers(policy, situation)
    kind, fresh = rules.churn_type(policy, situation, top), rules.freshness(policy, situation)
    days = situation.days_to_renewal
    score_ = replace(
        row.score,
        is_stale=any(one.is_stale for one in fresh),
        risk_level=risk.level,
        driver=top[0].driver.id if top else None,
        renewal_at=None if days is None else situation.as_of + timedelta(days=days),
    )
    detail: dict[str, Any] = {
        **row.detail,
        "risk": {"level": risk.level, "because": list(risk.because)},
        "policy_drivers": [
            {
                **{name: getattr(one.driver, name) for name in TOLD_OF_DRIVERS},
                "log_odds": one.contribution,
                "because": list(one.because),
            }
            for one in top
        ],
        "churn_type": None if kind is None else {"type": kind.id, "intent": kind.intent, "strategy": kind.strategy},
        "actions": [row_of(action) for action in rules.actions(policy, situation, warnings, risk, top)],
        "warnings": [row_of(sign) for sign in warnings],
        "freshness": [row_of(one) for one in fresh],
        "facts": {name: value for name, value in situation.inputs.items() if value is not None},
    }
    return replace(
        row,
        score=score_,
        detail=detail,
        change=None if change is None else change.as_dict(),
        features=features,
        baseline=baseline,
    )


def _in_book(row: Scored, disagrees: str | None, due: frozenset[str] | None) -> Scored:
    """With what only a whole book tells of an account."""
    if disagrees is not None:
        row = replace(row, score=replace(row.score, disagrees=disagrees))
    return row if due is None else replace(row, detail={**row.detail, DUE: row.account_id in due})
