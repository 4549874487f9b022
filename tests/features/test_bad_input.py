"""Every kind of bad input: a clear error, or quarantined rows, and nothing lost."""

import json

import pytest

from features.errors import SourceError

GOOD = "account_id,at,event,quantity\na,2025-01-02,login,1\n"
USAGE = '[sources.usage]\npath = "usage.csv"\n[churn]\nkind = "inactivity"\n'
ACCOUNTS = '[sources.accounts]\npath = "accounts.csv"\n'


def quarantine(engine):
    return [
        (source, reason, json.loads(row))
        for source, reason, row in engine.rows("SELECT * FROM _quarantine ORDER BY reason")
    ]


# Refused as a whole


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        pytest.param({}, r"no file matches .*usage\.csv; check `path`", id="missing table"),
        pytest.param({"usage": ""}, r"usage\.csv is empty \(0 bytes\)", id="no bytes"),
        pytest.param({"usage": "account_id,at\n"}, r"usage\.csv is empty: it has no rows", id="only a header"),
        pytest.param(
            {"usage": "account,at\na,2025-01-02\n"},
            r"account_id is required and not mapped, and usage\.csv has no .*it has account, at",
            id="missing column",
        ),
        pytest.param(
            {"usage": "account_id,at\na,02/13/2025 10h\n"},
            r"at = 'at': in all 1 rows of usage\.csv at is not a time: 02/13/2025 10h; .*try_strptime",
            id="wrong type of clock",
        ),
        pytest.param({"usage": "account_id,at\na,\nb,\n"}, "in all 2 rows of usage.csv at is missing", id="no clock"),
        pytest.param(
            {"usage": "account_id,at\nMüller,2025-01-02\n".encode("latin-1")},
            r"usage\.csv, line 2, is not UTF-8; re-encode it first: iconv",
            id="latin-1 value",
        ),
        pytest.param(
            {"usage": "account_id,at,größe\na,2025-01-02,1\n".encode("latin-1")},
            r"usage\.csv, line 1, is not UTF-8",
            id="latin-1 header",
        ),
        pytest.param(
            {"usage": GOOD.encode("utf-16")}, r"usage\.csv, line 1, is not UTF-8", id="utf-16 of a spreadsheet"
        ),
    ],
)
def test_a_source_that_cannot_be_used_says_why(files, staged, contents, message):
    files(**contents)
    with pytest.raises(SourceError, match=message):
        staged(USAGE)


def test_a_damaged_file_is_named(files, staged):
    files(usage__1_gz=b"")
    folder = files()
    (folder / "usage.csv.gz").write_bytes(b"\x1f\x8b\x08\x00 not really gzip")
    with pytest.raises(SourceError, match=r"usage\.csv\.gz cannot be read"):
        staged(USAGE.replace("usage.csv", "usage.csv.gz"))
    (folder / "usage.parquet").write_bytes(b"PAR1 not really parquet")
    with pytest.raises(SourceError, match=r"usage\.parquet cannot be read"):
        staged(USAGE.replace("usage.csv", "usage.parquet"))


def test_a_file_that_is_no_table_is_refused(files, staged):
    (files() / "usage.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"usage\.xlsx is neither Parquet nor CSV; convert it"):
        staged(USAGE.replace("usage.csv", "usage.xlsx"))


def test_a_query_over_a_missing_file_names_its_source(staged):
    with pytest.raises(SourceError, match=r"(?s)\[sources.usage\] query cannot be read: .*nowhere.csv"):
        staged("[sources.usage]\nquery = \"FROM 'nowhere.csv'\"\n[churn]\nkind = 'inactivity'\n")


# Refused row by row


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(",2025-01-02,x,1", "account_id is missing", id="no account"),
        pytest.param("a,,x,1", "at is missing", id="no clock"),
        pytest.param("a,soon,x,1", "at is not a time: soon", id="no time"),
        pytest.param("a,2025-02-30,x,1", "at is not a time: 2025-02-30", id="no such day"),
        pytest.param("a,2026-01-02,x,1", "at is in the future: 2026-01-02 00:00:00", id="future date"),
        pytest.param("a,2025-01-02,x,many", "quantity is not a number: many", id="wrong type"),
        pytest.param("a,2025-01-02,x,inf", "quantity is not a number: inf", id="infinite"),
    ],
)
def test_a_broken_row_is_quarantined_whole(files, staged, engine, row, reason):
    files(usage=GOOD + row + "\n")
    done = staged(USAGE)
    told = done.sources["usage"]
    [(source, why, raw)] = quarantine(engine)
    assert (source, why) == ("usage", reason)
    assert list(raw) == ["account_id", "at", "event", "quantity"]
    assert raw["event"] == "x"
    assert (told.rows_read, told.rows_good, told.rows_quarantined) == (2, 1, 1)
    assert told.quarantined[0].reason == reason.partition(": ")[0]
    assert told.quarantined[0].example == reason


