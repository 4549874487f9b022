"""Who is held out: one draw an account, by a keyed hash, so that nobody's choice and no play decides it."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_hex

ACCOUNT = "account"
SPACE = 2.0**64
WORDS = ("tier", "risk", "segment")
STRATEGIC = "strategic"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a rule of `never_hold_out` may ask of an account."""

    tier: str | None = None
    risk: str | None = None
    segment: str | None = None
    is_strategic: bool = False


def new_seed() -> str:
    """A seed that nobody can guess: 32 hex digits. It is made once and kept in the store."""
    return token_hex(16)


def position(account_id: str, seed: str) -> float:
    """Where an account lies in [0, 1), uniformly and independently of everything that is known about it.

    The first 64 bits of BLAKE2b of the account's id, keyed with the seed.

    >>> position("A00001", "00") == position("A00001", "00"), position("A00001", "00") == position("A00001", "01")
    (True, False)
    """
    digest = blake2b(account_id.encode(), key=bytes.fromhex(seed), digest_size=8, person=ACCOUNT.encode()).digest()
    return int.from_bytes(digest, "big") / SPACE


def is_held_out(account_id: str, seed: str, share: float) -> bool:
    """The draw: the same for an account whatever the play, the day and the other accounts."""
    return position(account_id, seed) < share


def exemption(rules: Iterable[str], standing: Standing) -> str | None:
    """The first rule of `[programme] never_hold_out` that an account meets; None for one that may be held out.

    A rule is words that must all hold: `strategic`, `tier:red`, `risk:high`, `segment:enterprise`.
    """
    return next((rule for rule in rules if all(_holds(word, standing) for word in rule.split())), None)


def check_rule(rule: str) -> str:
    """A rule as it is.

    Raises:
        ValueError: it is empty or asks for something that nobody knows.
    """
    for word in rule.split() or [""]:
        name, colon, value = word.partition(":")
        if word != STRATEGIC and not (name in WORDS and colon and value):
            raise ValueError(f"{rule!r}: a rule is words such as strategic, tier:red, risk:high or segment:enterprise")
    return rule


def _holds(word: str, standing: Standing) -> bool:
    name, _, value = word.partition(":")
    return standing.is_strategic if word == STRATEGIC else getattr(standing, name) == value
