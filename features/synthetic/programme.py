"""Plays begun at random over a wide part of the book, whose effects differ: a programme that can be learned from."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from features.synthetic.export import account_ids
from features.synthetic.fate import EFFECT_STEPS, Giving
from features.synthetic.risk import COMPONENTS
from features.synthetic.world import DAY, STEP_DAYS, Array, Rows, World, sigmoid

EFFECTS = {"usage": -2.5, "feedback": -0.2, "support": -1.6, "relationship": 0.0, "commercial": -0.8}


@dataclass(frozen=True, kw_only=True)
class Programme(Giving):
    """What plays do, in log-odds of leaving, by the driver that they answer; given to many, half of them held out.

    In accounts of `hurt_segment` a play of `hurt_driver` adds `hurt`: contact reminds them that they can leave.
    """

    share: float = 0.7
    from_rank: float = 0.4
    between: int = 5
    held_out: float = 0.5
    effects: dict[str, float] = field(default_factory=lambda: dict(EFFECTS))
    hurt_segment: str = "smb"
    hurt_driver: str = "relationship"
    hurt: float = 1.2

    def adds(self, world: World, terms: dict[str, Array]) -> Array:
        """What a play begun just after a snapshot adds to the log-odds: (accounts, snapshots)."""
        driver = np.argmax([terms[name] for name in COMPONENTS], axis=0)
        added = np.array([self.effects[name] for name in COMPONENTS])[driver]
        is_hurt = (driver == COMPONENTS.index(self.hurt_driver)) & (world.segment == self.hurt_segment)[:, None]
        return np.where(is_hurt, self.hurt, added)


def futures(world: World, log_odds: Array, adds: Array, plays: Rows) -> pa.Table:
    """Both futures of every case: the chance to be a customer still 84 days after a play that is given, or is not.

    Columns account_id, at, stays_without, stays_with, expected_without, expected_with. The first two know how the
    account goes on; NaN where the history ends before. The last two are what the law says at the snapshot before the
    play, as if the account stayed as it is: the most that anybody could know then.

    A play comes d days and some hours after its snapshot k and works in the windows k + 1 to k + 3. An account leaves
    on one of 27 days of a window, all alike: of window k those after day d are within the 84 days, and of window
    k + 3 those up to day d.
    """
    account, at = plays["account"], plays["at"]
    step = np.searchsorted(world.grid, at) - 1
    early = ((at - world.grid[step]) // DAY) / (STEP_DAYS - 1)
    padded = np.pad(log_odds, ((0, 0), (0, EFFECT_STEPS)), constant_values=np.nan)
    lived = padded[account[:, None], step[:, None] + np.arange(EFFECT_STEPS + 1)]
    lived[:, -1] = np.where(early == 0, 0.0, lived[:, -1])  # no day of it counts, so it need not be known
    steady = np.repeat(log_odds[account, step, None], EFFECT_STEPS + 1, axis=1)
    added = adds[account, step]
    return pa.table(
        {
            "account_id": account_ids(world, account),
            "at": at,
            "stays_without": _stays(lived, 0 * added, early),
            "stays_with": _stays(lived, added, early),
            "expected_without": _stays(steady, 0 * added, early),
            "expected_with": _stays(steady, added, early),
        }
    )


def _stays(windows: Array, added: Array, early: Array) -> Array:
    """Chance to stay 84 days after a play, of the log-odds of its window and the three after; `early` = d / 27."""
    hazard = sigmoid(windows + added[:, None] * (np.arange(EFFECT_STEPS + 1) > 0))
    first = (1 - hazard[:, 0]) / (1 - early * hazard[:, 0])
    within: Array = first * np.prod(1 - hazard[:, 1:-1], axis=1) * (1 - early * hazard[:, -1])
    return within
