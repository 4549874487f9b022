"""What `keepwell init` makes of a folder."""

from pathlib import Path

import duckdb
import pytest

from features.check import report
from features.config import load
from features.errors import SourceError
from features.guess import guess, render
from features.sources import stage
from features.synthetic import simulate, write

CHURNSIM = Path(__file__).parents[3] / "shared" / "data" / "churnsim_socialnet7"


def mapped(folder):
    return {
        source.source: {column.name: column.value for column in source.columns if column.sure}
        for source in guess(folder).sources
    }


def test_columns_are_guessed_by_what_companies_call_them(files):
    folder = files(
        customers="CustomerID,Signup Date,Plan,Country\n1,2024-01-01,pro,de\n2,2024-01-02,free,fr\n",
        contracts="customer_id,start_date,end_date,price\n1,2024-01-01,2024-02-01,9.5\n2,2024-01-02,2024-02-02,8\n",
        tickets="id,customer_id,created_at,closed_at,severity\n5,1,2024-01-05,2024-01-06,high\n6,1,2024-01-07,,low\n",
        clicks="org,user_id,event_time,action\n1,u1,2024-01-01 10:00:00,login\n2,u2,2024-01-01 11:00:00,login\n",
    )
    assert mapped(folder) == {
        "accounts": {"account_id": "CustomerID", "started_at": "Signup Date", "segment": "Plan"},
        "subscriptions": {
            "account_id": "customer_id",
            "started_at": "start_date",
            "ended_at": "end_date",
            "mrr": "price",
        },
        "support": {
            "account_id": "customer_id",
            "ticket_id": "id",
            "opened_at": "created_at",
            "resolved_at": "closed_at",
            "priority": "severity",
        },
        "usage": {"account_id": "org", "user_id": "user_id", "at": "event_time", "event": "action"},
    }


def test_a_person_is_the_account_where_nothing_larger_is_named(files):
    folder = files(orders="user_id,order_date,total\n1,2024-01-01,9.5\n2,2024-01-02,8\n")
    assert mapped(folder)["usage"] == {"account_id": "user_id", "at": "order_date", "value": "total"}
    assert 'kind = "inactivity"' in render(guess(folder))


def test_values_that_break_the_contract_are_left_out_and_said(files):
    folder = files(
        usage="account_id,at\na,2024-01-01\nb,2024-01-02\n",
        invoices="account_id,at,status\na,2024-01-01,open\nb,2024-01-02,closed\n",
        tickets="account_id,opened_at,severity\na,2024-01-01,P1\nb,2024-01-02,P2\n",
    )
    text = render(guess(folder))
    assert 'status = "NULL"  # left out: holds closed, open; must be one of paid, failed, refunded' in text
    assert '# priority = "severity"  # holds p1, p2; must be one of low, normal, high, urgent' in text


def test_files_that_differ_by_a_number_or_share_a_folder_are_a_glob(files, tmp_path):
    text = "account_id,at\na,2024-01-01\n"
    folder = files(usage_2024=text, usage_2025=text)
    assert [source.path for source in guess(folder).sources] == ["usage_*.csv"]
    other = files(**{"x__events__a": text, "x__events__b": text}) / "x"
    assert [source.path for source in guess(other).sources] == ["events/*.csv"]


def test_rows_that_repeat_a_key_and_tell_when_they_changed_are_versions(files):
    folder = files(
        usage="account_id,at\na,2024-01-01\n",
        tickets="id,account_id,opened_at,updated_at\n1,a,2024-01-01,2024-01-01\n1,a,2024-01-01,2024-01-03\n",
    )
    assert mapped(folder)["support"]["known_at"] == "updated_at"


def test_the_last_change_of_rows_without_versions_is_unsure(files):
    folder = files(
        usage="account_id,at\na,2024-01-01\n",
        tickets="id,account_id,opened_at,updated_at\n1,a,2024-01-01,2024-01-01\n2,a,2024-01-01,2024-01-03\n",
    )
    assert "known_at" not in mapped(folder)["support"]
    assert '# known_at = "updated_at"' in render(guess(folder))


def test_a_table_of_some_accounts_is_not_the_accounts(files):
    folder = files(
        customers="customer_id,segment\na,x\n", usage="customer_id,at\na,2024-01-01\nb,2024-01-02\nc,2024-01-03\n"
    )
    assert set(mapped(folder)) == {"usage"}
    assert "# customers.csv lacks 67% of the accounts seen elsewhere" in render(guess(folder))


def test_a_folder_without_usage_or_subscriptions_says_what_was_seen(files):
    folder = files(products="sku,colour\n1,red\n")
    with pytest.raises(SourceError, match=r"found neither usage .* in products.csv \(sku, colour\)"):
        guess(folder)


def test_quotes_in_names_survive(files, tmp_path, engine):
    folder = files(usage='account_id,at,"say ""event"""\na,2024-01-01,x\n')
    duckdb.sql('SELECT \'a\' AS account_id, \'x"y\' AS "the ""plan"').write_parquet(str(folder / "accounts.parquet"))
    (folder / "keepwell.toml").write_text(render(guess(folder)), encoding="utf-8")
    stage(load(folder / "keepwell.toml"), engine)


def test_the_guess_for_the_simulated_company_passes_the_check(tmp_path, engine):
    write(simulate(accounts=60, months=12, seed=3), tmp_path)
    settings = _initialised(tmp_path, tmp_path)
    found = report(settings, engine, stage(settings, engine))
    assert found.problems == ()
    assert {source.name for source in found.sources} == {
        *("accounts", "subscriptions", "usage", "feedback", "support"),
        *("touchpoints", "invoices", "interventions", "churns"),
    }


@pytest.mark.skipif(not CHURNSIM.is_dir(), reason="churnsim_socialnet7 is not there")
def test_the_guess_for_churnsim_passes_the_check(tmp_path, engine):
    for file in CHURNSIM.iterdir():
        (tmp_path / file.name).symlink_to(file)
    settings = _initialised(tmp_path, tmp_path)
    done = stage(settings, engine)
    assert report(settings, engine, done).ok
    assert done.sources["usage"].rows_good == 2_696_401
    assert done.sources["accounts"].rows_good == 2_198
    assert settings.churn.kind == "contract"


def _initialised(source, folder):
    (folder / "keepwell.toml").write_text(render(guess(source)), encoding="utf-8")
    return load(folder / "keepwell.toml")
