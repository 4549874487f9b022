"""Raw tables in, staged tables out."""

from datetime import datetime, timedelta
from random import Random

import duckdb
import pytest

from features.catalogue import Vocabulary, declare
from features.errors import SourceError

USAGE = '[sources.usage]\npath = "usage.csv"\n[churn]\nkind = "inactivity"\n'


def at(text):
    return datetime.fromisoformat(text)


def column(engine, sql):
    return [row[0] for row in engine.rows(sql)]


# Where rows come from


def test_a_column_is_mapped_by_name_or_by_expression(files, staged, engine):
    files(usage="org,when,a,b,price\n7,2025-01-02 10:00:00,2,3,19.99\n")
    done = staged("""
[sources.usage]
path = "usage.csv"
account_id = "org"
at = "when"
quantity = "a * b"
event = "'bought'"
value = "price"
[churn]
kind = "inactivity"
""")
    assert engine.query("SELECT * FROM usage").to_pylist() == [
        {
            "account_id": "7",
            "row_id": None,
            "user_id": None,
            "session_id": None,
            "at": at("2025-01-02 10:00"),
            "event": "bought",
            "quantity": 6,
            "value_cents": 1999,
            "known_at": at("2025-01-02 10:00"),
            "superseded_at": None,
        }
    ]
    assert done.has("usage", "quantity")
    assert not done.has("usage", "user_id")
    assert done.sources["usage"].columns["quantity"] == "a * b"


def test_a_column_with_a_strange_name_is_taken_as_it_is(files, staged, engine):
    files(usage='"Customer ID","said ""when"""\na,2025-01-02\n')
    staged("""
[sources.usage]
path = "usage.csv"
account_id = "Customer ID"
at = 'said "when"'
[churn]
kind = "inactivity"
""")
    assert column(engine, "SELECT account_id FROM usage") == ["a"]


def test_columns_that_have_their_canonical_name_map_themselves(files, staged, engine):
    files(usage="account_id,AT,event,other\na,2025-01-02,login,x\n")
    done = staged(USAGE)
    assert set(done.sources["usage"].columns) == {"account_id", "at", "event"}


def test_a_column_mapped_to_null_is_left_out(files, staged, engine):
    files(usage="account_id,at,event\na,2025-01-02,x\n")
    done = staged(USAGE.replace('csv"', 'csv"\nevent = "NULL"', 1))
    assert engine.rows("SELECT event FROM usage") == [(None,)]
    assert not done.has("usage", "event")


def test_sources_that_are_not_mapped_are_empty_tables(files, staged, engine):
    files(usage="account_id,at\na,2025-01-02\n")
    staged(USAGE)
    assert engine.rows("SELECT csat, known_at, superseded_at FROM support") == []


@pytest.mark.parametrize("name", ["usage__1_gz", "usage__1.tsv", "usage__1.txt"])
def test_gzip_tabs_and_semicolons_are_read(files, staged, engine, name):
    text = "account_id;at\na;2025-01-02\n" if name.endswith("txt") else "account_id,at\na,2025-01-02\n"
    files(**{name.replace("1_gz", "1.csv_gz"): text.replace(",", "\t") if name.endswith("tsv") else text})
    staged(USAGE.replace("usage.csv", "usage/*"))
    assert column(engine, "SELECT account_id FROM usage") == ["a"]


def test_a_glob_reads_every_file_by_column_name(files, staged, engine):
    files(
        usage__1="account_id,at,quantity\n1,2025-01-02,1\n",
        usage__2="at,account_id\n2025-01-03,b\n",
        usage__3="account_id,at,quantity\n0,2025-01-04,4\n",
    )
    done = staged(USAGE.replace("usage.csv", "usage/*.csv"))
    assert sorted(engine.rows("SELECT account_id, quantity FROM usage")) == [("0", 4), ("1", 1), ("b", None)]
    assert done.sources["usage"].rows_read == 3


def test_a_column_that_is_text_in_one_file_of_a_glob_stops_nothing(files, staged, engine):
    text = "account_id,at,quantity\na,2025-01-02,1\n"
    files(**{f"usage__{i:02}": text for i in range(20)}, usage__99=text.replace(",1", ",one"))
    done = staged(USAGE.replace("usage.csv", "usage/*.csv"))
    assert done.sources["usage"].rows_good == 20
    assert engine.rows("SELECT reason FROM _quarantine") == [("quantity is not a number: one",)]


