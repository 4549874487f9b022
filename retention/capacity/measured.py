"""What the holdout says of each play that the plan may choose: the share of churn that it prevents."""

import numpy as np

from retention.effects import cases
from retention.effects.estimate import effect, rate, scaled
from retention.effects.measured import measure
from retention.figures import Figure
from retention.inputs import Inputs


def effects(inputs: Inputs) -> dict[str, Figure]:
    """Effects by play of retention.toml, for plays that were held out by a draw often enough to be judged.

    The effect on the chance to stay, divided by the chance to be lost of those held out: of 20 in 100 who would be
    lost, a play that keeps 5 prevents a quarter. Its interval is the effect's, at that loss.
    """
    cases.make(inputs)
    if not inputs.rows("SELECT 1 FROM play_cases WHERE is_closed LIMIT 1"):
        return {}
    found = measure(inputs)
    if found.compared is None or found.basis != "held-out plays":
        return {}
    fewest, told = inputs.house.programme.fewest_to_judge, {}
    for name, care in inputs.house.plays.items():
        names = [name, *care.recorded_as]
        alike = found.compared.where(np.isin(found.compared.labels["play"].astype(str), names)).cases
        change = effect(alike, fewest=fewest)
        stays = rate(alike.where(alike.is_held)).value
        if change.value is not None and stays is not None and stays < 1:
            told[name] = scaled(change, 1 / (1 - stays))
    return told
