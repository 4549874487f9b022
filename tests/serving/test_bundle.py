import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from serving.bundle import Bundle, check_probe, load, save
from serving.calibration import Calibration
from serving.errors import ServingError
from serving.score import score


@pytest.fixture
def saved(bundle, tmp_path):
    save(bundle, tmp_path)
    return tmp_path


def edited(folder, change):
    held = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    change(held)
    (folder / "bundle.json").write_text(json.dumps(held), encoding="utf-8")


def test_a_loaded_bundle_scores_to_the_byte_as_the_saved_one(bundle, saved, rows):
    before, after = score(bundle, rows), score(load(saved), rows)
    for name in ("probability", "interval", "log_odds", "drivers", "terms", "health"):
        assert getattr(before, name).tobytes() == getattr(after, name).tobytes(), name
    assert before.tier.tolist() == after.tier.tolist()


def test_saving_what_was_loaded_gives_the_same_files(saved, tmp_path):
    save(load(saved), tmp_path / "again")
    for name in ("model.txt", "bundle.json"):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_digest_tells_bundles_apart_and_survives_the_round_trip(bundle, cold, saved):
    moved = replace(bundle, calibration=replace(bundle.calibration, intercept=-1.4999999))
    assert load(saved).digest == bundle.digest == sha256((saved / "bundle.json").read_bytes()).hexdigest()
    assert len({bundle.digest, cold.digest, moved.digest}) == 3


def test_a_cold_start_bundle_survives_the_round_trip(cold, tmp_path, rows):
    save(cold, tmp_path)
    again = load(tmp_path)
    assert not again.is_learned
    np.testing.assert_array_equal(score(again, rows).health, score(cold, rows).health)


@pytest.mark.parametrize("name", ["model.txt", "bundle.json"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(ServingError, match=f"{name}.*train again or copy it again"):
        load(saved)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format": 2'])
def test_a_damaged_bundle_json_is_refused(saved, content):
    (saved / "bundle.json").write_bytes(content)
    with pytest.raises(ServingError, match="not a readable bundle"):
        load(saved)


def test_a_cut_model_is_refused(saved):
    text = (saved / "model.txt").read_text(encoding="utf-8")
    (saved / "model.txt").write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(ServingError, match="not the model this bundle was saved with"):
        load(saved)


@pytest.mark.parametrize("content", ["[]", "null", "2", '"bundle"', '{"format": 2}', '{"format": 2, "features": {}}'])
def test_json_of_another_shape_is_refused_by_name(saved, content):
    (saved / "bundle.json").write_text(content, encoding="utf-8")
    with pytest.raises(ServingError, match=r"bundle\.json does not hold what a bundle holds.*train again"):
        load(saved)


KEYS = (
    *("calibration", "features", "health_components", "model_sha256", "probe", "scales", "tiers", "vocabulary"),
    *("about", "weights"),
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [None, 7, "text", [1], {"a": 1}, [{"a": 1}], "gone"], ids=repr)
def test_a_bundle_with_one_wrong_part_is_refused_or_scores_as_it_did(bundle, saved, rows, key, value):
    """Parts that no score needs (`about`, words) may hold anything; no other error than ServingError ever leaves."""
    edited(saved, lambda held: held.pop(key) if value == "gone" else held.update({key: value}))
    try:
        found = score(load(saved), rows[:5])
    except ServingError:
        return
    assert key in ("about", "vocabulary")
    np.testing.assert_array_equal(found.health, score(bundle, rows[:5]).health)


def test_a_bundle_cut_anywhere_is_refused(saved):
    whole = (saved / "bundle.json").read_bytes()
    for end in range(0, len(whole.rstrip()), 97):
        (saved / "bundle.json").write_bytes(whole[:end])
        with pytest.raises(ServingError, match="not a readable bundle"):
            load(saved)


def test_another_format_is_refused(saved):
    edited(saved, lambda held: held.update(format=99))
    with pytest.raises(ServingError, match="format 99"):
        load(saved)


def test_the_probe_catches_a_changed_slope(saved):
    edited(saved, lambda held: held["calibration"]["slopes"].update(usage=0.81))
    with pytest.raises(ServingError, match="probe rows score"):
        load(saved)


def test_the_probe_catches_a_changed_scale_that_moves_health_alone(saved):
    edited(saved, lambda held: held["scales"]["usage"].update(low=held["scales"]["usage"]["low"] - 0.01))
    with pytest.raises(ServingError, match=r"probe rows score.*of health"):
        load(saved)


def test_a_learned_bundle_without_a_probe_is_refused(saved):
    edited(saved, lambda held: held.update(probe={}))
    with pytest.raises(ServingError, match="does not hold what a bundle holds"):
        load(saved)


def test_the_probe_catches_a_changed_intercept_of_a_billionth_and_no_less(bundle):
    def moved(by):
        calibration = bundle.calibration
        shifted = Calibration(calibration.intercept + by, calibration.slopes, calibration.draws)
        return Bundle(**{**vars(bundle), "calibration": shifted})

    check_probe(moved(1e-10))
    with pytest.raises(ServingError, match="probe rows score"):
        check_probe(moved(1e-7))


def test_a_scale_that_is_upside_down_is_refused(saved):
    edited(saved, lambda held: held["scales"].update(usage={"low": 1.0, "high": 0.0}))
    with pytest.raises(ServingError, match="low <= high"):
        load(saved)


def test_nothing_in_a_bundle_is_a_pickle(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["bundle.json", "model.txt"]
    assert (saved / "model.txt").read_text(encoding="utf-8").startswith("tree")
