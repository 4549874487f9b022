"""Raw tables, wherever they are and whatever their columns are called, to staged tables that keep their contracts."""

from features.sources.staged import Broken, Staged, StagedSource
from features.sources.staging import stage
from features.sources.work import QUARANTINE

__all__ = ["QUARANTINE", "Broken", "Staged", "StagedSource", "stage"]
