"""The company builder: a test writes the rows it is about, and gets features or labels back."""

import fcntl
import json
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import keepwell
from features import table
from features.catalogue import Catalogue, Vocabulary, declare, discover
from features.config import Settings, load
from features.contracts import SOURCES
from features.engine import Engine, open_engine
from features.sources import Staged, stage

NOW = datetime(2026, 1, 1)
ARROW = {"TIMESTAMP": pa.timestamp("us"), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "CENTS": pa.float64()}
DECIMAL = pa.decimal128(18, 3)
Row = dict[str, Any]


class Company:
    """Rows as Python values; `stage` writes them to files with a keepwell.toml and reads them as any company."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder, engine
        self.settings: Settings
        self.staged: Staged

    def stage(self, toml: str = "", *, csv: bool = False, now: datetime = NOW, **sources: list[Row]) -> "Company":
        """Make these rows the company's data: a source has the columns that its rows name."""
        lines = [toml]
        if "subscriptions" not in sources and "[churn]" not in toml:
            lines.append('[churn]\nkind = "inactivity"')
        for name, rows in sources.items():
            written = _as_table(name, rows)
            path = self.folder / (f"{name}.csv" if csv else f"{name}.parquet")
            (pa.csv.write_csv if csv else pa.parquet.write_table)(written, path)
            extra = [c for c in written.column_names if c not in (*SOURCES[name].columns, "known_at")]
            lines += [f"[sources.{name}]", f'path = "{path.name}"', f"attributes = {extra}"]
        (self.folder / "keepwell.toml").write_text("\n".join(lines), encoding="utf-8")
        for name, kind in self.engine.rows("SELECT table_name, table_type FROM information_schema.tables"):
            self.engine.run(f'DROP {"VIEW" if kind == "VIEW" else "TABLE"} "{name}"')
        self.settings = load(self.folder / "keepwell.toml")
        self.staged = stage(self.settings, self.engine, now=now)
        return self

    def words(self, known_by: datetime) -> Vocabulary:
        return discover(self.engine, self.staged, known_by=known_by, max_events=10)

    def catalogue(self, vocabulary: Vocabulary) -> Catalogue:
        return declare(self.staged, vocabulary)

    def spine(self, rows: list[tuple[str, datetime]]) -> None:
        """Make the table `spine` of these (account, snapshot) rows."""
        accounts, moments = [account for account, _ in rows], [moment for _, moment in rows]
        columns = {
            "account_id": pa.array(accounts, pa.string()),
            "snapshot_at": pa.array(moments, pa.timestamp("us")),
        }
        self.engine.register("spine", pa.table(columns))

    def features(self, rows: list[tuple[str, datetime]], vocabulary: Vocabulary | None = None) -> pa.Table:
        """The feature table of a spine, by the words known at its last snapshot unless given."""
        self.spine(rows)
        words = vocabulary or self.words(max((moment for _, moment in rows), default=NOW))
        return table.build(self.engine, self.staged, self.catalogue(words))


def _as_table(name: str, rows: list[Row]) -> pa.Table:
    known = SOURCES[name].columns | {"known_at": "TIMESTAMP"}
    named = dict.fromkeys(column for row in rows for column in row)
    columns = {}
    for column in named:
        kind = known.get(column, "VARCHAR")
        values = [row.get(column) for row in rows]
        if kind == "TIMESTAMP":
            values = [datetime.fromisoformat(v) if isinstance(v, str) else v for v in values]
        arrow = DECIMAL if kind.startswith("DECIMAL") else ARROW.get(kind, pa.string())
        if arrow == DECIMAL:
            values = [None if v is None else Decimal(str(v)) for v in values]
        columns[column] = pa.array(values, arrow)
    return pa.table(columns)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with open_engine(tmp_path / "home") as engine:
        yield Company(tmp_path, engine)


EDGES = (0, 1, 2, 7, 8, 14, 15, 28, 29, 56, 84, 85, 168, 182, 196, 364, 365)
CLOCKS = (timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(hours=11, minutes=59))


@pytest.fixture
def random_rows() -> Callable[..., dict[str, list[Row]]]:
    """Good rows for all nine sources, with every optional column, versions, late rows and rows of the future."""

    def make(
        rng: random.Random, accounts: list[str], snapshots: list[datetime], each: int = 30, name: str = "r"
    ) -> dict[str, list[Row]]:
        maker = Maker(rng, accounts, snapshots, name)
        sources = {source: maker.rows(source, each * (3 if source == "usage" else 1)) for source in maker.kinds}
        return sources | {"accounts": [maker.account(account) for account in accounts]}

    return make


