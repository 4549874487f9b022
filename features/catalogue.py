"""Every feature a company has: the declarations whose columns are mapped, over its own vocabulary."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from features import commercial, feedback, relationship, support, usage
from features.declare import Feature
from features.engine import Engine
from features.errors import SourceError
from features.sources import Staged

KEYS = ("account_id", "snapshot_at")
"""What a row of the feature table is about."""
NUMBER = "_row"
"""Number of a row on the way to the table."""

LEVELS = 30
"""Most levels of one categorical feature; rarer ones are told apart no further."""


@dataclass(frozen=True)
class Vocabulary:
    """The company's own words, fixed when a model is trained so that old snapshots never change.

    `event_names` are the kinds of event with a feature family each, `all_events` those told apart when kinds
    are counted, `categories` the levels of each categorical column (`source.column`).
    """

    event_names: tuple[str, ...]
    all_events: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Vocabulary":
        """The inverse of `dataclasses.asdict`, as read back from JSON."""
        categories = {name: tuple(levels) for name, levels in given["categories"].items()}
        return cls(tuple(given["event_names"]), tuple(given["all_events"]), categories)


@dataclass(frozen=True)
class Catalogue:
    """The features of a company in their order, and the vocabulary they were declared over.

    `steps` are numbers on the way to them, which no table shows.
    """

    features: tuple[Feature, ...]
    vocabulary: Vocabulary
    steps: tuple[Feature, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names, in the order of the feature table."""
        return [feature.name for feature in self.features]

    def needs(self, column: str) -> bool:
        """Whether any feature needs a mapped column, as "usage.session_id"."""
        return any(column in feature.needs for feature in (*self.features, *self.steps))

    @property
    def components(self) -> list[str]:
        """Components that have a feature, in the order of their first one."""
        return list(dict.fromkeys(feature.component for feature in self.features))

    def as_rows(self) -> list[dict[str, Any]]:
        """What a person or a bundle needs to know of each feature; the SQL stays in the code."""
        return [{k: v for k, v in asdict(f).items() if k not in ("sql", "scan")} for f in self.features]


def declare(staged: Staged, vocabulary: Vocabulary) -> Catalogue:
    """The catalogue of a company: every declaration whose needed columns are mapped.

    Raises:
        SourceError: an attribute is called like a feature or a key of the table, whatever its case.
    """
    declared = [
        *usage.features(vocabulary.event_names),
        *feedback.features(),
        *support.features(),
        *relationship.features(),
        *commercial.features(vocabulary.categories),
    ]
    kept = tuple(f for f in declared if _is_mapped(f, staged))
    own = {*KEYS, NUMBER, *(step.name for step in usage.steps())}
    own |= {*(f.name for f in kept if f.needs[0] not in {f"accounts.{a}" for a in staged.attributes})}
    taken = [a for a in staged.attributes if a.lower() in own]
    if taken:
        raise SourceError(
            f"[sources.accounts] attributes: {taken[0]} is the name of a feature; "
            f'give it another name: "my_{taken[0]} = {taken[0]}"'
        )
    return Catalogue(kept, vocabulary, tuple(step for step in usage.steps() if _is_mapped(step, staged)))


def _is_mapped(feature: Feature, staged: Staged) -> bool:
    return all(staged.has(*need.split(".")) for need in feature.needs)


def discover(engine: Engine, staged: Staged, *, known_by: datetime, max_events: int) -> Vocabulary:
    """The company's words by what was known at a moment, most widespread first (ties in alphabetical order)."""
    moment = engine.moment(known_by)
    events: list[str] = []
    if staged.has("usage", "event"):
        events = _common(engine, "usage", "event", "at", moment, limit=61)
    categories = {}
    for source, column, clock in _categorical(staged):
        levels = _common(engine, source, column, clock, moment, limit=LEVELS)
        if len(levels) > 1:
            categories[f"{source}.{column}"] = tuple(levels)
    return Vocabulary(tuple(events[:max_events]), tuple(events), categories)


def _categorical(staged: Staged) -> list[tuple[str, str, str]]:
    columns = [("accounts", "segment", "started_at"), *(("accounts", a, "started_at") for a in staged.attributes)]
    columns += [("subscriptions", c, "started_at") for c in ("plan", "billing_period")]
    return [column for column in columns if staged.has(column[0], column[1])]


def _common(engine: Engine, source: str, column: str, clock: str, moment: str, *, limit: int) -> list[str]:
    rows = engine.rows(
        f"""SELECT "{column}", COUNT(DISTINCT account_id) AS accounts FROM {source} r
            WHERE "{column}" IS NOT NULL AND (r.{clock} IS NULL OR r.{clock} < {moment}) AND known_at <= {moment}
            GROUP BY "{column}" ORDER BY accounts DESC, "{column}" LIMIT {limit}"""
    )
    return [str(row[0]) for row in rows]
