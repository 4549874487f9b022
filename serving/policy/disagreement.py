"""Where health and churn probability of an account disagree: green until they leave, and red though they stay."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

from serving.policy.document import Policy
from serving.policy.situation import Situation

Kind = Literal["hidden_risk", "overstated_risk"]


def disagreements(
    policy: Policy, situations: Sequence[Situation], among: Sequence[float] | None = None
) -> dict[str, Kind]:
    """Accounts of a book, by id, that are told apart by health and by churn probability.

    hidden_risk: of the best tier, and among the riskiest share of the book: fewer than that share have a higher
    probability. overstated_risk: of the worst tier, and among the safest share. Contract and price move the probability
    and not the health, so a healthy account can be leaving.

    Args:
        policy: whose tiers and shares.
        situations: the accounts.
        among: the probabilities of the whole book, rising, where the accounts are but a part of it.
    """
    best, worst = policy.bands[0].name, policy.bands[-1].name
    own = (s.churn_probability for s in situations if s.churn_probability is not None)
    known = sorted(own) if among is None else among
    found: dict[str, Kind] = {}
    for situation in situations:
        probability = situation.churn_probability
        if probability is None:
            continue
        above, below = len(known) - bisect_right(known, probability), bisect_left(known, probability)
        if situation.tier == best and above < policy.disagreement.riskiest_share * len(known):
            found[situation.account_id] = "hidden_risk"
        elif situation.tier == worst and below < policy.disagreement.safest_share * len(known):
            found[situation.account_id] = "overstated_risk"
    return found
