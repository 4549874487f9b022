"""Usage rows that reach us before the company's tables deliver them: judged as those are, and when they count.

A row that is posted early is a copy of one that the tables will hold. Where [sources.usage] maps `row_id`, it counts
until the tables hold that id, and from then on the tables' row does. Where it does not, it counts as long as it
happened after the newest usage row of the tables. It became known when it was received where the source tells when its
rows do (`known_at`), else when it happened. No early row changes when an account began: what the tables do not know
yet is an unknown account.
"""

from datetime import datetime

import pyarrow as pa

from features.contracts import USAGE
from features.engine import Engine
from features.errors import SourceError
from features.sources import Staged
from features.sources.judging import Judging, judging
from features.sources.mapping import KNOWN_AT, Resolved
from features.sources.raw import Raw

TEXTS = ("account_id", "row_id", "user_id", "session_id", "event")
GIVEN = pa.schema(
    [
        pa.field("id", pa.int64()),
        *(pa.field(name, pa.string()) for name in TEXTS),
        pa.field("at", pa.timestamp("us")),
        pa.field("quantity", pa.float64()),
        pa.field("value", pa.float64()),
        pa.field(KNOWN_AT, pa.timestamp("us")),
    ]
)
"""Rows as they were posted, moments in naive UTC; `known_at` is when they were received."""

TYPES = {**dict.fromkeys(TEXTS, "VARCHAR"), "at": "TIMESTAMP", KNOWN_AT: "TIMESTAMP"}
DELIVERED = "_delivered_usage"
PASSED = "the tables hold it, or newer rows than it: it is theirs to count"


def judge(engine: Engine, staged: Staged, given: pa.Table, *, now: datetime) -> pa.Table:
    """What is wrong with each row of `given` by the contract of usage, or that it no longer counts.

    Leaves those that count in the table `_early`, in the columns of `usage`.

    Returns:
        id, at, known_at and `fault`, null for rows that count; in the order of id.

    Raises:
        SourceError: the company has no usage source.
    """
    if "usage" not in staged.sources:
        raise SourceError("[sources.usage] is not mapped: without it there is nothing that events could be rows of")
    how = _how(staged, now)
    engine.register("_posted", given)
    engine.run(f'CREATE OR REPLACE VIEW "_typed_early" AS {how.typed}')
    engine.create(
        "_judged_early",
        f"""SELECT * EXCLUDE (_raw), _raw.id AS id,
                   COALESCE(_reason, CASE WHEN {_passed(engine, staged)} THEN '{PASSED}' END) AS fault
            FROM ({how.judged("_typed_early")})""",
    )
    columns = ", ".join([*how.staged, "CAST(NULL AS TIMESTAMP) AS superseded_at"])
    engine.create("_early", f'SELECT {columns} FROM "_judged_early" WHERE fault IS NULL')
    return engine.query(f'SELECT id, "at", {KNOWN_AT}, fault FROM "_judged_early" ORDER BY id')


def merge(engine: Engine, staged: Staged, given: pa.Table, *, now: datetime) -> pa.Table:
    """As `judge`, and add the rows that count to `usage`; what the tables delivered stays as `_delivered_usage`."""
    judged = judge(engine, staged, given, now=now)
    kind = "VIEW" if staged.sources["usage"].in_place else "TABLE"
    engine.run(f'ALTER {kind} "usage" RENAME TO "{DELIVERED}"')
    engine.run(f'CREATE VIEW "usage" AS SELECT * FROM "{DELIVERED}" UNION ALL SELECT * FROM "_early"')
    return judged


def _how(staged: Staged, now: datetime) -> Judging:
    """The contract of usage over posted rows; columns that the company's tables do not fill stay empty."""
    filled = [c for c in (*USAGE.columns, KNOWN_AT) if staged.has("usage", c)]
    resolved = Resolved(
        expressions={c: f'"{c}"' for c in filled},
        attributes={},
        types={c: TYPES.get(c, "DOUBLE") for c in filled},
    )
    raw = Raw(relation="_posted", place="posted events", columns={})
    return judging(USAGE, resolved, raw, zone="UTC", now=now, check_accounts=True, tidy=frozenset())


def _passed(engine: Engine, staged: Staged) -> str:
    """SQL condition of posted rows that the tables have passed: the rule of this module."""
    last_at = staged.sources["usage"].last_at
    if not staged.has("usage", "row_id"):
        return "FALSE" if last_at is None else f'"at" <= {engine.moment(last_at)}'
    delivered = 'SELECT DISTINCT r.row_id FROM "usage" r SEMI JOIN "_typed_early" e ON e.row_id = r.row_id'
    engine.create("_delivered_ids", delivered)
    return "row_id IN (SELECT row_id FROM _delivered_ids)"
