"""Posted events in a batch run, and the rows it keeps so that events posted later find their accounts'."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from features import blocks, early
from features.engine import Engine
from features.sources import Staged
from features.sources.mapping import KNOWN_AT
from features.stretches import LONGEST
from serving.store import Store, own_rows, usage_events
from serving.store.usage_events import CHUNK, NewEvent


@dataclass(frozen=True)
class Posted:
    """What became of the posted events in a run: `judged` as `features.early.judge` says it."""

    judged: pa.Table

    def seen_at(self, day: datetime) -> tuple[list[int], list[int]]:
        """Ids of the events that a run as of a day counts, and of those whose rows in the tables it counts instead."""
        seen = self.judged.filter((pc.field("at") < day) & (pc.field(KNOWN_AT) <= day))
        return _ids(seen, pc.field("fault").is_null()), _ids(seen, pc.field("fault") == early.PASSED)

    def forgone(self, day: datetime) -> list[int]:
        """Ids of the events that no feature of a snapshot from a day on sees."""
        return _ids(self.judged, pc.field("at") < day - timedelta(days=LONGEST))


def _ids(judged: pa.Table, condition: pc.Expression) -> list[int]:
    ids: list[int] = judged.filter(condition)["id"].to_pylist()
    return ids


def given(events: Iterable[NewEvent]) -> pa.Table:
    """Events as the rows that `features.early` reads; `id` is the place of one that is not kept yet."""
    rows = [{"id": number, **asdict(event)} for number, event in enumerate(events)]
    return pa.Table.from_pylist(rows, schema=early.GIVEN)


def count(store: Store, engine: Engine, staged: Staged) -> Posted | None:
    """Add the posted events that count to the staged usage; None where there are none."""
    if "usage" not in staged.sources:
        return None
    with store.read() as db:
        left, parts = usage_events.all_events(db), []
        while some := list(islice(left, CHUNK)):
            parts.append(given(some))
    return Posted(early.merge(engine, staged, pa.concat_tables(parts), now=staged.now)) if parts else None


def settle(store: Store, posted: Posted, day: datetime) -> None:
    """Mark the events that the newest run, as of a day, counts, and drop those whose rows in the tables it counts."""
    counts, passed = posted.seen_at(day)
    with store.write() as db:
        usage_events.counted(db, counts, as_of=day)
        usage_events.drop(db, [*passed, *posted.forgone(day)])


def keep_rows(store: Store, engine: Engine, staged: Staged, day: datetime, posted: Posted | None) -> None:
    """Keep each account's own rows as the tables delivered them, for online rows from a day on."""
    usage = early.DELIVERED if posted else "usage"
    places = blocks.lay_out(engine, day, usage)
    own_rows.write(
        store,
        zip(places["account_id"].to_pylist(), places["block"].to_pylist(), strict=True),
        blocks.cut(engine, day, usage),
        as_of=day,
        about=blocks.told(staged),
        at=datetime.now(UTC).replace(tzinfo=None),
    )


def keep_none(store: Store) -> None:
    """Drop what earlier runs kept, so that nothing is scored from rows of then."""
    own_rows.drop(store, before=None, at=datetime.now(UTC).replace(tzinfo=None))
