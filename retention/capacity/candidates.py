"""Whom a play could help: the accounts of the newest kept run, without those that no play shall reach."""

from collections import Counter
from dataclasses import dataclass

from retention.capacity.choices import LEVELS, NOBODY, TEAM, Candidate
from retention.inputs import Inputs
from retention.sections import Level


@dataclass(frozen=True)
class Found:
    """The candidates of the newest run, and how many accounts are none, by reason."""

    candidates: tuple[Candidate, ...]
    left_out: dict[str, int]


HELD_OUT = "held out, so that effects can be measured"
NOT_SCORED = "without risk level, churn probability or yearly value"
NOT_PREVENTABLE = "about to leave for a reason that no play prevents"


def find(inputs: Inputs) -> Found:
    """The accounts of the newest kept run that may get a play (systems T3).

    The probability of churn within the programme's outcome days comes from the model's, at a constant rate:
    1 - (1 - p) ^ (outcome days / horizon days). The stake is that probability x yearly value x margin x saved years.
    """
    house, rows = inputs.house, inputs.rows(_NEWEST)
    times = house.programme.outcome_days / inputs.settings.churn.horizon_days
    margin = house.money.gross_margin * house.programme.saved_years
    left_out, candidates = Counter[str](), []
    nobody = NOBODY if any(owner for _, owner, *_ in rows) else TEAM
    levels: dict[object, Level] = {level: level for level in LEVELS}
    for account_id, owner, level, driver, p, value, arm in rows:
        reason = _left_out(level, driver, p, value, arm, house.capacity.not_preventable)
        if reason:
            left_out[reason] += 1
            continue
        probability = 1 - (1 - float(str(p))) ** times
        candidates.append(
            Candidate(
                account_id=str(account_id),
                owner=str(owner or nobody),
                level=levels[level],
                driver=None if driver is None else str(driver),
                probability=probability,
                value=float(str(value)),
                stake=probability * float(str(value)) * margin,
            )
        )
    return Found(tuple(candidates), dict(left_out))


def _left_out(
    level: object, driver: object, p: object, value: object, arm: object, not_preventable: tuple[str, ...]
) -> str | None:
    if arm == "holdout":
        return HELD_OUT
    if level not in LEVELS or p is None or value is None:
        return NOT_SCORED
    return NOT_PREVENTABLE if driver in not_preventable else None


_NEWEST = """
    WITH arms AS (SELECT h.account_id, ARG_MAX(h.arm, h.at) AS arm FROM holdout_history h GROUP BY 1)
    SELECT s.account_id, s.owner, s.risk_level, s.driver, s.churn_probability, s.yearly_value, a.arm
    FROM score_history s LEFT JOIN arms a USING (account_id)
    WHERE s.as_of = (SELECT MAX(as_of) FROM score_history)
    ORDER BY s.account_id"""