def test_parquet_without_a_key_stays_in_place(tmp_path, staged, engine):
    duckdb.sql("SELECT 1 AS account_id, TIMESTAMP '2025-01-02' AS \"at\" FROM range(3)").write_parquet(
        str(tmp_path / "usage.parquet")
    )
    done = staged(USAGE.replace("csv", "parquet"))
    kinds = dict(engine.rows("SELECT table_name, table_type FROM information_schema.tables"))
    assert done.sources["usage"].in_place
    assert kinds["usage"] == "VIEW"
    assert done.sources["usage"].rows_good == 3


@pytest.mark.parametrize(("ids", "stays"), [("1, 2, 3", True), ("1, 2, 2", False)])
def test_parquet_stays_in_place_unless_a_key_repeats(tmp_path, staged, engine, ids, stays):
    duckdb.sql(f"SELECT 'a' AS account_id, DATE '2025-01-02' AS \"at\", UNNEST([{ids}]) AS row_id").write_parquet(
        str(tmp_path / "usage.parquet")
    )
    told = staged(USAGE.replace("csv", "parquet")).sources["usage"]
    assert told.in_place is stays
    assert told.rows_good == len(set(ids.split(", ")))


def test_in_place_rows_are_filtered_like_others(tmp_path, staged, engine):
    rows = "VALUES (' a ', TIMESTAMP '2025-01-02'), ('', '2025-01-03'), ('b', '2031-01-01'), ('c', NULL)"
    duckdb.sql(f'SELECT * FROM ({rows}) AS t(account_id, "at")').write_parquet(str(tmp_path / "usage.parquet"))
    done = staged(USAGE.replace("csv", "parquet"))
    assert column(engine, "SELECT account_id FROM usage") == ["a"]
    assert done.sources["usage"].rows_quarantined == 3
    assert engine.rows("SELECT reason FROM _quarantine ORDER BY 1") == [
        ("account_id is missing",),
        ("at is in the future: 2031-01-01 00:00:00",),
        ("at is missing",),
    ]


def test_objects_in_a_store_are_read_through_arrow(tmp_path, files, staged, engine):
    (tmp_path / "s").mkdir()
    for day in (2, 3):
        duckdb.sql(f"SELECT 'a' AS account_id, TIMESTAMP '2025-01-0{day}' AS \"at\"").write_parquet(
            str(tmp_path / f"s/{day}.parquet")
        )
    staged(USAGE.replace("usage.csv", f"file://{tmp_path}/s/*.parquet"))
    assert column(engine, 'SELECT "at" FROM usage ORDER BY 1') == [at("2025-01-02"), at("2025-01-03")]


def test_users_belong_to_an_organisation_by_a_query(files, staged, engine):
    files(
        users="id,org\nu1,acme\nu2,acme\n",
        clicks="uid,ts\nu1,2025-01-02 10:00:00\nu2,2025-01-02 10:00:00\n",
    )
    staged("""
[sources.usage]
query = "SELECT u.org, c.uid, c.ts FROM 'clicks.csv' AS c JOIN 'users.csv' AS u ON u.id = c.uid"
account_id = "org"
user_id = "uid"
at = "ts"
[churn]
kind = "inactivity"
""")
    assert sorted(engine.rows("SELECT account_id, user_id FROM usage")) == [("acme", "u1"), ("acme", "u2")]


def test_days_are_counted_from_another_tables_start(files, staged, engine):
    files(customers="id,since\na,2025-01-10\n", log="id,day,what\na,0,in\na,31,out\n")
    staged("""
[sources.usage]
query = '''
SELECT l.id, c.since + l.day * INTERVAL 1 DAY AS ts, what
FROM read_csv('log.csv') AS l JOIN 'customers.csv' AS c USING (id)
'''
account_id = "id"
at = "ts"
event = "what"
[churn]
kind = "inactivity"
""")
    assert engine.rows('SELECT "at", event FROM usage ORDER BY 1') == [
        (at("2025-01-10"), "in"),
        (at("2025-02-10"), "out"),
    ]


def test_a_key_of_several_columns_is_an_expression(files, staged, engine):
    files(usage="tenant,site,at\n1,01,2025-01-02\n")
    staged(USAGE.replace('csv"\n', 'csv"\naccount_id = "tenant || \'-\' || site"\n', 1))
    assert column(engine, "SELECT account_id FROM usage") == ["1-01"]


# Values


