"""How old stored scores are when they are shown."""

from dataclasses import dataclass
from datetime import datetime

from serving.policy import Policy, every_days, score_is_stale
from serving.store.scores import Score


@dataclass(frozen=True)
class Age:
    """When scores were made, to tell at `now` which are older than the company's cadence asks for."""

    policy: Policy
    business_model: str
    scored_at: datetime
    now: datetime

    def is_stale(self, score: Score) -> bool:
        """Whether the score is older than the cadence of its tier, or its data older than the policy allows."""
        return score.is_stale or self.is_old(score.tier)

    def is_old(self, tier: str | None) -> bool:
        """Whether scores of a tier are older than their cadence."""
        return score_is_stale(self.policy, self.business_model, scored_at=self.scored_at, now=self.now, tier=tier)

    def in_words(self, tier: str | None) -> str:
        """The cadence that a score of a tier is older than."""
        days = every_days(self.policy, self.business_model, tier)
        return f"older than the cadence of {days:g} day{'' if days == 1 else 's'}"
