"""The cause of a loss that a person found: checked against retention.toml, kept for the reports that follow."""

from sqlalchemy import Connection

from retention.reasons.causes import FOUND, Vocabulary
from serving.store import checks
from serving.store.checks import Check, Kept
from serving.telling import COMMAND_LINE, Teller


def find(
    db: Connection, words: Vocabulary, account_id: str, cause: str, teller: Teller, *, note: str | None = None
) -> None:
    """Keep a cause, by its name, of the last loss that was known at `teller.at`; `note` is what is learned of it.

    Raises:
        RetentionError: there is no such cause.
    """
    by = teller.key_id or COMMAND_LINE
    check = Check(account_id=account_id, item=FOUND + words.named(cause).name, at=teller.at, by=by, note=note)
    checks.tick(db, check, now=teller.now, key_id=teller.key_id, request_id=teller.request_id)


def found(db: Connection, account_id: str) -> list[Kept]:
    """The causes that persons found of an account's losses, the last word first."""
    return [check for check in checks.history(db, account_id) if check.item.startswith(FOUND)]
