"""The MLflow flavour of a bundle, for `mlflow models` and Spark: rows of features in, scores out. No pickle.

MLflow calls `_load_pyfunc` with the bundle's folder. This is the one module of serving that speaks pandas, because
MLflow hands over frames; the service does not import it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from serving.bundle import load
from serving.score import score


class Pyfunc:
    """A bundle behind MLflow's `predict(frame)`."""

    def __init__(self, folder: Path) -> None:
        self.bundle = load(folder)

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Churn probability, health score and tier of each row; columns are found by name, missing ones unknown."""
        columns = [
            np.asarray(frame[spec.name], dtype=np.float64) if spec.name in frame else np.full(len(frame), np.nan)
            for spec in self.bundle.features
        ]
        found = score(self.bundle, np.column_stack(columns))
        return {"churn_probability": found.probability, "health_score": found.health, "tier": found.tier}


def _load_pyfunc(path: str) -> Pyfunc:
    return Pyfunc(Path(path))
