"""The work behind a stock `@bentoml.api`, as BentoML's tutorial has it: models of pydantic in and out."""

import bentoml

from benchmarks.tools.work import Work
from serving.api.answers import Predictions
from serving.api.asks import Row


@bentoml.service
class Ours:
    """Every part of the work is done by keepwell's functions."""

    def __init__(self) -> None:
        self.work = Work()

    @bentoml.api
    def predict(self, rows: list[Row], max_top_factors: int = 3, explain: bool = True) -> Predictions:
        """One answer."""
        return self.work.predict(rows, max_top_factors, explain)


@bentoml.service
class Plain:
    """The model is LightGBM's own Booster, asked with `pred_contrib`; the rules are keepwell's."""

    def __init__(self) -> None:
        self.work = Work(plain=True)

    @bentoml.api
    def predict(self, rows: list[Row], max_top_factors: int = 3, explain: bool = True) -> Predictions:
        """One answer."""
        return self.work.predict(rows, max_top_factors, explain)
