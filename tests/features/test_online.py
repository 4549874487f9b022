"""A row built for one account at request time is the batch's row, bit for bit, and an early row is a delivered one."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import blocks, early, table
from features.online import Online, next_midnight
from features.packing import SHAPES, unpacked
from features.snapshots import midnight

BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN, SPRING = datetime(2025, 10, 26, 14, 30), datetime(2025, 3, 30, 14, 30)
"""Days on which clocks were changed in Berlin."""
WAYS = {
    "ids and versions": {"ids": True, "csv": False, "now": AUTUMN},
    "no ids": {"ids": False, "csv": False, "now": SPRING},
    "local times, autumn": {"ids": True, "csv": True, "now": AUTUMN},
    "local times, spring": {"ids": False, "csv": True, "now": SPRING},
}
LONG, GROUP = pytest.mark.slow, 30


@dataclass
class Kept:
    """What a run keeps of a company, and the builder of a process that reads it."""

    about: dict
    places: dict
    blocks: dict
    online: Online

    @classmethod
    def of(cls, company, day):
        laid = blocks.lay_out(company.engine, day)
        kept = cls(blocks.told(company.staged), dict(zip(*laid.to_pydict().values(), strict=True)), {}, Online())
        for block in blocks.cut(company.engine, day):
            kept.blocks.setdefault(block.number, []).append(block)
        return kept

    def rows(self, accounts, given, catalogue, now):
        """The online rows of these accounts, built together."""
        numbers = {SHAPES, *(self.places[account] for account in accounts)}
        tables = unpacked([block for number in numbers for block in self.blocks[number]], accounts)
        mine = given.filter(pc.is_in(given["account_id"], pa.array(accounts)))
        return self.online.rows(blocks.staged_of(self.about, now), catalogue, tables, mine)


def in_utc(moment, is_local):
    """As staging reads it: an hour that comes twice is its second pass, one that is jumped over had not jumped yet."""
    if not is_local:
        return moment
    late = moment.replace(tzinfo=BERLIN, fold=1)
    is_skipped = late.astimezone(UTC).astimezone(BERLIN).replace(tzinfo=None) != moment
    return (late.replace(fold=0) if is_skipped else late).astimezone(UTC).replace(tzinfo=None)


def as_posted(rows):
    """Rows of Python values as a company posts them; `received` is when."""
    columns = {name: [row.get(name) for row in rows] for name in (*early.TEXTS, "quantity", "value")}
    columns |= {"id": list(range(len(rows))), "at": [row["happened"] for row in rows]}
    columns |= {"known_at": [row["received"] for row in rows]}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in early.GIVEN})


def split(rng, usage, now, *, ids, csv):
    """Usage rows as (those that the tables hold, those that were posted, those that complete tables would hold)."""
    for row in usage:
        row |= {name: in_utc(row[clock], csv) for name, clock in (("happened", "at"), ("reached", "known_at"))}
        row["received"] = now if csv else row["happened"] + rng.random() * (now - row["happened"])
        row["arrived"] = in_berlin(now) if csv else row["received"]
    if ids:
        return _by_id(rng, usage, now)
    for row in usage:
        del row["known_at"], row["row_id"]
    past = sorted((row for row in usage if row["happened"] <= now), key=lambda row: row["happened"])
    cut = past[-len(past) // 8]["happened"]
    held, late = [row for row in past if row["happened"] <= cut], [row for row in past if row["happened"] > cut]
    return held, [*late, *rng.sample(held, len(held) // 10)], past


def _by_id(rng, usage, now):
    """By row_id: most are in the tables, some were posted as well, some were only posted."""
    versions = {}
    for row in usage:
        versions.setdefault(row["row_id"], []).append(row)
    held, sent, whole = [], [], []
    for rows in versions.values():
        first, fate = rows[0], rng.choice(("held",) * 4 + ("both", "sent"))
        arrived = any(row["happened"] <= now and row["reached"] <= now for row in rows)
        if fate == "held" or first["happened"] > now or (fate == "both" and not arrived):
            held += rows
            whole += rows
        elif fate == "both":
            held += rows
            whole += rows
            sent.append(first)
        else:
            sent.append(first)
            whole.append(first | {"known_at": first["arrived"]})
    return held, sent, whole


def in_berlin(moment):
    return moment.replace(tzinfo=UTC).astimezone(BERLIN).replace(tzinfo=None)


def plain(rows):
    """As tables hold them."""
    return [{k: v for k, v in row.items() if k not in ("happened", "reached", "received", "arrived")} for row in rows]


def assert_same(one, other):
    """Equal to the last bit, unknown where the other is unknown."""
    assert one.schema == other.schema
    assert one["account_id"].to_pylist() == other["account_id"].to_pylist()
    for name in one.column_names[2:]:
        assert one[name].is_valid().to_pylist() == other[name].is_valid().to_pylist(), name
        mine, theirs = one[name].to_numpy(), other[name].to_numpy()
        differ = np.flatnonzero(~np.isnan(mine) & (mine.view(np.int64) != theirs.view(np.int64)))
        assert not len(differ), (name, one["account_id"][int(differ[0])], mine[differ[0]], theirs[differ[0]])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("accounts", "alone"), [pytest.param(100, 8, id="100"), pytest.param(2500, 250, id="2,500", marks=LONG)]
)
def test_a_row_built_for_one_account_is_the_batchs_and_that_of_complete_tables(
    company, random_rows, way, accounts, alone
):
    """Late rows, versions, copies, same instants, changed clocks; `alone` are asked for one by one, others together."""
    how, rng = WAYS[way], random.Random(way)
    ids, now = [f"a{i}" for i in range(accounts)], how["now"]
    at = next_midnight(now)
    sources = random_rows(rng, ids, [at], each=3 * accounts)
    usage, sent, whole = split(rng, sources["usage"], now, ids=how["ids"], csv=how["csv"])
    usage += [dict(row) for row in rng.sample(usage, len(usage) // 20)] if how["ids"] else []
    toml = '[company]\ntimezone = "Europe/Berlin"' if how["csv"] else ""
    company.stage(toml, csv=how["csv"], now=now, **sources | {"usage": plain(usage)})
    catalogue, given = company.catalogue(company.words(now)), as_posted(sent)
    kept = Kept.of(company, midnight(now))
    judged = early.merge(company.engine, company.staged, given, now=now)
    assert {None, early.PASSED} <= set(judged["fault"].to_pylist())
    assert judged["fault"].null_count > accounts / 10
    ids = sorted(kept.places)  # some accounts are not known yet
    company.spine([(account, at) for account in ids])
    batch = table.build(company.engine, company.staged, catalogue)
    groups = [[account] for account in ids[:alone]] + [ids[i : i + GROUP] for i in range(alone, len(ids), GROUP)]
    online = [kept.rows(group, given, catalogue, now) for group in groups]
    assert_same(pa.concat_tables(online).sort_by("account_id"), batch)
    company.stage(toml, csv=how["csv"], now=now, **sources | {"usage": plain(whole)})
    company.spine([(account, at) for account in ids])
    assert_same(table.build(company.engine, company.staged, catalogue), batch)


def test_an_account_reads_its_own_rows_and_less_than_a_block_of_others_however_many_there_are(company, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 50)
    sizes = {f"a{i:03}": 1 + i % 7 for i in range(300)} | {"big": 120, "huge": 400}
    usage = [{"account_id": name, "at": AUTUMN} for name, size in sizes.items() for _ in range(size)]
    company.stage(now=AUTUMN, usage=usage)
    kept = Kept.of(company, AUTUMN)
    mates = {}
    for name, number in kept.places.items():
        mates.setdefault(number, []).append(name)
    assert mates[kept.places["huge"]] == ["huge"]
    assert mates[kept.places["big"]] == ["big"]
    for names in mates.values():
        rows = [sizes[name] + 1 for name in names]  # and the account's own row
        assert sum(rows) - max(rows) < 50


def test_usage_that_no_feature_sees_any_more_is_not_kept_and_texts_that_none_reads_are_not(company):
    day = datetime(2025, 10, 26)
    old = [{"account_id": "a", "at": datetime(2024, 10, 26, 23, 59)}, {"account_id": "a", "at": datetime(2024, 10, 27)}]
    said = [{"account_id": "a", "at": day, "kind": "nps", "score": 3, "text": "a secret"}]
    company.stage(now=AUTUMN, usage=[*old, {"account_id": "a", "at": day}], feedback=said)
    kept = Kept.of(company, day)
    rows = unpacked([*kept.blocks[SHAPES], *kept.blocks[kept.places["a"]]], ["a"])
    assert rows["usage"]["at"].to_pylist() == [datetime(2024, 10, 27), day]
    assert rows["feedback"].select(["score", "text"]).to_pylist() == [{"score": 3, "text": None}]
