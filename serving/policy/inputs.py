"""Read what a person tells of an account as the policy declares it."""

from datetime import datetime
from math import isfinite

from serving.errors import ServingError
from serving.policy.document import Input, Policy


def understood(policy: Policy, name: str, given: float | str, *, at: datetime) -> float | datetime:
    """The number, or for an input that is a date its midnight (UTC).

    Args:
        policy: whose `[inputs]` say what can be told.
        name: of the input.
        given: a number or its text; a date as YYYY-MM-DD.
        at: when it became known; no date lies after it.

    Raises:
        ServingError: there is no such input, or it cannot have this value.
    """
    if name not in policy.inputs:
        raise ServingError(
            f"{name[:100]} is nothing that the policy asks for; tell {', '.join(policy.inputs)}, "
            "or declare it under [inputs] in policy.toml"
        )
    row = policy.inputs[name]
    return _date(row, given, at) if row.is_date else _number(row, given)


def _date(row: Input, given: float | str, at: datetime) -> datetime:
    try:
        day = datetime.strptime(str(given), "%Y-%m-%d")
    except ValueError:
        raise ServingError(f"{row.id} is told as a date, YYYY-MM-DD; got {str(given)[:40]}") from None
    if day > at:
        raise ServingError(f"{row.id}: {given} lies after {at:%Y-%m-%d}, when it became known; correct the date")
    return day


def _number(row: Input, given: float | str) -> float:
    try:
        number = float(given)
    except ValueError:
        raise ServingError(
            f"{row.id} is told as a number; got {given[:40] if isinstance(given, str) else given}"
        ) from None
    if not isfinite(number) or _is_outside(row, number):
        raise ServingError(f"{row.id} is {_bounds(row)}; got {number:g}")
    return number


def _is_outside(row: Input, number: float) -> bool:
    return (row.at_least is not None and number < row.at_least) or (row.at_most is not None and number > row.at_most)


def _bounds(row: Input) -> str:
    told = [
        f"{word} {bound:g}"
        for word, bound in (("at least", row.at_least), ("at most", row.at_most))
        if bound is not None
    ]
    return " and ".join(told) or "a finite number"