@pytest.mark.parametrize(
    ("raw", "told"),
    [("00123", "00123"), ("123", "123"), (" x ", "x"), ("18446744073709551617", "18446744073709551617")],
)
def test_account_ids_keep_their_text(files, staged, engine, raw, told):
    files(usage=f"account_id,at\n{raw},2025-01-02\n")
    staged(USAGE)
    assert column(engine, "SELECT account_id FROM usage") == [told]


def test_account_ids_that_became_floats_are_whole_again(tmp_path, files, staged, engine):
    files(usage="account_id,at\n12.0,2025-01-02\n")
    duckdb.sql("SELECT 12.0::DOUBLE AS account_id").write_parquet(str(tmp_path / "accounts.parquet"))
    staged('[sources.accounts]\npath = "accounts.parquet"\n' + USAGE)
    assert column(engine, "SELECT account_id FROM accounts") == ["12"]
    assert column(engine, "SELECT account_id FROM usage") == ["12"]


@pytest.mark.parametrize(
    ("raw", "cents"), [("19.99", 1999), ("0.005", 1), ("1e3", 100000), ("", None), ("nan", None), ("-3", -300)]
)
def test_money_is_whole_cents(files, staged, engine, raw, cents):
    files(usage=f"account_id,at,value\na,2025-01-02,{raw}\nb,2025-01-02,1\n")
    staged(USAGE)
    assert column(engine, "SELECT value_cents FROM usage WHERE account_id = 'a'") == [cents]


def test_attributes_are_carried_under_their_own_names(files, staged, engine):
    files(
        usage="account_id,at\na,2025-01-02\n",
        accounts="account_id,started_at,country,n\na,2024-01-01,de,3\n",
    )
    done = staged('[sources.accounts]\npath = "accounts.csv"\nattributes = ["n", "land = upper(country)"]\n' + USAGE)
    assert done.attributes == ("n", "land")
    assert engine.rows("SELECT n, land FROM accounts") == [("3", "DE")]


def test_allowed_values_are_told_in_any_case(files, staged, engine):
    files(usage="account_id,at\na,2025-01-02\n", feedback="account_id,at,kind,score\na,2025-01-02,NPS,9\n")
    staged(USAGE + '[sources.feedback]\npath = "feedback.csv"\n')
    assert engine.rows("SELECT kind, score FROM feedback") == [("nps", 9)]


# Clocks


@pytest.mark.parametrize(
    ("zone", "raw", "utc"),
    [
        pytest.param("UTC", "2025-07-01 12:00:00", "2025-07-01 12:00", id="utc is as it is"),
        pytest.param("Europe/Berlin", "2025-07-01 12:00:00", "2025-07-01 10:00", id="summer time"),
        pytest.param("Europe/Berlin", "2025-01-01 12:00:00", "2025-01-01 11:00", id="winter time"),
        pytest.param("Europe/Berlin", "2025-01-01 00:30:00", "2024-12-31 23:30", id="the day before in utc"),
        pytest.param("Europe/Berlin", "2025-07-01", "2025-07-01 00:00", id="a date is never shifted"),
        pytest.param("Europe/Berlin", "2025-07-01T12:00:00Z", "2025-07-01 12:00", id="Z says its zone"),
        pytest.param("UTC", "2025-07-01 12:00:00+05:30", "2025-07-01 06:30", id="an offset says its zone"),
        pytest.param("UTC", "2025-07-01 12:00:00 UTC", "2025-07-01 12:00", id="UTC in words"),
        pytest.param("America/New_York", "2025-07-01 12:00:00-05", "2025-07-01 17:00", id="offset not zone"),
        pytest.param("Europe/Berlin", "2025-03-30 02:30:00", "2025-03-30 01:30", id="skipped hour: 03:30"),
        pytest.param("Europe/Berlin", "2025-10-26 02:30:00", "2025-10-26 01:30", id="doubled hour: second"),
        pytest.param("Europe/Berlin", "2025-10-26 01:59:59", "2025-10-25 23:59:59", id="before the doubled hour"),
    ],
)
@pytest.mark.parametrize("alone", [True, False], ids=["typed", "as text"])
def test_times_are_utc(files, staged, engine, zone, raw, utc, alone):
    late = "" if alone else "b,some day\n"
    files(usage=f"account_id,at\na,{raw}\n{late}")
    staged(f'[company]\ntimezone = "{zone}"\n' + USAGE)
    assert column(engine, 'SELECT "at" FROM usage') == [at(utc)]


