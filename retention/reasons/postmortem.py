"""What can be learned from one loss: filled in by what was kept, finished by a person (systems K1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from retention.blocks import Block, Column, rows
from retention.errors import RetentionError
from retention.inputs import Inputs
from retention.reasons import kept
from retention.reasons.causes import Root, Vocabulary
from retention.reasons.kept import Scored, Signal, Tried
from retention.reasons.losses import Loss
from retention.reasons.patterns import Recurring


@dataclass(frozen=True, kw_only=True)
class PostMortem:
    """One loss with everything that Keepwell knew of it at `as_of`; causes are in words, None where not known.

    `is_systemic` tells whether its sub-cause recurs more than chance explains, None where there is none. `missed` are
    the signals that no play answered before the loss.
    """

    account_id: str
    as_of: datetime
    at: datetime
    began_at: datetime
    returned_at: datetime | None
    intent: str
    yearly_value: float | None
    reason: str | None
    stated: str | None
    inferred: str | None
    found: str | None
    learned: str | None
    preventable: bool | None
    is_systemic: bool | None
    layer: str | None
    scores: tuple[Scored, ...]
    signals: tuple[Signal, ...]
    plays: tuple[Tried, ...]

    @property
    def missed(self) -> tuple[Signal, ...]:
        """Signals that nobody answered."""
        return tuple(signal for signal in self.signals if signal.answered_by is None)

    @property
    def cause(self) -> str | None:
        """The root cause in words: as found, else as stated, else as inferred."""
        return self.found or self.stated or self.inferred

    @property
    def summary(self) -> str:
        """The whole of it on one line."""
        first = max((signal.days_before for signal in self.signals), default=None)
        seen = "nothing was seen" if first is None else f"{len(self.signals)} seen, the first {first} days before"
        treated = [play for play in self.plays if play.arm == "treated"]
        tried = f"{len(treated)} tried, the first {treated[0].days_before} days before" if treated else "nothing tried"
        kind = {True: "systemic", False: "one-off", None: "pattern not known"}[self.is_systemic]
        could = {True: "preventable", False: "not preventable", None: "nobody knows whether preventable"}
        return f"{self.cause or 'cause not known'}; {seen}; {tried}; {could[self.preventable]}, {kind}"

    def as_json(self) -> dict[str, Any]:
        """The record for machines."""
        told = asdict(self) | {"cause": self.cause, "summary": self.summary}
        return told | {"missed": [asdict(signal) for signal in self.missed]}


def of_account(
    inputs: Inputs, account: str, losses: Sequence[Loss], words: Vocabulary, found: Sequence[Recurring]
) -> PostMortem:
    """The post-mortem of an account's last loss.

    Raises:
        RetentionError: the account was not lost.
    """
    mine = [loss for loss in losses if loss.account_id == account]
    if not mine:
        raise RetentionError(
            f"{account} was not lost by {inputs.as_of:%Y-%m-%d}; a post-mortem is of a customer who left"
        )
    return _of_losses(inputs, mine[-1:], words, found)[0]


def recent(inputs: Inputs, losses: Sequence[Loss], words: Vocabulary, found: Sequence[Recurring]) -> Block:
    """Every loss of the period with its post-mortem on one line, the newest first."""
    told = []
    for one in _of_losses(inputs, losses, words, found)[::-1]:
        there = one.summary.partition("; ")[2]
        told.append((one.account_id, one.at, one.yearly_value, one.cause, there, len(one.missed), one.found))
    return Block(
        id="postmortems",
        title="Every loss in one line",
        systems=("K1",),
        says=f"Losses of the last {inputs.house.reasons.period_days} days, filled in by what was kept. `keepwell "
        "postmortem ACCOUNT` tells the whole; with --cause a person says what it really was.",
        columns=(
            Column("account_id", "Account"),
            Column("at", "Lost", "day"),
            Column("value", "Worth a year", "money"),
            Column("cause", "Cause"),
            Column("summary", "What was there"),
            Column("missed", "Unanswered", "count"),
            Column("found", "Post-mortem found"),
        ),
        rows=rows(told),
        account="account_id",
    )


def _of_losses(
    inputs: Inputs, losses: Sequence[Loss], words: Vocabulary, found: Sequence[Recurring]
) -> list[PostMortem]:
    systemic = {one.root: one.is_systemic(inputs.house.reasons.chance) for one in found}
    scores, plays, seen = kept.scores(inputs), kept.plays(inputs), kept.seen(inputs)
    made = []
    for loss in losses:
        key = (loss.account_id, loss.at)
        tried, root = tuple(plays.get(key, ())), loss.root
        made.append(
            PostMortem(
                account_id=loss.account_id,
                as_of=inputs.as_of,
                at=loss.at,
                began_at=loss.began_at,
                returned_at=loss.returned_at,
                intent=loss.intent,
                yearly_value=loss.yearly_value,
                reason=loss.reason,
                **{name: _title(words, getattr(loss, name)) for name in ("stated", "inferred", "found")},
                learned=loss.learned,
                preventable=loss.is_preventable(words),
                is_systemic=systemic.get(root) if root and root.sub else None,
                layer=words.layer(root) if root else None,
                scores=tuple(scores.get(key, ())),
                signals=tuple(kept.answered(name, told, at, loss.at, tried) for name, told, at in seen.get(key, ())),
                plays=tried,
            )
        )
    return made


def _title(words: Vocabulary, root: Root | None) -> str | None:
    return None if root is None else words.title(root)
