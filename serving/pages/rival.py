"""The champion against the challenger that scores in its shadow: the same accounts on the same day."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from serving.store import runs
from serving.store.records import columns, first, read
from serving.store.runs import ModelVersion, Run
from serving.store.tables import runs as run_table
from serving.store.tables import scores

MOST = 10


@dataclass(frozen=True)
class Pair:
    """An account under both models."""

    account_id: str
    name: str | None
    tier: str | None
    tier_there: str | None
    probability: float | None
    probability_there: float | None


@dataclass(frozen=True)
class Rival:
    """The challenger and how it differs: accounts by (tier here, tier there), and those it judges most differently.

    `apart` is the mean distance of the two probabilities, in [0, 1].
    """

    run: Run
    model: ModelVersion | None
    both: int
    tiers: dict[tuple[str | None, str | None], int]
    apart: float | None
    farthest: tuple[Pair, ...]

    @property
    def moved(self) -> int:
        """Accounts in another tier."""
        return sum(count for (here, there), count in self.tiers.items() if here != there)


def rival(db: Connection, run: Run) -> Rival | None:
    """The last shadow run of the same day by another model; None without one."""
    shadows = select(*columns(Run, run_table)).where(run_table.c.is_shadow, run_table.c.as_of == run.as_of)
    shadow = first(
        db, Run, shadows.where(run_table.c.model_version != run.model_version).order_by(run_table.c.id.desc())
    )
    if shadow is None:
        return None
    pairs = _pairs(db, run.id, shadow.id)
    tiers: dict[tuple[str | None, str | None], int] = {}
    for pair in pairs:
        tiers[pair.tier, pair.tier_there] = tiers.get((pair.tier, pair.tier_there), 0) + 1
    known = [
        (_apart(pair), pair) for pair in pairs if pair.probability is not None and pair.probability_there is not None
    ]
    farthest = sorted(known, key=lambda held: (-held[0], held[1].account_id))[:MOST]
    return Rival(
        run=shadow,
        model=runs.model(db, shadow.model_version),
        both=len(pairs),
        tiers=tiers,
        apart=sum(apart for apart, _ in known) / len(known) if known else None,
        farthest=tuple(pair for apart, pair in farthest if apart > 0),
    )


def _apart(pair: Pair) -> float:
    return abs((pair.probability or 0.0) - (pair.probability_there or 0.0))


def _pairs(db: Connection, here: int, there: int) -> list[Pair]:
    one, other = scores.alias("here"), scores.alias("there")
    same = (one.c.account_id == other.c.account_id) & (other.c.run_id == there)
    query = (
        select(
            *one.c["account_id", "name", "tier"],
            other.c.tier.label("tier_there"),
            one.c.churn_probability.label("probability"),
            other.c.churn_probability.label("probability_there"),
        )
        .join_from(one, other, same)
        .where(one.c.run_id == here)
    )
    return list(read(db, Pair, query))