def test_a_source_may_have_its_own_time_zone(files, staged, engine):
    files(usage="account_id,at\na,2025-01-01 12:00:00\n")
    staged('[company]\ntimezone = "Asia/Tokyo"\n' + USAGE.replace('csv"', 'csv"\ntimezone = "Europe/Berlin"', 1))
    assert column(engine, 'SELECT "at" FROM usage') == [at("2025-01-01 11:00")]


@pytest.mark.parametrize("kind", ["TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMPTZ", "DATE"])
def test_every_parquet_clock_is_read(tmp_path, staged, engine, kind):
    duckdb.sql(f"SELECT 'a' AS account_id, CAST('2025-01-02' AS {kind}) AS \"at\"").write_parquet(
        str(tmp_path / "usage.parquet")
    )
    staged(USAGE.replace("csv", "parquet"))
    assert engine.rows('SELECT "at", TYPEOF("at") FROM usage') == [(at("2025-01-02"), "TIMESTAMP")]


def test_seconds_since_1970_are_an_expression(files, staged, engine):
    files(usage="account_id,at\na,1735862400\n")
    staged(USAGE.replace('csv"', 'csv"\nat = \'to_timestamp("at")\'', 1))
    assert column(engine, 'SELECT "at" FROM usage') == [at("2025-01-03")]


def test_rows_without_a_second_clock_are_known_when_they_happen(files, staged, engine):
    files(usage="account_id,at,known_at\na,2025-01-02,2025-01-05\na,2025-01-03,\n")
    done = staged(USAGE)
    assert column(engine, "SELECT known_at FROM usage ORDER BY 1") == [at("2025-01-03"), at("2025-01-05")]
    assert done.versioned("usage")
    assert not done.versioned("accounts")


def test_rows_of_one_instant_are_all_kept(files, staged, engine):
    files(usage="account_id,at,event\na,2025-01-02,x\na,2025-01-02,y\na,2025-01-02,x\n")
    done = staged(USAGE)
    assert column(engine, "SELECT event FROM usage ORDER BY 1") == ["x", "x", "y"]
    assert done.sources["usage"].copies == 1
    assert done.warnings == (
        "usage: 1 of 3 rows are exact copies of another row and count as rows of their own; "
        "map row_id if they are loaded twice",
    )


# Versions


TICKETS = USAGE + '[sources.support]\npath = "support.csv"\n'


def test_a_ticket_known_twice_has_two_versions(files, staged, engine):
    files(
        usage="account_id,at\na,2025-01-01\n",
        support="account_id,ticket_id,opened_at,resolved_at,known_at\n"
        "a,1,2025-01-02,,2025-01-02\na,1,2025-01-02,2025-01-04,2025-01-05\na,2,2025-01-03,,2025-01-03\n",
    )
    staged(TICKETS)
    assert engine.rows("SELECT ticket_id, resolved_at, known_at, superseded_at FROM support ORDER BY 1, 3") == [
        ("1", None, at("2025-01-02"), at("2025-01-05")),
        ("1", at("2025-01-04"), at("2025-01-05"), None),
        ("2", None, at("2025-01-03"), None),
    ]


