"""Champion against challenger: both scored on the same later rows, then the gate."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from features import table
from features.catalogue import Vocabulary, declare
from features.config import Settings
from features.engine import Engine
from features.sources import Staged, stage
from serving import registry
from serving.book import matrix
from serving.bundle import Bundle
from serving.errors import ServingError
from serving.score import score
from training.history import labelled_spine
from training.labels import CHURNED, STAYED
from training.promotion import gate
from training.run import Stage, plain


def compare(settings: Settings, engine: Engine, tell: Stage) -> dict[str, Any]:
    """The gate's verdict on the challenger, on rows later than both models' training period.

    Raises:
        ServingError: there is no challenger. EvidenceError: no judged snapshot is later than both.
    """
    challenger = registry.version_of(settings, registry.CHALLENGER)
    champion = registry.version_of(settings, registry.CHAMPION)
    if challenger is None:
        raise ServingError("there is no challenger; `keepwell train` registers one")
    bundles = {version: registry.fetch(settings, version) for version in {challenger, champion} - {None} if version}
    tell("reading the sources", 0, 1)
    staged = stage(settings, engine)
    rows = _later_rows(settings, engine, staged, list(bundles.values()))
    probability = {}
    for i, (version, bundle) in enumerate(bundles.items()):
        tell("scoring both", i, len(bundles))
        probability[version] = _score(engine, staged, bundle)
    verdict = gate(
        probability[champion] if champion else None,
        probability[challenger],
        (rows["outcome"].to_numpy(zero_copy_only=False) == CHURNED),
        rows["account_id"].to_numpy(zero_copy_only=False),
        np.array([s or "none" for s in rows["segment"].to_pylist()]),
    )
    return {
        "champion": champion,
        "challenger": challenger,
        "rows": len(rows),
        "promote": verdict.promote,
        "reasons": verdict.reasons,
        "figures": plain(verdict.figures),
    }


def _later_rows(settings: Settings, engine: Engine, staged: Staged, bundles: list[Bundle]) -> pa.Table:
    """Judged snapshots whose date is a gap later than every bundle's training; also left in `later_spine`."""
    labels = labelled_spine(settings, engine, staged)
    latest = max(str(bundle.about["trained_until"]) for bundle in bundles)
    after = np.datetime64(latest, "us") + np.timedelta64(timedelta(days=settings.gap_days))
    keep = labels.table["outcome"].isin([STAYED, CHURNED]) & (labels.table["snapshot_at"] >= after)
    if not keep.any():
        raise ServingError(f"no judged snapshot is later than both models' training ({latest} and the label window)")
    chosen = labels.table.loc[keep, ["account_id", "snapshot_at", "outcome"]]
    engine.register("later", pa.Table.from_pandas(chosen, preserve_index=False))
    return engine.query(
        """SELECT l.account_id, l.snapshot_at, l.outcome, MAX(r.segment) AS segment
           FROM later l LEFT JOIN accounts r ON r.account_id = l.account_id AND r.superseded_at IS NULL
           GROUP BY l.account_id, l.snapshot_at, l.outcome ORDER BY l.snapshot_at, l.account_id"""
    )


def _score(engine: Engine, staged: Staged, bundle: Bundle) -> Any:
    catalogue = declare(staged, Vocabulary.from_dict(bundle.vocabulary))
    return score(bundle, matrix(bundle, table.build(engine, staged, catalogue, "later"))).probability
