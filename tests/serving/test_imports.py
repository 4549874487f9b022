"""What a process that scores has imported at the end, and that it opened no pickle on the way.

Each case runs in a process of its own under an audit hook, which sees what no import statement shows.
"""

import json
import subprocess
import sys

import pytest

from serving.bundle import save

KEPT_OUT = {"mlflow", "pandas", "shap", "sklearn", "lightgbm", "matplotlib", "scipy"}

WATCHED = """
import json, sys
seen = set()
sys.addaudithook(lambda event, details: seen.add((event, str(details[0]))))
from pathlib import Path
import numpy as np
{work}
imported = {{name.partition(".")[0] for event, name in seen if event == "import"}}
print(json.dumps({{"imported": sorted(imported | {{name.partition(".")[0] for name in sys.modules}}),
                  "pickles": sorted(name for event, name in seen if event == "pickle.find_class")}}))
"""

SCORE = """
import serving.bundle, serving.reasons, serving.score, serving.tiers, serving.health
bundle = serving.bundle.load(Path({folder!r}))
rows = np.tile(np.array(bundle.probe["rows"], dtype=float), (300, 1))
scores = serving.score.score(bundle, rows)
few = serving.score.score(bundle, rows[:5])
serving.reasons.reasons(bundle, few, rows[:5], rows[:5], np.array(["a"] * 5))
"""

BOOK = """
from serving.lean import keep_out
keep_out()
import pyarrow as pa
import serving.book, serving.bundle, serving.daily
bundle = serving.bundle.load(Path({folder!r}))
moment = np.array(["2026-01-01"], dtype="datetime64[us]")
features = pa.table({{"account_id": ["a"], "snapshot_at": moment}})
profile = pa.table({{"segment": ["s"], "owner": ["o"], "inactive": [False]}})
unknown = np.full((1, len(bundle.features)), np.nan)
book = serving.book.score_book(bundle, features, baseline=unknown, profile=profile, data_as_of={{}},
                               model_version=None, scored_at=moment[0].item())
assert book["churn_probability"][0].is_valid
"""


ONLINE = """
from serving.lean import keep_out
keep_out()
from datetime import datetime
import pyarrow as pa
import serving.bundle, serving.online
from features.packing import Block, packed
from serving.store.own_rows import Own, RowSet
from serving.store.usage_events import NewEvent
bundle, now = serving.bundle.load(Path({folder!r})), datetime(2026, 1, 1, 12)
text, moment = pa.string(), pa.timestamp("us")
accounts = dict(account_id=text, started_at=moment, segment=text, owner=text, known_at=moment, superseded_at=moment)
usage = dict(account_id=text, row_id=text, user_id=text, session_id=text, at=moment, event=text,
             quantity=pa.decimal128(18, 3), value_cents=pa.int64(), known_at=moment, superseded_at=moment)
kept = dict(accounts=dict(account_id="a", started_at=datetime(2025, 1, 1), known_at=datetime(2025, 1, 1)), usage=None)
blocks = [Block(0, name, packed(pa.Table.from_pylist([kept[name]] if kept[name] else [], pa.schema(schema))))
          for name, schema in (("accounts", accounts), ("usage", usage))]
told = lambda *columns: dict(columns=columns, versioned=False, last_at=None)
about = dict(attributes=[], sources=dict(accounts=told("account_id", "started_at"), usage=told("account_id", "at")))
own = Own(RowSet(id=1, as_of=now, made_at=now, about=about), frozenset(["a"]), tuple(blocks))
event = NewEvent(account_id="a", at=datetime(2025, 12, 31), known_at=now)
inputs = serving.online.Inputs()
assert inputs.faults(about, ["a"], [event], now) == [None]
assert inputs.of(bundle, own, [event], now)["a"][0] == 1.0
inputs.close()
"""


@pytest.fixture(scope="session")
def folder(bundle, tmp_path_factory):
    saved = tmp_path_factory.mktemp("bundle")
    save(bundle, saved)
    return str(saved)


def watched(work):
    ran = subprocess.run([sys.executable, "-c", WATCHED.format(work=work)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_loading_scoring_and_explaining_import_none_of_the_trainers_tools(folder):
    found = watched(SCORE.format(folder=folder))
    assert "serving" in found["imported"]
    assert KEPT_OUT.isdisjoint(found["imported"])
    assert found["pickles"] == []


def test_a_scored_book_needs_no_pandas_where_it_is_kept_out(folder):
    """pyarrow asks for it at the first array, is refused, and does without: what was asked for is not there."""
    asked = "\nseen -= {('import', name) for name in serving.lean.KEPT_OUT}"
    found = watched(BOOK.format(folder=folder) + asked)
    assert KEPT_OUT.isdisjoint(found["imported"])
    assert found["pickles"] == []


def test_a_row_is_built_for_a_request_without_pandas(folder):
    asked = "\nseen -= {('import', name) for name in serving.lean.KEPT_OUT}"
    found = watched(ONLINE.format(folder=folder) + asked)
    assert "duckdb" in found["imported"]
    assert KEPT_OUT.isdisjoint(found["imported"])
    assert found["pickles"] == []


def test_the_watch_sees_an_import_inside_a_library_and_a_pickle():
    found = watched("import lightgbm, pickle, collections\npickle.loads(pickle.dumps(collections.OrderedDict))")
    assert {"lightgbm", "pandas", "sklearn"} <= set(found["imported"])
    assert found["pickles"] != []


REFUSED = """
import importlib
from serving.lean import keep_out
keep_out()
for name in ("mlflow", "pandas.core", "shap", "sklearn.base"):
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(error)
"""


def test_what_is_kept_out_cannot_be_imported():
    ran = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True)
    assert ran.stdout.count("is not for the serving process") == 4
