"""From a scored book to situations: the facts of each account as values that rules can read."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from serving.plain import plain_rows
from serving.policy.document import Policy
from serving.policy.situation import Previous, Situation
from serving.reasons import Reason
from serving.tiers import tiers_of

KEYS = ("account_id", "snapshot_at")
DATED = "_data_as_of"
READ = (
    *("account_id", "as_of", "segment", "owner", "health_score", "churn_probability"),
    *("yearly_value", "value_at_risk", "inactive", "reasons"),
)


def situations(
    policy: Policy,
    book: pa.Table,
    *,
    features: pa.Table,
    baseline: pa.Table,
    business_model: str = "saas",
    book_values: Sequence[float] | None = None,
    inputs: Mapping[str, Mapping[str, float | None]] | None = None,
    previous: Mapping[str, Previous] | None = None,
) -> list[Situation]:
    """The accounts of a book (`serving.book.score_book`), in its order.

    Args:
        policy: whose bands give the tier.
        book: the scored book.
        features: account_id and a column a feature; an account that is not there has none.
        baseline: the accounts' own usual values in the same shape.
        business_model: b2b, saas or b2c.
        book_values: yearly values of the whole book, to rank among, where this is but a part of it.
        inputs: what persons told, by account id and name.
        previous: the run before, by account id.
    """
    values, usual = _by_account(features), _by_account(baseline)
    dated = [name for name in book.column_names if name.endswith(DATED)]
    rows = list(plain_rows(book.select([*READ, *dated])))
    tiers = tiers_of([row["health_score"] for row in rows], policy.bands).tolist()
    worth = [row["yearly_value"] for row in rows] if book_values is None else book_values
    ranked = sorted(value for value in worth if value is not None)
    return [
        Situation(
            account_id=row["account_id"],
            as_of=row["as_of"],
            business_model=business_model,
            segment=row["segment"],
            owner=row["owner"],
            health=row["health_score"],
            tier=tier,
            churn_probability=row["churn_probability"],
            yearly_value=row["yearly_value"],
            value_rank=_rank(ranked, row["yearly_value"]),
            value_at_risk=row["value_at_risk"],
            days_to_renewal=values.get(row["account_id"], {}).get("days_to_renewal"),
            inactive=row["inactive"],
            features=values.get(row["account_id"], {}),
            baseline=usual.get(row["account_id"], {}),
            inputs=_told(policy, (inputs or {}).get(row["account_id"], {})),
            reasons=tuple(Reason(**reason) for reason in row["reasons"]),
            data_as_of={name.removesuffix(DATED): row[name] for name in dated if row[name] is not None},
            previous=(previous or {}).get(row["account_id"]),
        )
        for row, tier in zip(rows, tiers, strict=True)
    ]


def _by_account(table: pa.Table) -> dict[str, dict[str, float | None]]:
    """Values by account; NaN becomes None, as every unknown value."""
    names = [name for name in table.column_names if name not in KEYS]
    if not names:
        return {account: {} for account in table["account_id"].to_pylist()}
    values = np.column_stack([table[name].to_numpy().astype(np.float64) for name in names])
    known = values.astype(object)
    known[np.isnan(values)] = None
    rows = (dict(zip(names, row, strict=True)) for row in known.tolist())
    return dict(zip(table["account_id"].to_pylist(), rows, strict=True))


def _told(policy: Policy, given: Mapping[str, float | None]) -> dict[str, float | None]:
    """Every input of the policy; None for what nobody told."""
    return {name: given.get(name) for name in policy.inputs}


def _rank(ranked: Sequence[float], value: float | None) -> float | None:
    """Share of the book with a smaller value, in [0, 1); None where the value is unknown."""
    return None if value is None or not ranked else bisect_left(ranked, value) / len(ranked)
