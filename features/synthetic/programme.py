"""Plays begun at random over a wide part of the book, whose effects differ: a programme that can be learned from."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from features.synthetic.export import account_ids
from features.synthetic.fate import EFFECT_STEPS, Giving
from features.synthetic.risk import COMPONENTS
from features.synthetic.world import DAY, STEP_DAYS, Array, Rows, World, sigmoid

EFFECTS = {"usage": -1.8, "feedback": -0.3, "support": -1.2, "relationship": 0.0, "commercial": -0.6}


@dataclass(frozen=True, kw_only=True)
class Programme(Giving):
    """What plays do, in log-odds of leaving, by the driver that they answer; given to many, half of them held out.

    In accounts of `hurt_segment` a play of `hurt_driver` adds `hurt`: contact reminds them that they can leave.
    """

    share: float = 0.3
    from_rank: float = 0.3
    between: int = 5
    held_out: float = 0.5
    effects: dict[str, float] = field(default_factory=lambda: dict(EFFECTS))
    hurt_segment: str = "smb"
    hurt_driver: str = "relationship"
    hurt: float = 0.8

    def adds(self, world: World, terms: dict[str, Array]) -> Array:
        """What a play begun just after a snapshot adds to the log-odds: (accounts, snapshots)."""
        driver = np.argmax([terms[name] for name in COMPONENTS], axis=0)
        added = np.array([self.effects[name] for name in COMPONENTS])[driver]
        is_hurt = (driver == COMPONENTS.index(self.hurt_driver)) & (world.segment == self.hurt_segment)[:, None]
        return np.where(is_hurt, self.hurt, added)


def futures(world: World, log_odds: Array, adds: Array, plays: Rows) -> pa.Table:
    """Both futures of every case: the chance to be a customer still 84 days after a play that is given, or is not.

    Columns account_id, at, stays_without, stays_with; NaN where the history ends before. A play comes d days and some
    hours after its snapshot k and works in the windows k + 1 to k + 3. An account leaves on one of 27 days of a
    window, all alike: of window k those after day d are within the 84 days, and of window k + 3 those up to day d.
    """
    account, at = plays["account"], plays["at"]
    step = np.searchsorted(world.grid, at) - 1
    early = ((at - world.grid[step]) // DAY) / (STEP_DAYS - 1)
    padded = np.pad(log_odds, ((0, 0), (0, EFFECT_STEPS)), constant_values=np.nan)
    windows = padded[account[:, None], step[:, None] + np.arange(EFFECT_STEPS + 1)]
    windows[:, -1] = np.where(early == 0, 0.0, windows[:, -1])  # no day of it counts, so it need not be known

    def stays(added: Array) -> Array:
        hazard = sigmoid(windows + added[:, None] * (np.arange(EFFECT_STEPS + 1) > 0))
        first = (1 - hazard[:, 0]) / (1 - early * hazard[:, 0])
        within: Array = first * np.prod(1 - hazard[:, 1:-1], axis=1) * (1 - early * hazard[:, -1])
        return within

    added = adds[account, step]
    names = {"account_id": account_ids(world, account), "at": at}
    return pa.table(names | {"stays_without": stays(0 * added), "stays_with": stays(added)})
