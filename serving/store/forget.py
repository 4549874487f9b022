"""Forget an account: erase its rows, and its id wherever else it stands.

Rows of the account go, also out of the blocks that keep several accounts' own rows, and with them jobs and stored
answers that mention it. In what must stay (audit entries, events about several accounts, people's words about another
account) the id becomes a random pseudonym. Scores of other accounts never name it. On PostgreSQL the space of dead rows
is overwritten by the next VACUUM; backups are their owner's to rotate.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from json import dumps
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column, Connection, Select, Table, Text, and_, cast, delete, or_, select, update

from serving.store import audit, own_rows
from serving.store.opening import Store
from serving.store.tables import audit as audit_log
from serving.store.tables import (
    checks,
    decisions,
    deliveries,
    delivery_attempts,
    facts,
    holdouts,
    idempotency,
    interventions,
    jobs,
    metadata,
    outbox,
    records,
    reported,
    reports,
    row_blocks,
    signs,
)

PARQUET = b"PAR1"
ANSWERS: dict[Table, tuple[str, ...]] = {
    idempotency: ("idempotency_key", "response"),
    jobs: ("input", "error", "result"),
}
"""Where a row that mentions the account goes."""

WORDS: dict[Table, tuple[str, ...]] = {
    signs: ("text", "response", "closed_by"),
    decisions: ("by", "reason", "values"),
    interventions: ("owner", "outcome"),
    checks: ("by", "note"),
    facts: ("by", "note"),
    holdouts: ("released_by", "note"),
    reports: ("body",),
    reported: ("chapters",),
    records: ("by", "body"),
    outbox: ("body", "dedupe_key"),
    delivery_attempts: ("response",),
    audit_log: ("subject", "detail"),
}
"""Where a row that mentions the account stays, under a pseudonym."""


@dataclass(frozen=True)
class Forgotten:
    """How many rows were erased or rewritten, by table (without any: left out), and which targets were told of it."""

    erased: dict[str, int]
    told: tuple[str, ...]


def forget(store: Store, account_id: str, *, at: datetime, key_id: str | None = None) -> Forgotten:
    """Erase an account. A delivery of it that is under way at this moment may still arrive.

    The audit log gets an entry `forget` under the pseudonym, with these counts.

    Raises:
        StoreUnavailable: the database is locked, full or away; nothing was erased.
    """
    pseudonym = f"forgotten-{secrets.token_hex(6)}"
    with store.write() as db:
        told = db.scalars(_told(account_id)).all()
        counts = dict(_erased(db, account_id))
        for table, number in _renamed(db, account_id, pseudonym):
            counts[table] = counts.get(table, 0) + number
        counts = {table: number for table, number in counts.items() if number}
        audit.record(db, [audit.Entry(at=at, action="forget", key_id=key_id, subject=pseudonym, detail=counts)])
    store.sweep()
    return Forgotten(counts, tuple(told))


def _told(account_id: str) -> Select[Any]:
    """Targets to which something about the account was sent, as far back as the delivery log reaches."""
    tried = select(deliveries.c.target).join(outbox).join(delivery_attempts).where(outbox.c.account_id == account_id)
    return tried.distinct().order_by(deliveries.c.target)


def _erased(db: Connection, account_id: str) -> Iterator[tuple[str, int]]:
    """Delete the account's rows, children first, then the answers that mention it."""
    events = select(outbox.c.id).where(outbox.c.account_id == account_id)
    sent = select(deliveries.c.id).where(deliveries.c.event_id.in_(events))
    tries = delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(sent))
    yield delivery_attempts.name, db.execute(tries).rowcount
    yield deliveries.name, db.execute(delete(deliveries).where(deliveries.c.event_id.in_(events))).rowcount
    yield row_blocks.name, own_rows.erase(db, account_id)
    for table in reversed(metadata.sorted_tables):
        if "account_id" in table.c:
            yield table.name, db.execute(delete(table).where(table.c.account_id == account_id)).rowcount
    for table, names in ANSWERS.items():
        keys = [key for key, held in _rows(db, table, names) if any(is_told(value, account_id) for value in held)]
        yield table.name, sum(db.execute(delete(table).where(_is(table, key))).rowcount for key in keys)


def _renamed(db: Connection, account_id: str, pseudonym: str) -> Iterator[tuple[str, int]]:
    for table, names in WORDS.items():
        number = 0
        for key, held in list(_rows(db, table, names, mentioning=account_id)):
            new = [renamed(value, account_id, pseudonym) for value in held]
            if new != held:
                db.execute(update(table).where(_is(table, key)).values(dict(zip(names, new, strict=True))))
                number += 1
        yield table.name, number


def _rows(
    db: Connection, table: Table, names: tuple[str, ...], mentioning: str | None = None
) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Primary key and these columns of a table's rows, of all or of those whose text holds the id anywhere."""
    keys = list(table.primary_key)
    query = select(*keys, *(table.c[name] for name in names))
    if mentioning is not None:
        query = query.where(or_(*(_holds(table.c[name], mentioning) for name in names)))
    for row in db.execute(query.execution_options(yield_per=100)):
        yield tuple(row[: len(keys)]), list(row[len(keys) :])


def _holds(column: Column[Any], account_id: str) -> Any:
    escaped = dumps(account_id, ensure_ascii=False)[1:-1]
    return or_(*(cast(column, Text).contains(text, autoescape=True) for text in {account_id, escaped}))


def _is(table: Table, key: tuple[Any, ...]) -> Any:
    return and_(*(column == value for column, value in zip(table.primary_key, key, strict=True)))


def renamed(value: Any, account_id: str, pseudonym: str) -> Any:
    """A JSON value or text with another name for the account: where it is the whole text, and as a word in it.

    >>> renamed({"who": ["acme-1", "acme-12"], "why": "as acme-1 did"}, "acme-1", "x")
    {'who': ['x', 'acme-12'], 'why': 'as x did'}
    """
    match value:
        case str():
            return pseudonym if value == account_id else _as_word(account_id).sub(pseudonym, value)
        case list():
            return [renamed(held, account_id, pseudonym) for held in value]
        case dict():
            return {renamed(k, account_id, pseudonym): renamed(v, account_id, pseudonym) for k, v in value.items()}
    return value


def is_told(value: Any, account_id: str) -> bool:
    """Whether a JSON value, a text or an answer's bytes (JSON lines or Parquet) mention the account."""
    if isinstance(value, bytes) and value.startswith(PARQUET):
        value = pq.read_table(pa.BufferReader(value)).to_pylist()
    text = value.decode(errors="replace") if isinstance(value, bytes) else dumps(value, ensure_ascii=False, default=str)
    quoted = {dumps(account_id), dumps(account_id, ensure_ascii=False)}
    return any(name in text for name in quoted) or _as_word(account_id).search(text) is not None


def _as_word(account_id: str) -> re.Pattern[str]:
    """The id as a word of its own; one of digits alone is no word, it would be found in any amount."""
    is_name = any(not character.isdigit() for character in account_id)
    return re.compile(rf"(?<![\w-]){re.escape(account_id)}(?![\w-])" if is_name else r"(?!)")
