"""The small tables that events meet: the days that each snapshot looks back on, and the kinds of event."""

from datetime import timedelta

import pyarrow as pa

from features.catalogue import Catalogue
from features.engine import Engine
from features.scans import How
from features.stretches import LONGEST


def is_sparse(engine: Engine, wanted: int, days: int) -> bool:
    """Whether few of all (account, date) pairs are wanted, as with one snapshot before each renewal."""
    [(everyone,)] = engine.rows("SELECT COUNT(*) FROM accounts")
    return 4 * wanted < int(str(everyone)) * days


def register(engine: Engine, how: How) -> None:
    """Make the table `calendar`: a row per (snapshot, day before it), and account if so wanted.

    Age 1 is the day before; bits number days and weeks.
    """
    ages = list(range(1, LONGEST + 1))
    calendar = pa.table(
        {
            "age": pa.array(ages, pa.int32()),
            "week": pa.array([(age - 1) // 7 for age in ages], pa.int32()),
            "week_bits": pa.array([1 << (age - 1) // 7 for age in ages], pa.int64()),
            **{
                f"day_bits_{i + 1}": pa.array(
                    [1 << (age - 1) % 28 if (age - 1) // 28 == i else 0 for age in ages], pa.int64()
                )
                for i in range(3)
            },
        }
    )
    engine.register("ages", calendar)
    moments = [(day, (day - timedelta(days=age)).date(), age) for day in how.days for age in ages]
    engine.register(
        "calendar_days",
        pa.table(
            {
                "snapshot_at": pa.array([m[0] for m in moments], pa.timestamp("us")),
                "day": pa.array([m[1] for m in moments], pa.date32()),
                "age": pa.array([m[2] for m in moments], pa.int32()),
            }
        ),
    )
    query = "SELECT * FROM calendar_days JOIN ages USING (age)"
    if how.per_account:
        query = f"SELECT s.account_id, c.* FROM wanted s JOIN ({query}) c ON c.snapshot_at = s.snapshot_at"
    engine.hold("calendar", query)


def register_kinds(engine: Engine, catalogue: Catalogue) -> None:
    """Make the table `event_kinds`: the number of each kind of event with features, and a bit for each that counts."""
    names, families = catalogue.vocabulary.all_events, catalogue.vocabulary.event_names
    engine.register(
        "event_kinds",
        pa.table(
            {
                "event": pa.array(names, pa.string()),
                "kind": pa.array([families.index(n) if n in families else None for n in names], pa.int32()),
                "kind_bits": pa.array([1 << i for i in range(len(names))], pa.int64()),
            }
        ),
    )