@pytest.mark.parametrize("copied", [True, False], ids=["a copy", "no copy"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_versions_follow_one_another_beside_copies_and_broken_rows(tmp_path, files, staged, engine, form, copied):
    rows = """account_id,ticket_id,opened_at,csat,known_at
a,1,2025-01-02,,2025-01-02
a,1,2025-01-02,9,2025-01-03
a,1,2025-01-02,4,2025-01-05
a,2,2025-01-03,,2025-01-03
"""
    files(usage="account_id,at\na,2025-01-01\n", support=rows + "a,1,2025-01-02,4,2025-01-05\n" * copied)
    duckdb.read_csv(str(tmp_path / "support.csv")).write_parquet(str(tmp_path / "support.parquet"))
    done = staged(TICKETS.replace("support.csv", f"support.{form}"))
    assert engine.rows("SELECT ticket_id, CAST(csat AS INT), known_at, superseded_at FROM support ORDER BY 1, 3") == [
        ("1", None, at("2025-01-02"), at("2025-01-05")),
        ("1", 4, at("2025-01-05"), None),
        ("2", None, at("2025-01-03"), None),
    ]
    told = ["csat is not within 1 to 5", "duplicate key (ticket_id, known_at), one is kept"]
    assert [broken.reason for broken in done.sources["support"].quarantined] == told[: 1 + copied]
    assert len(column(engine, "SELECT row FROM _quarantine WHERE source = 'support'")) == 1 + copied


def test_one_of_two_rows_with_one_key_is_kept(files, staged, engine):
    files(
        usage="account_id,at\na,2025-01-01\n",
        support="account_id,ticket_id,opened_at,topic\na,1,2025-01-02,x\na,1,2025-01-03,y\n",
    )
    done = staged(TICKETS)
    assert column(engine, "SELECT topic FROM support") == ["x"]
    [broken] = done.sources["support"].quarantined
    assert broken.example == "duplicate key (ticket_id), one is kept; map known_at if these are versions: 1"


def test_contract_terms_are_told_apart_by_start_and_plan(files, staged, engine):
    files(
        subs="account_id,started_at,ended_at,plan\na,2025-01-01,2025-02-01,x\na,2025-01-01,2025-02-01,y\n"
        "a,2025-01-01,2025-03-01,x\n"
    )
    done = staged('[sources.subscriptions]\npath = "subs.csv"\n')
    assert sorted(column(engine, "SELECT plan FROM subscriptions")) == ["x", "y"]
    [broken] = done.sources["subscriptions"].quarantined
    assert broken.reason == ("duplicate key (account_id, started_at, plan), map row_id if these are different rows")
    assert done.sources["subscriptions"].rows_read == 3


def test_rows_with_an_id_of_their_own_are_told_apart_by_it(files, staged, engine):
    files(usage="account_id,at,row_id\na,2025-01-02,1\na,2025-01-02,1\na,2025-01-02,2\n")
    done = staged(USAGE)
    assert done.sources["usage"].rows_good == 2
    assert done.sources["usage"].copies == 0


def test_accounts_versions_supersede_each_other(files, staged, engine):
    files(
        usage="account_id,at\na,2025-01-01\n",
        accounts="account_id,started_at,segment,known_at\na,2025-01-01,small,2025-01-01\na,2025-01-01,big,2025-03-01\n",
    )
    staged('[sources.accounts]\npath = "accounts.csv"\n' + USAGE)
    assert engine.rows("SELECT segment, superseded_at FROM accounts ORDER BY known_at") == [
        ("small", at("2025-03-01")),
        ("big", None),
    ]


# Accounts that no table tells


def test_accounts_are_first_seen_in_subscriptions_or_usage(files, staged, engine):
    files(
        usage="account_id,at\na,2025-02-01\na,2025-03-01\nb,2025-02-02\n",
        subs="account_id,started_at\na,2025-01-15\n",
    )
    done = staged('[sources.usage]\npath = "usage.csv"\n[sources.subscriptions]\npath = "subs.csv"\n')
    assert engine.rows("SELECT account_id, started_at FROM accounts WHERE superseded_at IS NULL ORDER BY 1") == [
        ("a", at("2025-01-15")),
        ("b", at("2025-02-02")),
    ]
    assert done.sources["accounts"].place == "first seen in subscriptions and usage"
    assert done.has("accounts", "started_at")


def test_an_earlier_row_that_arrives_later_changes_nothing_known_before(files, staged, engine):
    files(
        usage="account_id,at,known_at\n"
        "a,2025-02-01,2025-02-01 09:00:00\na,2025-01-01,2025-03-01 09:00:00\na,2025-02-15,2025-04-01\n"
        "a,2025-02-01 08:00:00,2025-02-01 15:00:00\n"
    )
    staged(USAGE)
    assert engine.rows("SELECT started_at, known_at, superseded_at FROM accounts ORDER BY known_at") == [
        (at("2025-02-01"), at("2025-02-01 09:00"), at("2025-03-01 09:00")),
        (at("2025-01-01"), at("2025-03-01 09:00"), None),
    ]


def test_accounts_without_a_start_get_their_first_seen_one(files, staged, engine):
    files(
        usage="account_id,at\na,2025-02-01\n",
        accounts="account_id,segment\na,x\nnever,y\n",
    )
    done = staged('[sources.accounts]\npath = "accounts.csv"\n' + USAGE)
    assert engine.rows("SELECT account_id, segment, started_at FROM accounts ORDER BY 1") == [
        ("a", "x", at("2025-02-01")),
        ("never", "y", None),
    ]
    assert done.sources["accounts"].rows_good == 2


def test_filled_starts_and_account_versions_keep_both_histories(files, staged, engine):
    files(
        usage="account_id,at,known_at\na,2025-02-01,2025-02-01\na,2025-01-01,2025-04-01\n",
        accounts="account_id,segment,known_at\na,x,2025-01-15\na,y,2025-03-01\n",
    )
    staged('[sources.accounts]\npath = "accounts.csv"\n' + USAGE)
    assert engine.rows("SELECT segment, started_at, known_at, superseded_at FROM accounts ORDER BY known_at") == [
        ("x", at("2025-02-01"), at("2025-02-01"), at("2025-03-01")),
        ("y", at("2025-02-01"), at("2025-03-01"), at("2025-04-01")),
        ("y", at("2025-01-01"), at("2025-04-01"), None),
    ]


# Mappings that are wrong


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('acount_id = "account_id"', r"usage has no such column; did you mean 'account_id';"),
        ('event = "evnt"', r"usage.csv has no column 'evnt'; did you mean 'event'; its columns are"),
        ('quantity = "evnt + 1"', r"has no column 'evnt'; did you mean 'event'"),
        ('quantity = "1 +"', r"does not understand '1 \+': Parser Error"),
        ('timezone = "Mars/Base"', r"(?s)\[sources.usage\].*Mars/Base"),
        ('attributes = ["event"]', r"only accounts carry attributes"),
    ],
)
def test_a_wrong_mapping_says_what_and_where(files, staged, line, message):
    files(usage="account_id,at,event\na,2025-01-02 10:00:00,x\n")
    with pytest.raises(SourceError, match=message):
        staged(USAGE.replace('csv"', f'csv"\n{line}', 1))