def test_columns_that_are_not_mapped_are_kept_in_the_quarantine(files, staged, engine):
    files(usage='account_id,at,note\na,2025-01-02,x\n,2025-01-02,"a, ""b"""\n')
    staged(USAGE)
    assert quarantine(engine)[0][2]["note"] == 'a, "b"'


@pytest.mark.parametrize(
    ("source", "header", "row", "reason"),
    [
        ("feedback", "at,kind,score", "2025-01-02,nps,11", "an nps score is not within 0 to 10"),
        (
            "feedback",
            "at,kind",
            "2025-01-02,gossip",
            "kind is none of nps, csat, ces, review, complaint, survey_sent: gossip",
        ),
        ("feedback", "at,kind", "2025-01-02,", "kind is missing"),
        ("support", "opened_at,resolved_at", "2025-01-02,2025-01-01", "resolved_at is before opened_at"),
        ("support", "opened_at,ticket_id", "2025-01-02,", "ticket_id is missing"),
        ("support", "opened_at,reopened", "2025-01-02,1.5", "reopened is not a whole number: 1.5"),
        ("invoices", "at,status", "2025-01-02,lost", "status is none of paid, failed, refunded: lost"),
        ("invoices", "at,amount", "2025-01-02,$5", "amount is not a number: $5"),
        ("churns", "at,preventable", "2025-01-02,maybe", "preventable is not a yes or no: maybe"),
        (
            "support",
            "opened_at,known_at",
            "2025-01-02,2025-01-01",
            "known before it happened: 2025-01-01 00:00:00 before 2025-01-02 00:00:00",
        ),
        ("support", "opened_at,known_at", "2025-01-02,2027-01-01", "known_at is in the future: 2027-01-01 00:00:00"),
    ],
)
def test_a_row_that_breaks_its_contract_says_which_rule(files, staged, engine, source, header, row, reason):
    files(usage=GOOD, **{source: f"account_id,{header}\na,{row}\n"})
    done = staged(USAGE + f'[sources.{source}]\npath = "{source}.csv"\n')
    assert [(name, why) for name, why, _ in quarantine(engine)] == [(source, reason)]
    assert done.sources[source].rows_good == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,2025-01-02,2025-01-02,", "ended_at is not after started_at"),
        ("a,2025-01-02,2025-02-02,-1", "mrr is negative"),
        ("a,2025-01-02,never,5", "ended_at is not a time: never"),
    ],
)
def test_a_contract_term_that_cannot_be_is_quarantined(files, staged, engine, row, reason):
    files(subs=f"account_id,started_at,ended_at,mrr\nb,2025-01-02,2025-02-02,5\n{row}\n")
    staged('[sources.subscriptions]\npath = "subs.csv"\n')
    assert [why for _, why, _ in quarantine(engine)] == [reason]


def test_a_contract_may_be_known_before_it_begins(files, staged, engine):
    files(subs="account_id,started_at,known_at\na,2026-03-01,2025-12-01\nb,2026-03-01,\n")
    staged('[sources.subscriptions]\npath = "subs.csv"\n')
    assert engine.rows("SELECT account_id FROM subscriptions") == [("a",)]
    assert [why for _, why, _ in quarantine(engine)] == ["known_at is in the future: 2026-03-01 00:00:00"]


