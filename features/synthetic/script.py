"""What accounts would do if nobody ever left, and what of it happens once it is known who does."""

from dataclasses import dataclass

import numpy as np

from features.synthetic import activity, commerce, risk, voice
from features.synthetic.commerce import Deals, Stints
from features.synthetic.world import NAT, Array, Rows, World


@dataclass(frozen=True, kw_only=True)
class Script:
    """Everything that is fixed before anybody leaves: an account that stays longer only does more of it."""

    world: World
    deals: Deals
    acts: dict[str, Rows]

    def lived(self, stints: Stints) -> dict[str, Rows]:
        """The rows that happen, by source: nothing outside a stint, nothing at or after the end."""
        term = commerce.terms(self.world, stints, self.deals)
        rows = {name: self._within(rows, stints) for name, rows in self.acts.items()}
        rows["invoices"] = self._within(commerce.invoices(self.world, self.deals, term), stints)
        rows["usage"] = _chosen(rows["usage"], rows["usage"]["loaded_at"] < self.world.end)
        return rows | {"support": self._frozen(rows["support"], stints), "terms": term}

    def risk(self, stints: Stints) -> dict[str, Array]:
        """Raw terms of the log-odds, as those rows show them at every snapshot."""
        return risk.terms_of_risk(self.world, self.lived(stints))

    def _within(self, rows: Rows, stints: Stints) -> Rows:
        return _chosen(rows, stints.cover(rows["account"], rows["at"]) & (rows["at"] < self.world.end))

    def _frozen(self, ticket: Rows, stints: Stints) -> Rows:
        """Tickets of an account that left stay as they were when it did."""
        moments = {name: ticket[name] for name in ("first_response_at", "escalated_at", "resolved_at")}
        kept = {name: self._happens(ticket["account"], at, stints) for name, at in moments.items()}
        return ticket | {name: np.where(kept[name], at, NAT) for name, at in moments.items()}

    def _happens(self, account: Array, at: Array, stints: Stints) -> Array:
        happens: Array = stints.cover(account, at) & (at < self.world.end)
        return happens


def write_script(world: World) -> Script:
    """Draw what every account would do and sign."""
    acts = {
        "usage": activity.usage(world),
        "feedback": voice.feedback(world),
        "support": voice.support(world),
        "touchpoints": voice.touchpoints(world),
    }
    return Script(world=world, deals=commerce.deal(world), acts=acts)


def _chosen(rows: Rows, wanted: Array) -> Rows:
    return {name: column[wanted] for name, column in rows.items()}