class Maker:
    """Draws rows whose moments lie near the snapshots, often on the edge of a window."""

    kinds = ("usage", "feedback", "support", "touchpoints", "subscriptions", "invoices", "interventions", "churns")

    def __init__(self, rng: random.Random, accounts: list[str], snapshots: list[datetime], name: str) -> None:
        self.rng, self.accounts, self.snapshots, self.name = rng, accounts, snapshots, name

    def rows(self, source: str, n: int) -> list[Row]:
        """Rows of one source; about one in seven has a later version with other content."""
        at, fill = SOURCES[source].at, getattr(self, source)
        found = []
        for i in range(n):
            key = {"account_id": self.rng.choice(self.accounts), _key(source): f"{self.name}{i}", at: self.moment()}
            row = key | fill(key[at]) | {"known_at": self.known(source, key[at])}
            found.append(row)
            if self.rng.random() < 0.15:
                known = row["known_at"] + timedelta(days=self.rng.randint(1, 60), microseconds=3)
                found.append(key | fill(key[at]) | {"known_at": known})
        return found

    def account(self, account: str) -> Row:
        start = self.moment()
        row = {"account_id": account, "started_at": start, "known_at": self.known("accounts", start), "owner": "o"}
        return row | {"segment": self.maybe("small", "large"), "country": self.maybe("de", "fr", "jp")}

    def moment(self, ahead: int = 30) -> datetime:
        edge = self.rng.random() < 0.6
        days = self.rng.choice(EDGES) if edge else self.rng.randint(-ahead, 500)
        clock = timedelta(minutes=self.rng.randrange(1440)) if self.rng.random() < 0.3 else self.rng.choice(CLOCKS)
        return self.rng.choice(self.snapshots) - timedelta(days=days) + clock

    def known(self, source: str, at: datetime) -> datetime:
        """Mostly at once, at times late; contracts and accounts may be agreed before they begin."""
        days = self.rng.choice((0, 0, 0, 1, 7, 40, -30 if source in ("accounts", "subscriptions") else 0))
        return at + timedelta(days=days, microseconds=self.rng.choice((0, 0, 1)))

    def maybe(self, *values: Any) -> Any:
        return None if self.rng.random() < 0.15 else self.rng.choice(values)

    def after(self, start: datetime) -> datetime | None:
        """A later moment: on an edge, or up to 400 days on."""
        edges = [m for m in (self.moment() for _ in range(4)) if m > start]
        return self.maybe(start + timedelta(days=self.rng.randint(1, 400)), *edges)

    def usage(self, at: datetime) -> Row:
        return {
            "user_id": self.maybe("u", "v", "w"),
            "session_id": self.maybe(*[f"s{i}" for i in range(8)]),
            "event": self.maybe("login", "Log in", "kinds", "export", "export share"),
            "quantity": self.maybe(0, 1, 2.5, 0.125),
            "value": self.maybe(0, 1.1, 19.99, 250),
        }

    def feedback(self, at: datetime) -> Row:
        kind = self.rng.choice(["nps", "csat", "ces", "review", "complaint", "survey_sent"])
        top = {"nps": 10, "ces": 7, "csat": 5, "review": 5}.get(kind)
        return {"kind": kind, "score": top and self.maybe(*range(1, top + 1))}

    def support(self, at: datetime) -> Row:
        return {
            "first_response_at": self.after(at),
            "resolved_at": self.after(at),
            "priority": self.maybe("low", "normal", "high", "urgent"),
            "escalations": self.maybe(0, 1, 2),
            "reopened": self.maybe(0, 1, 2),
            "csat": self.maybe(1, 2, 3, 4, 5),
        }

    def touchpoints(self, at: datetime) -> Row:
        kinds = ["meeting", "qbr", "email", "training", "executive", "champion_left", "contract_inquiry"]
        return {
            "kind": self.rng.choice(kinds),
            "direction": self.maybe("inbound", "outbound"),
            "answered": self.maybe(True, False),
            "sentiment": self.maybe(1, 2, 3, 4, 5),
        }

    def subscriptions(self, at: datetime) -> Row:
        return {
            "ended_at": self.after(at),
            "renews_at": self.after(at),
            "cancelled_at": self.after(at) if self.rng.random() < 0.5 else None,
            "mrr": self.maybe(0, 10.5, 99.99),
            "seats": self.maybe(0, 3, 10),
            "plan": self.maybe("basic", "pro", "pro's"),
            "billing_period": self.maybe("month", "year"),
            "auto_renew": self.maybe(True, False),
            "discount": self.maybe(0, 0.1, 0.25),
        }

    def invoices(self, at: datetime) -> Row:
        status = self.maybe("paid", "failed", "refunded")
        return {"amount": self.maybe(0, 10.01, 200), "status": status, "discount": self.maybe(0, 5)}

    def interventions(self, at: datetime) -> Row:
        return {"play": "call", "arm": self.maybe("treated", "holdout")}

    def churns(self, at: datetime) -> Row:
        return {"reason": self.maybe("price"), "intent": self.maybe("voluntary", "involuntary")}


