"""Rows broken on purpose: copies of good rows with one thing wrong; the good rows stay as they were."""

from datetime import datetime

import numpy as np
import pyarrow as pa

Broken = dict[str, dict[str, int]]
"""Number of broken rows by source and reason; a reason begins as the contract report words it."""

SHARE = 0.005
FAR = datetime(2999, 1, 1)
LONG_AGO = datetime(1999, 1, 1)

WAYS: dict[str, dict[str, dict[str, object]]] = {
    "accounts": {"account_id is missing": {"account_id": None}, "duplicate key (account_id, known_at)": {}},
    "subscriptions": {
        "mrr is not a number": {"mrr": "n/a"},
        "mrr is negative": {"mrr": "-1.00"},
        "renews_at is not after started_at": {"renews_at": LONG_AGO},
    },
    "usage": {
        "account_id is missing": {"account_id": None},
        "unknown account": {"account_id": "A-unknown"},
        "at is missing": {"at": None},
        "at is in the future": {"at": FAR},
        "known before it happened": {"loaded_at": LONG_AGO},
    },
    "feedback": {
        "an nps score is not within 0 to 10": {"kind": "nps", "score": "42"},
        "score is not a number": {"score": "ten"},
        "kind is none of": {"kind": "tweet"},
        "duplicate key (row_id)": {},
    },
    "support": {
        "resolved_at is before opened_at": {"resolved_at": LONG_AGO},
        "opened_at is not a time": {"opened_at": "last Tuesday"},
    },
    "touchpoints": {
        "sentiment is not within 1 to 5": {"sentiment": "9"},
        "direction is none of": {"direction": "sideways"},
    },
    "invoices": {"amount is not a number": {"amount": "12,50 EUR"}, "duplicate key (row_id)": {}},
    "interventions": {"cost is negative": {"cost": "-5.00"}},
    "churns": {"unknown account": {"account_id": "A-unknown"}},
}


def break_rows(tables: dict[str, pa.Table], rng: np.random.Generator) -> tuple[dict[str, pa.Table], Broken]:
    """The tables with about 0.5 % broken rows appended to each, and how many of which kind."""
    broken: Broken = {}
    messy = {}
    for source, table in tables.items():
        ways = WAYS[source]
        each = min(max(1, round(SHARE * len(table) / len(ways))), len(table))
        broken[source] = dict.fromkeys(ways, each)
        copies = [_changed(table.take(pa.array(rng.choice(len(table), each, replace=False))), w) for w in ways.values()]
        texts = {name for way in ways.values() for name, value in way.items() if isinstance(value, str)}
        messy[source] = pa.concat_tables([_as_text(part, texts) for part in (table, *copies)])
    return messy, broken


def _changed(table: pa.Table, way: dict[str, object]) -> pa.Table:
    """The rows with some columns overwritten."""
    for name, value in way.items():
        kind = pa.string() if isinstance(value, str) else table.schema.field(name).type
        column = pa.array([value] * len(table), kind)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    """The rows with some columns as text, the way a file that also holds words has them."""
    for name in sorted(names):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table
