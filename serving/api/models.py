"""The live model: one bundle at a time, swapped whole, and the last good one kept when a new one is not."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock

from serving.bundle import Bundle, FeatureSpec, check_probe, load
from serving.errors import ServingError
from serving.tiers import Tier


@dataclass(frozen=True, eq=False)
class Live:
    """A bundle in service under its registered version (None: not registered), loaded at a naive UTC moment."""

    bundle: Bundle
    version: str | None
    loaded_at: datetime
    run_id: str | None = None

    @cached_property
    def specs(self) -> dict[str, FeatureSpec]:
        """The features by name."""
        return {spec.name: spec for spec in self.bundle.features}

    @cached_property
    def names(self) -> list[str]:
        """The features' names in the order of a row."""
        return [spec.name for spec in self.bundle.features]

    @cached_property
    def components(self) -> dict[str, list[int]]:
        """The places of each component's features in a row."""
        return {c: self.bundle.columns(c).tolist() for c in self.bundle.components}

    @cached_property
    def places(self) -> dict[str, int]:
        """The features' places in a row, by name."""
        return {spec.name: place for place, spec in enumerate(self.bundle.features)}


class ModelHolder:
    """Holds the live model. A request takes `current` once and keeps to it, so that none is answered by two models.

    `refused` says why the last model offered was not taken, None if it was. `told` is what is known of where models
    come from when it does not answer.
    """

    def __init__(self, tiers: tuple[Tier, ...] | None = None) -> None:
        self._tiers, self._lock = tiers, Lock()
        self._current: Live | None = None
        self.refused: str | None = None
        self.told: str | None = None
        self.answered = False
        self.swaps = 0

    @property
    def current(self) -> Live | None:
        """The live model; None before the first."""
        return self._current

    def offer(self, folder: Path, version: str | None, *, at: datetime, run_id: str | None = None) -> bool:
        """Take a bundle into service if it proves itself; else keep the last good one and say why in `refused`."""
        with self._lock:
            self.answered = True
            try:
                bundle = load(folder)
            except ServingError as error:
                self.refused = f"version {version}: {error}"
                return False
            self.put(bundle, version, at=at, run_id=run_id)
            return True

    def put(self, bundle: Bundle, version: str | None, *, at: datetime, run_id: str | None = None) -> None:
        """Take a bundle that has proved itself into service, under the policy's tiers."""
        held = bundle if self._tiers is None else replace(bundle, tiers=self._tiers)
        self._current, self.refused, self.answered = Live(held, version, at, run_id), None, True
        self.swaps += 1

    def problem(self) -> str | None:
        """Why the model cannot be relied on; None when its probe scores right, or when there is none to be had.

        Scores the probe rows again: some milliseconds.
        """
        live = self._current
        if live is None:
            return None if self.answered and self.refused is None else (self.refused or self.told or "no model yet")
        try:
            check_probe(live.bundle)
        except ServingError as error:
            return str(error)
        return None
