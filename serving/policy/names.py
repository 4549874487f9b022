"""Names that a condition may ask for, read from the feature declarations themselves."""

from functools import cache

from features import commercial, feedback, relationship, support, usage
from features.declare import Feature

ANY_EVENT = "*"


@cache
def declared() -> dict[str, Feature]:
    """Every feature that does not depend on a company's own words, by name."""
    found = [
        *usage.features(()),
        *feedback.features(),
        *support.features(),
        *relationship.features(),
        *commercial.features({}),
    ]
    return {feature.name: feature for feature in found}


@cache
def event_families() -> tuple[str, ...]:
    """How the names of features over a company's own event names begin, such as `event_28d_`."""
    word = "unnamed"
    return tuple(f.name.removesuffix(word) for f in usage.features((ANY_EVENT,)) if f.name not in declared())


def is_declared(name: str) -> bool:
    """Whether some company can have a feature of this name: a declared one, or one of an event family."""
    return name in declared() or name.startswith(event_families())