def _key(source: str) -> str:
    return "ticket_id" if source == "support" else "row_id"


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON, strictly: NaN is none of its values."""

        def refuse(word: str) -> None:
            raise ValueError(f"{word} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Ran]:
    """Run the command line in process, as if from another folder where one is given."""
    return _run


def _run(*words: str, cwd: Path | None = None) -> Ran:
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["keepwell", *words])
        patch.chdir(cwd or Path.cwd())
        with pytest.raises(SystemExit) as ended:
            keepwell.main()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], Any]], Any]:
    """Make a thing once for all processes of a test run: who comes first makes it, the others read what it pickled.

    It is made in a folder of its own, which stays.
    """
    base = tmp_path_factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def get(name: str, make: Callable[[Path], Any]) -> Any:
        folder = run / f"shared-{name}"
        folder.mkdir(exist_ok=True)
        kept = folder / "made.pickle"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                kept.write_bytes(pickle.dumps(make(folder)))
            return pickle.loads(kept.read_bytes())

    return get


@contextmanager
def _quickly() -> Iterator[None]:
    from training import evidence, model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "MOST_ROUNDS", 60)
        patch.setattr(evidence, "MANY_ROWS", 0)
        yield


@pytest.fixture(scope="session")
def quickly() -> Callable[[], AbstractContextManager[None]]:
    """Trainings within it look 60 rounds ahead and draw 200 times: for what hangs on neither fit nor intervals."""
    return _quickly


@pytest.fixture
def quick_training() -> Iterator[None]:
    """A test all of whose trainings are `quickly`."""
    with _quickly():
        yield


FIGURES = ("auc", "average_precision", "log_loss", "brier", "lift_at_10pct")
FIGURES = (*FIGURES, "calibration_slope", "calibration_intercept")


@pytest.fixture(scope="session")
def sane() -> Callable[[dict[str, Any]], None]:
    """Assert that an object is what `train --json` promises, and that its figures can be."""
    return _sane


def _sane(told: dict[str, Any]) -> None:
    assert {"model_version", "data", "test", "benchmarks", "health", "leaks"} <= told.keys()
    assert {"accounts", "snapshots", "churners", "censored", "quarantined"} <= told["data"].keys()
    assert told["benchmarks"].keys() == {"base_rate", "recency", "hand_weights", "logistic", "plain_lightgbm"}
    assert {"n", "churners", *FIGURES} <= told["test"].keys()
    assert 0 < told["test"]["churners"] < told["test"]["n"] <= told["data"]["snapshots"]
    for contender in (told["test"], *told["benchmarks"].values()):
        for name in FIGURES:
            _sane_figure(contender[name], most=1 if name in ("auc", "average_precision", "brier") else np.inf)
    health = told["health"]
    assert {"auc", "auc_unrestricted", "weights", "tiers", "checks"} <= health.keys()
    _sane_figure(health["auc"], most=1)
    assert sum(weight["value"] for weight in health["weights"].values()) == pytest.approx(1)
    assert sum(tier["share"]["value"] for tier in health["tiers"].values()) == pytest.approx(1)
    for tier in health["tiers"].values():
        _sane_figure(tier["share"], most=1)
        _sane_figure(tier["churn_rate"], most=1)
    assert isinstance(told["leaks"], list)


def _sane_figure(figure: dict[str, float | None], *, most: float) -> None:
    assert figure.keys() == {"value", "low", "high"}
    value, low, high = (figure[part] for part in ("value", "low", "high"))
    if value is not None and low is not None and high is not None:
        assert low <= high <= most + 1e-9
        assert value <= most + 1e-9


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Spark session for the whole run, on two threads; whatever opens one afterwards gets a sibling of it."""
    pytest.importorskip("pyspark", reason="Spark suite: pyspark is not installed; `make test` installs it beside Java")
    if which("java") is None:
        pytest.skip("Spark suite: there is no Java on the PATH")
    from features.spark.session import open_session

    home = tmp_path_factory.mktemp("spark")
    quick = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    }  # less compiling: runs are short
    settings = Settings(
        root=home,
        engine="spark",
        spark={
            "master": "local[2]",
            "settings": {"spark.driver.memory": "2g", "spark.sql.shuffle.partitions": "2", **quick},
        },
        sources={"subscriptions": {"path": "none"}},
    )
    with open_session(settings) as session:
        yield session
