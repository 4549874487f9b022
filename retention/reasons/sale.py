"""Whether customers leave because of how they were won (systems P12)."""

from collections.abc import Sequence

from scipy.stats import fisher_exact

from retention.blocks import Block, Column, rows
from retention.figures import share
from retention.inputs import Inputs
from retention.reasons.causes import Vocabulary
from retention.reasons.losses import Loss


def attributes(inputs: Inputs) -> tuple[str, ...]:
    """The account attributes that tell where customers were sold."""
    return tuple(name for name in inputs.staged.attributes if name in inputs.house.reasons.sale_attributes)


def by_source(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary) -> Block:
    """Early churn by where customers were sold, and for how many a promise was not kept."""
    days, fewest = inputs.house.reasons.early_days, inputs.house.programme.fewest
    early = {loss.account_id: loss for loss in losses if (loss.at - loss.began_at).days < days}
    told = []
    for name in attributes(inputs):
        sold = _sold(inputs, name, days)
        for source in sorted(set(sold.values())):
            mine = {account for account, other in sold.items() if other == source}
            rest = sold.keys() - mine
            gone, others = len(mine & early.keys()), len(rest & early.keys())
            promised = sum(_is_expectation(early[account], words) for account in mine & early.keys())
            lost = share(gone, len(mine), fewest=fewest)
            p = fisher_exact([[gone, len(mine) - gone], [others, len(rest) - others]]).pvalue if rest else None
            told.append(
                (name, source, lost, share(promised, len(mine), fewest=fewest), None if p is None else float(p))
            )
    return Block(
        id="sale",
        title="Churn by where customers were sold",
        systems=("P12",),
        says=f"Customers won {days} days ago or earlier: how many left within {days} days, and how many of them "
        "because something did not do what was expected of it (is_expectation in retention.toml). By chance: "
        "how likely early churn differs so much from the other sources' by chance (Fisher's exact test).",
        columns=(
            Column("attribute", "Attribute"),
            Column("source", "Sold by"),
            Column("lost", "Left early", "share", has_interval=True),
            Column("gap", "Expected something else", "share", has_interval=True),
            Column("chance", "By chance", "number"),
        ),
        rows=rows(told),
    )


def _sold(inputs: Inputs, attribute: str, days: int) -> dict[str, str]:
    """The source of every customer whose first stint began so long ago."""
    found = inputs.rows(
        f"""SELECT s.account_id, a."{attribute}" FROM customer_spans s
            JOIN known_accounts a USING (account_id)
            WHERE s.nth = 1 AND s.began_at + INTERVAL {days} DAY <= {inputs.moment} AND a."{attribute}" IS NOT NULL"""
    )
    return {str(account): str(source) for account, source in found}


def _is_expectation(loss: Loss, words: Vocabulary) -> bool:
    known = words.sub_cause(loss.root) if loss.root else None
    return known is not None and known.is_expectation
