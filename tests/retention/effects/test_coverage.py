"""The long form of the coverage: 200 simulated companies, from their files to save rate, prevented value and return."""

import numpy as np
import pytest

from features.synthetic import Programme, simulate
from retention.effects import cases
from retention.effects.measured import measure

WEIGHTS = {"usage": 0.45, "feedback": 0.2, "support": 0.2, "relationship": 0.15}
RULES = "[programme]\noverhead = 500.0"


@pytest.mark.slow
@pytest.mark.system("R8", "R9", "R10")
def test_intervals_cover_the_truth_of_200_simulated_companies(opened, record_property):
    """Truth: the law's mean save rate of all companies' treated cases; of each, the value that its plays prevented."""
    found, stays = [], []
    for seed in range(200):
        company = simulate(
            accounts=400, months=15, seed=seed, messy=False, weights=WEIGHTS, rate=0.06, programme=Programme()
        )
        with opened(company, RULES) as inputs:
            cases.make(inputs)
            inputs.engine.register("truth", company.truth.cases)
            measured = measure(inputs)
            truth = inputs.engine.query(
                """SELECT t.stays_with, t.stays_without FROM play_cases c
                   JOIN truth t ON t.account_id = c.account_id AND t.at = c.begun_at
                   WHERE c.is_closed AND c.is_treated ORDER BY c.account_id, c.begun_at"""
            ).to_pandas()
        prevented = float(((truth.stays_with - truth.stays_without) * measured.treated.cases.worth).sum())
        stays.append(truth.stays_with.to_numpy())
        found.append((measured, prevented))
    save_rate = float(np.concatenate(stays).mean())
    hits = np.zeros(3)
    for measured, prevented in found:
        figures = measured.save_rate, measured.prevented, measured.roi
        truths = save_rate, prevented, (prevented - measured.cost) / measured.cost
        hits += [figure.low <= truth <= figure.high for figure, truth in zip(figures, truths, strict=True)]
    record_property("coverage", (hits / 200).tolist())
    assert ((hits / 200 >= 0.90) & (hits / 200 <= 0.98)).all(), hits / 200
