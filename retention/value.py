"""What an account is worth a year, and how much of that is at risk."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DAYS_A_YEAR = 365

YEARLY = (("mrr", 12.0), ("spend_84d", DAYS_A_YEAR / 84), ("invoiced_84d", DAYS_A_YEAR / 84))
"""Features that tell an account's money, the best first, and what makes a year of each."""


def yearly_value(names: list[str], rows: Array) -> Array:
    """Money a year at the present rate, in the company's currency: (n,).

    From the running contracts' MRR where it is known, else from the last 84 days' spend, else from invoices; NaN
    where no source tells.
    """
    value = np.full(len(rows), np.nan)
    for name, times in YEARLY:
        if name in names:
            value = np.where(np.isnan(value), rows[:, names.index(name)] * times, value)
    return value


def value_at_risk(probability: Array, value: Array) -> Array:
    """Expected loss: churn probability x yearly value; NaN where either is unknown."""
    return probability * value
