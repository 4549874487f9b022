"""Forgetting an account: afterwards its id stands nowhere, and nobody else lost anything."""

from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from json import dumps
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from features.packing import Block, packed, unpacked
from serving.store import audit, decisions, idempotency, jobs, open_store, outbox, own_rows, runs, signs, tables
from serving.store.forget import Forgotten, forget
from serving.store.scores import Score, Scored

NOW = datetime(2026, 1, 1)
LEASE = timedelta(minutes=1)
GONE = 'Acmé "GmbH"-0042'
STAYS = GONE + "-b"
ARROW = b"\xff\xff\xff\xff"
"""How an Arrow stream begins."""


def answers(account_id):
    """What a client was told of an account: JSON both ways of writing it, JSON lines, and Parquet."""
    parquet = BytesIO()
    packed = {"compression": "gzip", "write_statistics": False}
    pq.write_table(pa.table({"account_id": ["x", account_id], "p": [0.1, 0.2]}), parquet, **packed)
    row = {"results": [{"external_id": account_id}]}
    return [
        dumps(row).encode(),
        dumps(row, ensure_ascii=False).encode(),
        (dumps(row) + "\n" + dumps(row)).encode(),
        parquet.getvalue(),
    ]


def fill(store, account_id):
    """A row or more about an account in every table that can have one."""
    with store.write() as db:
        choice = decisions.Choosing(account_id=account_id, at=NOW, by="k", choice="accept", values={"is": account_id})
        first = decisions.decide(db, choice)
        decisions.decide(db, choice)
        told = f"unlike {account_id}"
        other = replace(choice, account_id="neighbour", reason=told, values={})
        decisions.decide(db, other)
        decisions.intervene(db, decisions.Doing(account_id="neighbour", at=NOW, play="p", outcome=told))
        decisions.intervene(db, decisions.Doing(account_id=account_id, at=NOW, play="p", decision_id=first.id))
        response = {"about": account_id}
        rule = f"W{len(account_id)}"
        said = signs.Sign(account_id="neighbour", rule=rule, at=NOW, severity="low", text=told, response=response)
        signs.raise_all(db, [said])
        signs.raise_all(
            db,
            [signs.Sign(account_id=account_id, rule="W1", at=NOW, severity="low", text=account_id, response=response)],
        )
        db.execute(
            tables.alerts.insert().values(
                key=f"t:{account_id}", at=NOW, account_id=account_id, is_sent=True, is_urgent=False
            )
        )
        about = {"account_id": account_id}
        drawn = {"arm": "holdout", "drawn_at": NOW, "share": 0.1}
        db.execute(tables.holdouts.insert().values(**about, **drawn))
        db.execute(tables.holdouts.insert().values(account_id=uuid4().hex, **drawn, note=told))
        db.execute(tables.checks.insert().values(**about, item="x", at=NOW, by="k", is_done=True))
        said = {"account_id": "neighbour", "item": "x", "at": NOW, "by": "k", "is_done": True, "note": told}
        db.execute(tables.checks.insert().values(said))
        db.execute(tables.facts.insert().values(**about, name="strategic", value=1.0, at=NOW, by="k"))
        said = {"account_id": "neighbour", "name": "strategic", "at": NOW, "by": "k", "note": told}
        db.execute(tables.facts.insert().values(said))
        about_set = {"as_of": NOW, "made_at": NOW, "about": {}, "is_complete": True}
        (set_id,) = db.execute(tables.row_sets.insert().values(about_set)).inserted_primary_key
        db.execute(tables.row_places.insert().values(**about, set_id=set_id, block=0))
        rows = packed(pa.table({"account_id": [account_id, STAYS], "n": [1, 2]}))
        db.execute(tables.row_blocks.insert().values(set_id=set_id, block=0, source="usage", content=rows))
        db.execute(tables.usage_events.insert().values(**about, at=NOW, known_at=NOW))
        kept = {"digest": uuid4().hex, "body": {"accounts": [account_id]}}
        db.execute(tables.reports.insert().values(kind="retention", as_of=NOW, created_at=NOW, **kept))
        reported = {"as_of": NOW, "measured_at": NOW, "chapters": {"a": {"b": [{"who": account_id}]}}}
        db.execute(tables.reported.insert(), [{"account_id": name, **reported} for name in (account_id, uuid4().hex)])
        kept |= {"by": "k", "event": "created", "state": "open"}
        db.execute(tables.records.insert().values(id=uuid4().hex, version=1, at=NOW, **kept))
        for about in (account_id, None):
            event = outbox.Event(
                kind="k",
                account_id=about,
                body={account_id: [account_id]},
                created_at=NOW,
                dedupe_key=f"{about}/{account_id}",
            )
            outbox.add(db, event, ["crm"])
        for claimed in outbox.claim(db, at=NOW, lease=LEASE):
            outbox.ack(db, claimed, at=NOW, response=f"200 took {account_id}, thanks")
        audit.record(db, [audit.Entry(at=NOW, action="a", subject=account_id, detail={"of": [f"{account_id}, again"]})])
        for number, answer in enumerate(answers(account_id)):
            key = {"key_id": "k", "idempotency_key": f"{number}:{len(account_id)}"}
            held = idempotency.claim(db, **key, body_hash="h", at=NOW, lease=LEASE)
            idempotency.finish(db, held, **key, status=200, content_type="x", response=answer)
            job = jobs.submit(db, kind="predict", input={}, total=1, key_id="k", at=NOW)
            jobs.finish(db, jobs.claim(db, at=NOW), content_type="x", result=answer, at=NOW)
            assert jobs.get(db, job.id).state == "done"
        jobs.submit(db, kind="predict", input={"ids": [account_id]}, total=1, key_id="k", at=NOW)
        jobs.fail(db, jobs.claim(db, at=NOW), error=f"no row for {account_id}", at=NOW)


