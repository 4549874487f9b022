"""From words, drivers and traces to the root cause of a loss (systems T4)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from retention.errors import RetentionError
from retention.sections import Cause, SubCause, Told

INVOLUNTARY = "involuntary"
"""The cause in retention.toml that is no choice of the customer's, apart from the six root causes."""
FOUND = "cause."
"""An item of the check history that begins so names the cause which a post-mortem found, as in `cause.value`."""


@dataclass(frozen=True, order=True)
class Root:
    """A root cause, and its sub-cause where that much is known: names of retention.toml."""

    cause: str
    sub: str = ""

    @property
    def name(self) -> str:
        """Both names with a dot between: what a person writes to name a cause.

        >>> Root("value", "no_return").name, Root("value").name
        ('value.no_return', 'value')
        """
        return f"{self.cause}.{self.sub}" if self.sub else self.cause


@dataclass(frozen=True)
class Vocabulary:
    """The causes of a company's retention.toml, and how each is recognised."""

    causes: Mapping[str, Cause]

    def of_text(self, text: str | None) -> Root | None:
        """The cause whose longest word stands in a text as a whole word, in any case; None without one."""
        if not text:
            return None
        found = ((len(word), root) for word, root, pattern in self._patterns if pattern.search(text.lower()))
        return max(found, key=lambda one: one[0], default=(0, None))[1]

    def of_driver(self, driver: str | None) -> Root | None:
        """The cause that a driver of the policy stands for."""
        return self._drivers.get(driver) if driver else None

    def of_trace(self, trace: str) -> Root | None:
        """The cause that something seen in the tables speaks for."""
        return self._traces.get(trace)

    def named(self, name: str) -> Root:
        """A cause by its name, such as `value` or `value.no_return`.

        Raises:
            RetentionError: there is none; the message lists those that there are.
        """
        for root, _ in self._told():
            if root.name == name:
                return root
        known = ", ".join(root.name for root, _ in self._told())
        raise RetentionError(f"{name!r} is no cause of retention.toml; the causes are {known}")

    def title(self, root: Root) -> str:
        """A cause in words."""
        cause = self.causes[root.cause]
        return f"{cause.title}: {cause.sub[root.sub].title}" if root.sub else cause.title

    @cached_property
    def titles(self) -> dict[str, str]:
        """Every cause that can be named, in words, by its name."""
        return {root.name: self.title(root) for root, _ in self._told()}

    def sub_cause(self, root: Root) -> SubCause | None:
        """What retention.toml says of a sub-cause; None where only the cause is known."""
        return self.causes[root.cause].sub[root.sub] if root.sub else None

    def preventable(self, root: Root) -> bool:
        """Whether it could have been prevented (systems T3); of a cause alone, whether any of its sub-causes could."""
        known = self.sub_cause(root)
        return known.preventable if known else any(sub.preventable for sub in self.causes[root.cause].sub.values())

    def layer(self, root: Root) -> str | None:
        """The layer of prevention that would have stopped it; of a cause alone, its sub-causes' where they agree."""
        known = self.sub_cause(root)
        layers = {known.layer} if known else {sub.layer for sub in self.causes[root.cause].sub.values()}
        return layers.pop() if len(layers) == 1 else None

    def _told(self) -> Iterator[tuple[Root, Told]]:
        for name, cause in self.causes.items():
            yield Root(name), cause
            yield from ((Root(name, sub), told) for sub, told in cause.sub.items())

    @cached_property
    def _patterns(self) -> list[tuple[str, Root, re.Pattern[str]]]:
        return [
            (word, root, re.compile(rf"(?<!\w){re.escape(word.lower())}(?!\w)"))
            for root, told in self._told()
            for word in told.words
        ]

    @cached_property
    def _drivers(self) -> dict[str, Root]:
        return {driver: root for root, told in self._told() for driver in told.drivers}

    @cached_property
    def _traces(self) -> dict[str, Root]:
        return {trace: root for root, told in self._told() for trace in told.traces}
