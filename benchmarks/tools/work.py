"""What keepwell does for a prediction, with nothing around it: the work that all contenders do."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from serving.api import Facts
from serving.api.answers import Predictions
from serving.api.asks import Row
from serving.api.context import utc_now
from serving.api.models import Live
from serving.api.origin import live_model
from serving.api.planning import Stored
from serving.api.predict import results
from serving.bundle import load
from serving.policy import load as load_policy

BUNDLE = "KEEPWELL_BUNDLE"


class PlainBooster:
    """The model as LightGBM's own Python package has it, in place of `serving.booster.Booster`."""

    text = ""
    """Nothing, so that no tables are made of it."""

    def __init__(self, text: str) -> None:
        self._model = lgb.Booster(model_str=text)
        self.features = self._model.num_feature()

    def read(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows as they are."""
        return rows

    def contributions(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """SHAP values of each row, the base last."""
        found: NDArray[np.float64] = self._model.predict(rows, pred_contrib=True, num_threads=1)
        return found


class Work:
    """The live model of the folder KEEPWELL_BUNDLE under the shipped policy; `plain` asks LightGBM's package."""

    def __init__(self, *, plain: bool = False) -> None:
        policy = load_policy(None)
        bundle = replace(load(Path(os.environ[BUNDLE])), tiers=policy.bands)
        if plain and bundle.booster:
            bundle = replace(bundle, booster=PlainBooster(bundle.booster.text))  # type: ignore[arg-type]
        self._live = Live(bundle, None, utc_now())
        self._context: Any = SimpleNamespace(clock=utc_now, policy=policy, facts=Facts())

    def predict(self, rows: Sequence[Row], factors: int, explain: bool) -> Predictions:
        """The answer that `POST /v1/predict` gives."""
        found = results(self._context, self._live, Stored(), rows, factors=factors, explain=explain)
        model = live_model(self._context, self._live)
        return Predictions(request_id=uuid4().hex, model=model, results=found)