def score(store, *account_ids):
    with store.write() as db:
        rows = [
            Scored(score=Score(account_id=name, tier="red", name=name), detail={"id": name}) for name in account_ids
        ]
        run = runs.NewRun(as_of=NOW, model_version="7", policy_digest="p", scored_at=NOW)
        runs.write_run(db, run, rows)


def everything(store):
    """Every column of every table, as text in which an id would be seen however it is written."""
    with store.read() as db:
        return {
            name: [_readable(row) for row in db.execute(select(table))]
            for name, table in tables.metadata.tables.items()
        }


def _readable(row):
    return [_unpacked(value) for value in row]


def _unpacked(value):
    if isinstance(value, bytes) and value.startswith(b"PAR1"):
        value = pq.read_table(BytesIO(value)).to_pylist()
    elif isinstance(value, bytes) and value.startswith(ARROW):
        value = pa.ipc.open_stream(value).read_all().to_pylist()
    text = value.decode() if isinstance(value, bytes) else str(value)
    return text.replace("\\u00e9", "é").replace('\\"', '"')


def mentions(store, account_id):
    return {name for name, rows in everything(store).items() for row in rows if any(account_id in text for text in row)}


HOLDERS = {*tables.metadata.tables} - {"model_versions", "runs", "run_tiers", "api_keys", "holdout_seed", "row_sets"}


def test_every_table_that_could_name_an_account_is_in_the_test(store):
    fill(store, GONE)
    score(store, GONE)
    assert mentions(store, GONE) == HOLDERS - {"deliveries"}


