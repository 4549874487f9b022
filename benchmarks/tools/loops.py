"""The usual features by a loop over snapshots, as users of pandas and of polars write it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.tools import company

SNAPSHOTS = [company.END - timedelta(days=28 * back) for back in range(11, -1, -1)]
SHARED = (
    *(f"events_{w}d" for w in (7, 28, 84)),
    *(f"{what}_{w}d" for what in ("active_days", "event_kinds") for w in (28, 84)),
    "days_since_last_use",
)
"""Features that all three compute and must agree on: the last looks back 364 days, the others at most 84."""


def looped(of_snapshot: Callable[[Any], Any], save: Callable[[list[Any]], None]) -> dict[str, float]:
    """The usual features by a loop over snapshots."""
    began, worked = perf_counter(), process_time()
    save([of_snapshot(day) for day in SNAPSHOTS])
    took = {"seconds": perf_counter() - began, "cpu_seconds": process_time() - worked, "check": 0.0}
    return {"features": len(SHARED), **took}


def pandas(folder: Path) -> dict[str, float]:
    """A careful group-by: ids as categories, each snapshot a slice of the time-ordered events."""
    import pandas as pd
    import pyarrow.parquet as pq

    columns = ["account_id", "at", "event"]
    held: list[Any] = []

    def of_snapshot(day: Any) -> Any:
        if not held:
            read = pq.read_table(folder / "usage.parquet", columns=columns, read_dictionary=["account_id", "event"])
            held.append(read.to_pandas())
        began = [pd.Timestamp(day - timedelta(days=back)) for back in (364, 84, 0)]
        first, low, high = held[0]["at"].searchsorted(began)
        last = held[0].iloc[first:high].groupby("account_id", observed=True)["at"].max()
        return _usual(held[0].iloc[low:high], last, day).assign(snapshot_at=day)

    return looped(of_snapshot, lambda parts: pd.concat(parts).reset_index().to_parquet(folder / "pandas.parquet"))


def _usual(events: Any, last: Any, day: Any) -> Any:
    """The usual features of one snapshot from its last 84 days, one row an account with a `last` use in 364."""
    import pandas as pd

    age = (pd.Timestamp(day) - events["at"].dt.normalize()).dt.days
    rows = pd.DataFrame({"account_id": events["account_id"], "event": events["event"], "age": age})
    days = rows.drop_duplicates(["account_id", "age"])
    kinds = rows.groupby(["account_id", "event"], observed=True)["age"].min().reset_index()

    def count(table: Any, within: int) -> Any:
        return table[table["age"] <= within].groupby("account_id", observed=True).size()

    found = {f"events_{w}d": count(rows, w) for w in (7, 28, 84)}
    found |= {f"active_days_{w}d": count(days, w) for w in (28, 84)}
    found |= {f"event_kinds_{w}d": count(kinds, w) for w in (28, 84)}
    found["days_since_last_use"] = (pd.Timestamp(day) - last.dt.normalize()).dt.days
    return pd.DataFrame(found, index=last.index).fillna(0)


def polars(folder: Path) -> dict[str, float]:
    """Each snapshot scanned lazily with the streaming engine; distinct days and kinds as bits of a number."""
    import polars as pl

    scanned = pl.scan_parquet(folder / "usage.parquet").select("account_id", "at", "event")
    names = sorted(scanned.select(pl.col("event").unique()).collect()["event"].to_list())
    bits = pl.DataFrame({"event": names, "kind": [1 << i for i in range(len(names))]}).lazy()

    def of_snapshot(day: Any) -> Any:
        age = (pl.lit(day.date()) - pl.col("at").dt.date()).dt.total_days()
        within = (pl.col("at") >= day - timedelta(days=84)) & (pl.col("at") < day)
        rows = scanned.filter(within).with_columns(age=age).join(bits, on="event")
        last = {w: pl.col("age") <= w for w in (7, 28, 84)}
        day_bit = [
            pl.when((pl.col("age") > 42 * i) & (pl.col("age") <= 42 * (i + 1)))
            .then(pl.lit(2, dtype=pl.Int64).pow((pl.col("age") - 1) % 42).cast(pl.Int64))
            .otherwise(0)
            for i in range(2)
        ]
        counted = rows.group_by("account_id").agg(
            *(last[w].sum().cast(pl.Float64).alias(f"events_{w}d") for w in last),
            (day_bit[0] * last[28]).bitwise_or().bitwise_count_ones().cast(pl.Float64).alias("active_days_28d"),
            sum(bit.bitwise_or().bitwise_count_ones().cast(pl.Float64) for bit in day_bit).alias("active_days_84d"),  # type: ignore[attr-defined]
            *(
                (pl.col("kind") * last[w]).bitwise_or().bitwise_count_ones().cast(pl.Float64).alias(f"event_kinds_{w}d")
                for w in (28, 84)
            ),
        )
        year = scanned.filter((pl.col("at") >= day - timedelta(days=364)) & (pl.col("at") < day))
        last = year.group_by("account_id").agg(pl.col("at").max().dt.date().alias("last"))
        seen = last.select("account_id", days_since_last_use=(pl.lit(day.date()) - pl.col("last")).dt.total_days())
        joined = seen.join(counted, on="account_id", how="left").with_columns(
            pl.col(SHARED).cast(pl.Float64).fill_null(0)
        )
        return joined.with_columns(snapshot_at=pl.lit(day)).collect(engine="streaming")

    return looped(of_snapshot, lambda parts: pl.concat(parts).write_parquet(folder / "polars.parquet"))
