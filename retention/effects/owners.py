"""CSMs by what they keep, adjusted for the risk of their books (systems R19)."""

import numpy as np

from retention.blocks import Block, Column, Value, rows
from retention.effects.cases import settled_until
from retention.effects.estimate import mean_of, rate
from retention.effects.measured import Measured
from retention.figures import Figure, share
from retention.inputs import Inputs

YEAR = 364


def csm_efficiency(inputs: Inputs, measured: Measured) -> Block:
    """Accounts, retention and saves of each CSM, and how far they differ from what the scores expected."""
    books = {row["owner"]: row for row in inputs.engine.query(_book(inputs)).to_pylist()}
    adjusted = _adjusted(inputs, measured.fewest)
    told: list[tuple[Value, ...]] = []
    for owner in sorted({*books, *measured.treated.groups("owner")}):
        book = books.get(owner, {"now": 0, "had": 0, "kept": 0})
        of_owner = measured.treated.of("owner", owner)
        scored = of_owner.where(~np.isnan(of_owner.stays))
        more = mean_of(scored.cases.account, scored.cases.is_saved - scored.stays)
        told.append(
            (
                owner,
                book["now"],
                share(book["kept"], book["had"], fewest=measured.fewest),
                adjusted.get(owner, Figure(None, 0)),
                rate(of_owner.cases, fewest=measured.fewest),
                more if len(scored.cases) >= measured.fewest else Figure(None, len(scored.cases)),
            )
        )
    days = inputs.settings.churn.horizon_days
    return Block(
        id="csm_efficiency",
        title="CSMs, adjusted for the risk of their books",
        systems=("R19", "R8"),
        says=f"Kept: accounts of {YEAR} days ago that are customers still. Better than expected: the share that stayed "
        f"{days} days after a kept score less what the score gave; of treated accounts, the share saved less the "
        "chance to stay by the score before the play. A CSM with a hard book is not worse for it.",
        columns=(
            Column("owner", "CSM"),
            Column("accounts", "Accounts", "count"),
            Column("kept", "Kept", "share", has_interval=True),
            Column("better", "Better than expected", "share", has_interval=True),
            Column("save_rate", "Save rate", "share", has_interval=True),
            Column("saved_more", "Saved more than expected", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def _book(inputs: Inputs) -> str:
    """Per CSM: customers now, customers a year ago, and those of them that are customers now."""
    now, then = inputs.moment, f"{inputs.moment} - INTERVAL {YEAR} DAY"
    return f"""
        SELECT o.owner, COUNT(*) FILTER (s.is_now) AS now, COUNT(*) FILTER (s.was_then) AS had,
               COUNT(*) FILTER (s.was_then AND s.is_now) AS kept
        FROM (SELECT account_id, MAX(owner) AS owner FROM known_accounts GROUP BY account_id) o
        JOIN (SELECT account_id, BOOL_OR(ended_at IS NULL OR ended_at > {now}) AS is_now,
                     BOOL_OR(began_at <= {then} AND (ended_at IS NULL OR ended_at > {then})) AS was_then
              FROM customer_spans GROUP BY account_id) s USING (account_id)
        WHERE o.owner IS NOT NULL GROUP BY o.owner"""


def _adjusted(inputs: Inputs, fewest: int) -> dict[str, Figure]:
    """Per CSM the share of scored accounts that stayed, less what the scores gave, over runs whose horizon is over."""
    days = f"INTERVAL {inputs.settings.churn.horizon_days} DAY"
    found = inputs.engine.query(
        f"""
            SELECT s.owner, s.account_id, 1 - s.churn_probability AS stays,
                   NOT EXISTS (SELECT 1 FROM churn_events e WHERE e.account_id = s.account_id
                               AND e.at > s.as_of AND e.at <= s.as_of + {days}) AS stayed
            FROM score_history s
            WHERE s.owner IS NOT NULL AND s.churn_probability IS NOT NULL
                  AND s.as_of + {days} <= {settled_until(inputs)}
            ORDER BY s.owner, s.account_id, s.as_of"""
    )
    owners = found["owner"].to_numpy(zero_copy_only=False)
    names = np.unique(found["account_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]
    more = found["stayed"].to_numpy(zero_copy_only=False).astype(float) - found["stays"].to_numpy()
    return {
        str(owner): mean_of(names[owners == owner], more[owners == owner])
        for owner in np.unique(owners.astype(str))
        if (owners == owner).sum() >= fewest
    }