def test_a_forgotten_account_stands_nowhere_and_others_lost_nothing(store):
    fill(store, STAYS)
    score(store, STAYS)
    others = everything(store)
    fill(store, GONE)
    with store.write() as db:
        db.execute(tables.scores.insert().values(_score_row(GONE)))
        db.execute(tables.score_details.insert().values(run_id=1, account_id=GONE, detail={"id": GONE}))
    done = forget(store, GONE, at=NOW, key_id="cli")
    left = everything(store)
    assert [text for rows in left.values() for row in rows for text in row if GONE in text.replace(STAYS, "")] == []
    for name, rows in others.items():
        assert [row for row in rows if row not in left[name]] == [], name
    assert done.told == ("crm",)
    assert done.erased == {
        "alerts": 1,
        "audit": 1,
        "checks": 2,
        "decisions": 3,
        "deliveries": 1,
        "delivery_attempts": 2,
        "facts": 2,
        "holdouts": 2,
        "idempotency": 4,
        "interventions": 2,
        "jobs": 5,
        "outbox": 2,
        "records": 1,
        "reported": 2,
        "reports": 1,
        "row_blocks": 1,
        "row_places": 1,
        "score_details": 1,
        "scores": 1,
        "signs": 2,
        "usage_events": 1,
    }


def test_of_a_block_of_rows_only_those_of_the_forgotten_account_go(store):
    rows = packed(pa.table({"account_id": ["a", "b", "a"], "n": [1, 2, 3]}))
    places, blocks = [("a", 0), ("b", 0), ("c", 1)], [Block(0, "usage", rows), Block(1, "usage", rows)]
    own_rows.write(store, places, blocks, as_of=NOW, about={}, at=NOW)
    forget(store, "a", at=NOW)
    with store.read() as db:
        own = own_rows.fetch(db, ["a", "b"])
    assert own.known == {"b"}
    assert unpacked(own.blocks, ["a", "b"])["usage"].to_pylist() == [{"account_id": "b", "n": 2}]


def _score_row(account_id):
    return {"run_id": 1, "account_id": account_id, "risk_rank": 2, "health_rank": 2, "status": "ok", "is_stale": False}


def test_the_audit_log_keeps_the_action_under_one_random_name(store):
    fill(store, GONE)
    forget(store, GONE, at=NOW, key_id="cli")
    with store.read() as db:
        forgot, acted = audit.recent(db)
    assert (forgot.action, forgot.key_id, acted.action) == ("forget", "cli", "a")
    assert forgot.subject == acted.subject
    assert acted.detail == {"of": [f"{acted.subject}, again"]}
    fill(store, GONE)
    forget(store, GONE, at=NOW)
    with store.read() as db:
        assert audit.recent(db, limit=1)[0].subject != forgot.subject


def test_an_id_of_digits_is_no_word_in_other_peoples_texts(store):
    with store.write() as db:
        audit.record(db, [audit.Entry(at=NOW, action="a", subject="42", detail={"why": "42 logins", "ids": ["42"]})])
    assert forget(store, "42", at=NOW).erased == {"audit": 1}
    with store.read() as db:
        kept = audit.recent(db)[-1]
    assert kept.detail == {"why": "42 logins", "ids": [kept.subject]}


def test_an_unknown_account_erases_nothing(store):
    fill(store, STAYS)
    assert forget(store, GONE, at=NOW) == Forgotten({}, ())


def test_who_was_told_is_named_and_who_was_only_to_be_told_is_not(store):
    with store.write() as db:
        event = outbox.Event(kind="k", account_id=GONE, body={}, created_at=NOW, dedupe_key="k")
        outbox.add(db, event, ["sheet", "crm", "hook", "waiting"])
        for claimed in outbox.claim(db, at=NOW, lease=LEASE):
            if claimed.target == "hook":
                outbox.fail(db, claimed, at=NOW, response="no answer", retry_at=NOW)
            elif claimed.target != "waiting":
                outbox.ack(db, claimed, at=NOW, response="200")
    assert forget(store, GONE, at=NOW).told == ("crm", "hook", "sheet")


def test_no_trace_is_left_in_the_files_of_sqlite(tmp_path):
    store, name = open_store(f"sqlite:///{tmp_path}/store.db"), "traceless-account-7"
    score(store, name, *(f"other-{i}" for i in range(300)))
    fill(store, name)
    assert _files_with(name, tmp_path) != []
    forget(store, name, at=NOW)
    assert _files_with(name, tmp_path) == []
    store.close()


def _files_with(name, folder):
    return [path.name for path in folder.glob("store.db*") if name.encode() in path.read_bytes()]
