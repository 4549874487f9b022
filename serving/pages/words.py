"""Numbers, moments and names as the pages write them. `None` is written as a dash: not known is not zero."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
LONG = 90
"""Characters of a name in a list; the whole of it is on the account's page."""


class Told(dict[str, Any]):
    """A JSON object whose missing members are None: older and newer writers leave some out.

    >>> Told({"a": 1})["b"] is None, told({"a": [{"b": {}}]})["a"][0]["b"]["c"]
    (True, None)
    """

    def __missing__(self, name: str) -> None:
        """What is not there is not known."""


def told(value: Any) -> Any:
    """A JSON value with its objects as `Told`."""
    match value:
        case dict():
            return Told({name: told(held) for name, held in value.items()})
        case list():
            return [told(held) for held in value]
    return value


def number(value: float | None, digits: int = 1) -> str:
    """A number with its digits after the point.

    >>> number(1234.56), number(-0.01), number(None), number(-3.0, 0)
    ('1,234.6', '0.0', '–', '−3')
    """
    return UNKNOWN if value is None else f"{value:z,.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 1) -> str:
    """A number with its sign, so that a change is told from a level.

    >>> signed(2.04), signed(-2.0), signed(0.0)
    ('+2.0', '−2.0', '0.0')
    """
    told = number(value, digits)
    return told if value is None or told.startswith(MINUS) or not told.strip("0.,") else f"+{told}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of one in percent.

    >>> percent(0.1234), percent(None)
    ('12.3 %', '–')
    """
    return UNKNOWN if share is None else f"{number(100 * share, digits)} %"


def day(moment: datetime | str | None) -> str:
    """The day of a moment in UTC.

    >>> day(datetime(2026, 3, 1)), day("2026-03-01T12:00:00")
    ('1 Mar 2026', '1 Mar 2026')
    """
    if moment is None:
        return UNKNOWN
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{found.day} {found:%b %Y}"


def minute(moment: datetime | str | None) -> str:
    """A moment in UTC to the minute.

    >>> minute(datetime(2026, 3, 1, 9, 5))
    '1 Mar 2026, 09:05 UTC'
    """
    if moment is None:
        return UNKNOWN
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{day(found)}, {found:%H:%M} UTC"


def plain(name: str | None) -> str:
    """A name of ours as a person would write it.

    >>> plain("low_adoption")
    'Low adoption'
    """
    text = (name or "").replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text else UNKNOWN


def clipped(text: str | None, width: int = LONG) -> str:
    """Text of at most `width` characters.

    >>> clipped("a very long name", 8)
    'a very …'
    """
    held = text or ""
    return held if len(held) <= width else held[: width - 1] + "…"


def hours(count: float) -> str:
    """A span of time in the largest unit that it has at least two of.

    >>> hours(24), hours(72), hours(336), hours(0.5)
    ('24 hours', '3 days', '2 weeks', '0.5 hours')
    """
    for unit, size in (("weeks", 168), ("days", 24)):
        if count >= 2 * size and count % size == 0:
            return f"{count / size:.0f} {unit}"
    return f"{count:g} hour{'' if count == 1 else 's'}"


def things(count: int, thing: str) -> str:
    """So many of a thing.

    >>> things(1, "account"), things(1200, "account")
    ('1 account', '1,200 accounts')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def adding_up(parts: Sequence[float], total: float, digits: int = 1) -> list[float]:
    """Parts rounded so that they add up to the rounded total (largest remainders, Hamilton's method).

    >>> adding_up([0.333, 0.333, 0.334], 1.0), adding_up([10.04, 20.03], 30.07)
    ([0.3, 0.3, 0.4], [10.1, 20.0])
    """
    unit = 10**digits
    whole = [round(part * unit) for part in parts]
    missing = round(round(total, digits) * unit) - sum(whole)
    step = 1 if missing > 0 else -1
    order = sorted(range(len(parts)), key=lambda i: step * (whole[i] - parts[i] * unit))
    for i in order[: abs(missing)]:
        whole[i] += step
    return [n / unit for n in whole]