def test_an_attribute_cannot_take_a_canonical_name(files, staged):
    files(usage="account_id,at\na,2025-01-02\n", accounts="account_id\na\n")
    with pytest.raises(SourceError, match="segment is the name of a canonical column"):
        staged('[sources.accounts]\npath = "accounts.csv"\nattributes = ["segment = 1"]\n' + USAGE)


@pytest.mark.parametrize("name", ["events_28d", "Snapshot_At", "_row", "_events_364d"])
def test_an_attribute_cannot_take_the_name_of_a_column_of_the_feature_table(files, staged, name):
    files(usage="account_id,at\na,2025-01-02\n", accounts="account_id\na\n")
    done = staged(f'[sources.accounts]\npath = "accounts.csv"\nattributes = ["{name} = 1"]\n' + USAGE)
    with pytest.raises(SourceError, match=f"{name} is the name of a feature"):
        declare(done, Vocabulary((), (), {}))


def test_an_expression_that_fails_on_a_row_names_its_source(files, staged):
    files(usage="account_id,at,n\na,2025-01-02,x\n")
    with pytest.raises(SourceError, match=r"(?s)\[sources.usage\] usage.csv: .*Could not convert string 'x'"):
        staged(USAGE.replace('csv"', 'csv"\nquantity = "CAST(n AS INTEGER)"', 1))


def test_first_seen_starts_are_those_a_person_would_have_known(files, staged, engine):
    """At every midnight: the smallest `at` among the rows that had arrived, over two sources, by hand."""
    rng = Random(11)
    begin = datetime(2025, 1, 1)
    rows = {"usage": [], "subs": []}
    for _ in range(400):
        happened = begin + timedelta(minutes=rng.randrange(60 * 24 * 40))
        known = happened + timedelta(minutes=rng.choice([0, 0, 5, 3_000, 20_000]))
        rows[rng.choice(["usage", "subs"])].append((f"a{rng.randrange(40)}", happened, known))
    files(
        usage="account_id,at,known_at\n" + "".join(f"{a},{x},{k}\n" for a, x, k in rows["usage"]),
        subs="account_id,started_at,known_at\n" + "".join(f"{a},{x},{k}\n" for a, x, k in rows["subs"]),
    )
    staged('[sources.usage]\npath = "usage.csv"\n[sources.subscriptions]\npath = "subs.csv"\n')
    for day in range(0, 60, 3):
        t = begin + timedelta(days=day)
        seen = engine.rows(
            f"SELECT account_id, started_at FROM accounts WHERE started_at < TIMESTAMP '{t}' "
            f"AND known_at <= TIMESTAMP '{t}' AND (superseded_at IS NULL OR superseded_at > TIMESTAMP '{t}')"
        )
        arrived = [(a, x) for a, x, k in rows["usage"] + rows["subs"] if k <= t]
        expected = {a: min(x for b, x in arrived if b == a) for a, _ in arrived}
        assert dict(seen) == {a: x for a, x in expected.items() if x < t}
        assert len(seen) == len(dict(seen))
