"""Each account's own rows in the store, and posted events: whole or not at all, the newest alone, each id once."""

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import func, select

from features.packing import SHAPES, Block, packed, unpacked
from serving.store import own_rows, tables, usage_events
from serving.store.usage_events import NewEvent

DAY = datetime(2026, 3, 2)


SCHEMA = pa.schema({"account_id": pa.string(), "n": pa.int64()})


def block(number, *rows):
    return Block(number, "usage", packed(pa.Table.from_pylist([{"account_id": a, "n": n} for a, n in rows], SCHEMA)))


def write(store, places, *blocks, at=DAY):
    own_rows.write(store, places.items(), [block(SHAPES), *blocks], as_of=DAY, about={"at": at.day}, at=at)


def read(store, *accounts):
    with store.read() as db:
        own = own_rows.fetch(db, accounts)
    return own.known, unpacked(own.blocks, accounts)["usage"].to_pylist()


def test_an_account_is_given_its_own_rows_and_an_unknown_one_none(store):
    write(store, {"a": 0, "b": 0, "c": 1}, block(0, ("a", 1), ("b", 2), ("a", 3)), block(1, ("c", 4)))
    assert read(store, "a") == ({"a"}, [{"account_id": "a", "n": 1}, {"account_id": "a", "n": 3}])
    assert read(store, "c", "b", "nobody")[0] == {"c", "b"}
    assert read(store, "nobody") == (set(), [])


def test_the_newest_set_is_read_and_the_one_before_is_gone(store):
    write(store, {"a": 0}, block(0, ("a", 1)))
    write(store, {"a": 0}, block(0, ("a", 2)), at=DAY + timedelta(days=1))
    assert read(store, "a")[1] == [{"account_id": "a", "n": 2}]
    with store.read() as db:
        counts = [db.scalar(select(func.count()).select_from(t)) for t in (tables.row_sets, tables.row_places)]
    assert counts == [1, 1]


def test_a_set_that_was_broken_off_is_never_read_and_goes_with_a_later_one(store):
    write(store, {"a": 0}, block(0, ("a", 1)))

    def broken():
        yield block(0, ("a", 2))
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        own_rows.write(store, [("a", 0)], broken(), as_of=DAY, about={}, at=DAY)
    assert read(store, "a")[1] == [{"account_id": "a", "n": 1}]
    write(store, {"a": 0}, block(0, ("a", 3)), at=DAY + timedelta(days=2))
    with store.read() as db:
        assert db.scalar(select(func.count()).select_from(tables.row_sets)) == 1


def test_sets_of_more_rows_than_one_step_writes_are_whole(store):
    places = {f"a{i}": i for i in range(own_rows.BLOCKS * 2 + 1)}
    write(store, places, *(block(i, (f"a{i}", i)) for i in places.values()))
    assert read(store, "a100")[1] == [{"account_id": "a100", "n": 100}]
    write(store, {"b": 0}, block(0, ("b", 1)))
    assert read(store, "a100") == (set(), [])


def event(account_id, row_id=None, **rest):
    return NewEvent(account_id=account_id, at=DAY, known_at=DAY, row_id=row_id, **rest)


def test_an_event_of_one_row_id_is_kept_once_and_those_without_each_time(store):
    with store.write() as db:
        assert [usage_events.keep(db, event("a", "r1", quantity=2.5)), usage_events.keep(db, event("a", "r1"))] == [
            True,
            False,
        ]
        assert [usage_events.keep(db, event("a")), usage_events.keep(db, event("a"))] == [True, True]
    with store.read() as db:
        kept = usage_events.of(db, ["a", "b"])
    assert [(one.row_id, one.quantity) for one in kept] == [("r1", 2.5), (None, None), (None, None)]


def test_events_are_marked_and_dropped_by_their_ids(store):
    with store.write() as db:
        for number in range(3):
            usage_events.keep(db, event("a", f"r{number}"))
        first, second, third = (one.id for one in usage_events.all_events(db))
        usage_events.counted(db, [first, second], as_of=DAY)
        usage_events.drop(db, [second])
        assert [(one.id, one.counted_as_of) for one in usage_events.of(db, ["a"])] == [(first, DAY), (third, None)]
