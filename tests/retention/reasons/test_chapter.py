"""The chapter over companies that know much, little or next to nothing."""

from datetime import datetime

import pytest

from retention import house
from retention.reasons.chapter import chapter
from serving.measuring import inputs_of

TOLD = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01'


def test_a_company_of_contracts_alone_says_what_it_cannot_measure(measured, stayer, leaver):
    found = chapter(measured(toml=TOLD, subscriptions=[stayer("a"), leaver("b", "2024-06-01", "price")]))
    assert {"kinds", "causes", "layers", "systemic", "lead_time", "postmortems"} <= {block.id for block in found.blocks}
    assert any(line.startswith("passive churn: map [sources.usage]") for line in found.not_measured)
    assert any(line.startswith("what each driver costs") for line in found.not_measured)
    assert any(line.startswith("a shift of reasons") for line in found.not_measured)
    assert found.figures.keys() == {"preventable_churn"}


def test_where_silence_is_churn_there_is_no_passive_churn_before_it(measured):
    usage = [{"account_id": a, "at": f"2024-0{m}-05"} for a in "ab" for m in range(1, 10) if (a, m) < ("b", 4)]
    found = chapter(measured(toml='[churn]\nkind = "inactivity"\nhorizon_days = 28', usage=usage))
    assert any("silence is the churn itself" in line for line in found.not_measured)
    assert found.block("causes").column("cause") == ["not known"]
    assert any(
        line.startswith("layers, patterns and agreement of causes: no loss has one") for line in found.not_measured
    )
    assert found.figures == {}, "nobody knows whether any of it was preventable"


def test_where_nobody_left_nothing_is_told_of_losses(measured, stayer):
    found = chapter(measured(toml=TOLD, subscriptions=[stayer("a")]))
    assert any(line.startswith("causes of churn: nobody was lost") for line in found.not_measured)
    assert {block.id for block in found.blocks} == {"evidence", "loop"}


@pytest.mark.system("G5")
def test_reasons_that_shift_call_for_a_review(measured, stayer, leaver):
    before = [leaver(f"b{i}", "2024-05-01", "price") for i in range(12)]
    after = [leaver(f"a{i}", "2024-11-20", "too many bugs") for i in range(9)]
    found = chapter(measured(toml=TOLD, subscriptions=[stayer("s"), *before, *after]))
    assert found.figures["reason_drift"].value < 0.01
    assert found.figures["reason_drift"].n == 21
    (note,) = found.block("drift").notes
    assert note.startswith("Review due: go over the plays that answer Product or technical (0 to 100 %);")


def test_small_numbers_are_not_told_as_shares(measured, stayer, leaver):
    found = chapter(measured(toml=TOLD, subscriptions=[leaver(f"x{i}", "2024-06-01", "price") for i in range(4)]))
    assert [figure.value for figure in found.block("causes").column("share")] == [None]
    assert house.load().programme.fewest == 5


def test_it_is_measured_of_the_simulated_company_through_its_door(raw_company):
    with inputs_of(raw_company, datetime(2024, 5, 1), lambda *_: None) as inputs:
        found = chapter(inputs)
    kinds = {row[0]: row[1] for row in found.block("kinds").rows}
    assert kinds["voluntary"] + kinds["involuntary"] == kinds["all"] > 20
    assert sum(found.block("causes").column("losses")) == kinds["all"]
    assert len(found.block("postmortems").rows) == kinds["all"]