def test_events_of_unknown_accounts_are_quarantined(files, staged, engine):
    files(usage=GOOD + "ghost,2025-01-02,x,1\n", accounts="account_id,started_at\na,2024-01-01\n")
    staged(ACCOUNTS + USAGE)
    assert [why for _, why, _ in quarantine(engine)] == ["unknown account, not in accounts: ghost"]
    assert engine.rows("SELECT account_id FROM usage") == [("a",)]


def test_a_duplicated_account_is_kept_once(files, staged, engine):
    files(usage=GOOD, accounts="account_id,started_at,segment\na,2024-01-01,x\na,2024-01-01,x\na,2024-02-01,y\n")
    done = staged(ACCOUNTS + USAGE)
    assert engine.rows("SELECT segment FROM accounts") == [("x",)]
    assert done.sources["accounts"].rows_quarantined == 2


def test_a_mapped_account_without_a_start_is_quarantined(files, staged, engine):
    files(usage=GOOD, accounts="account_id,started_at\na,2024-01-01\nb,\n")
    staged(ACCOUNTS + USAGE)
    assert [why for _, why, _ in quarantine(engine)] == ["started_at is missing"]


def test_lines_without_their_headers_columns_are_quarantined_as_text(files, staged, engine):
    files(usage=GOOD + 'b,2025-01-02\nc,2025-01-02,x,1,2,3\n"d, ""e""",2025-01-02,"x, y",1\n')
    done = staged(USAGE)
    assert sorted(row[0] for row in engine.rows("SELECT account_id FROM usage")) == ["a", 'd, "e"']
    assert [row["text"] for _, _, row in quarantine(engine)] == ["b,2025-01-02", "c,2025-01-02,x,1,2,3"]
    assert done.sources["usage"].rows_read == 4
    assert done.sources["usage"].quarantined[0].reason == "unreadable line"


def test_unreadable_lines_of_a_glob_are_counted_in_every_file(files, staged, engine):
    files(usage__1=GOOD + "b,\n", usage__2=GOOD + "b,\n", usage__3="at,account_id\n2025-01-02\n")
    done = staged(USAGE.replace("usage.csv", "usage/*.csv"))
    assert done.sources["usage"].quarantined[0].count == 3
    assert done.sources["usage"].rows_good == 2


def test_a_late_odd_value_never_stops_the_load(files, staged, engine):
    rows = "".join(f"a{i},2025-01-02,x,{i}\n" for i in range(30_000))
    files(usage=GOOD + rows + "b,2025-01-02,x,n/a\n")
    done = staged(USAGE)
    assert done.sources["usage"].rows_good == 30_001
    assert [why for _, why, _ in quarantine(engine)] == ["quantity is not a number: n/a"]


def test_names_of_ten_thousand_characters_are_names(files, staged, engine):
    long = "ä" * 10_000
    files(
        usage=f"account_id,at,event\n{long},2025-01-02,{long}\n{long},soon,x\n",
        accounts=f"account_id,started_at\n{long},2024-01-01\n",
    )
    staged(ACCOUNTS + USAGE)
    assert engine.rows("SELECT account_id, event FROM usage") == [(long, long)]
    assert quarantine(engine)[0][2]["account_id"] == long


def test_a_long_wrong_value_is_told_in_short_and_kept_whole(files, staged, engine):
    long = "x" * 10_000
    files(usage=GOOD + f"a,2025-01-02,x,{long}\n")
    staged(USAGE)
    [(_, why, row)] = quarantine(engine)
    assert why == "quantity is not a number: " + "x" * 80
    assert row["quantity"] == long


@pytest.mark.parametrize("name", ['O\'Brien, "Bob" & Söhne', "a;b", "new\nline", "%_*", "'; DROP TABLE usage; --"])
def test_commas_quotes_and_line_ends_are_part_of_names(files, staged, engine, name):
    cell = '"' + name.replace('"', '""') + '"'
    files(usage=f"account_id,at\n{cell},2025-01-02\n", accounts=f"account_id,started_at\n{cell},2024-01-01\n")
    staged(ACCOUNTS + USAGE)
    assert engine.rows("SELECT account_id FROM usage") == [(name,)]
