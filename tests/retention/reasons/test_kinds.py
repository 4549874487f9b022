"""Churn by kind, root cause, value and layer; and whether the three reasons agree."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from retention.reasons import kinds, losses, traces
from retention.reasons.causes import Root, Vocabulary

TOLD = '[churn]\nkind = "contract"\nobserved_until = 2025-01-01'


@pytest.fixture
def book(measured, stayer, leaver):
    """Ten customers at the beginning of 2024: one paid no more, one closed, three left for reasons of their own."""
    gone = [
        leaver("payment", "2024-03-01", "payment failure", mrr=50),
        leaver("closed", "2024-04-01", "out of business", mrr=10),
        leaver("price", "2024-05-01", "price increase", mrr=200),
        leaver("bugs", "2024-06-01", "too many bugs", mrr=300),
        leaver("silent", "2024-07-01", None, mrr=20),
        leaver("before", "2023-12-01", "price", mrr=900),
    ]
    terms = [stayer(f"s{i}") for i in range(5)] + [stayer("renewed", "2024-09-01")] + gone
    inputs = measured("2025-01-01", toml=TOLD, rules="[programme]\nfewest = 1", subscriptions=terms)
    words = Vocabulary(inputs.house.causes)
    traces.make(inputs)
    return inputs, losses.lately(inputs, losses.read(inputs, words)), words


@pytest.mark.system("T1", "T3")
def test_churn_is_told_with_and_without_each_kind(book):
    block, figures = kinds.with_and_without(*book)
    told = {row[0]: (row[1], row[2].value, row[3].value if row[3] else None, row[4]) for row in block.rows}
    assert told == {
        "all": (5, 0.5, None, 12 * 580),
        "voluntary": (3, 0.3, 0.2, 12 * 520),
        "involuntary": (2, 0.2, 0.3, 12 * 60),
        "preventable": (3, 0.3, 0.2, 12 * 550),
        "not preventable": (1, 0.1, 0.4, 12 * 10),
        "not known whether preventable": (1, 0.1, 0.4, 12 * 20),
    }
    assert figures["preventable_churn"].value == 0.3
    assert figures["preventable_churn"].n == 10


@pytest.mark.system("T4")
def test_each_loss_has_its_root_cause_and_what_it_rests_on(book):
    rows = {row[:2]: (row[3], row[4:7], row[8]) for row in kinds.by_cause(*book).rows}
    assert rows == {
        ("Economic", "Price"): (1, (0, 1, 0), True),
        ("Product or technical", "Bugs"): (1, (0, 1, 0), True),
        ("Involuntary", "Failed payment"): (1, (0, 1, 0), True),
        ("Involuntary", "Closed"): (1, (0, 1, 0), False),
        ("not known", None): (1, (0, 0, 0), None),
    }


@pytest.mark.system("R22")
def test_layers_are_counted_from_causes(book):
    block = kinds.by_layer(*book)
    assert [figure.value for figure in block.column("share")] == [0.25, 0.0, 0.5, 0.25]
    assert block.notes == ("1 of 5 losses have no cause that belongs to one layer.",)


@pytest.mark.system("R22")
def test_layers_follow_the_companys_own_causes(book):
    inputs, lost, words = book
    economic = words.causes["economic"]
    moved = economic.sub["pricing"].model_copy(update={"layer": "foundation"})
    other = economic.model_copy(update={"sub": economic.sub | {"pricing": moved}})
    block = kinds.by_layer(inputs, lost, Vocabulary({**words.causes, "economic": other}))
    assert [figure.value for figure in block.column("share")] == [0.5, 0.0, 0.25, 0.25]


@pytest.mark.system("R22")
def test_a_cause_whose_sub_causes_lie_in_several_layers_belongs_to_none(book):
    inputs, _, words = book
    told = [lost("a", "value", None), lost("b", "value.no_return", None)]
    block = kinds.by_layer(inputs, told, words)
    assert [figure.n for figure in block.column("share")] == [1, 1, 1, 1]
    assert block.notes == ("1 of 2 losses have no cause that belongs to one layer.",)


@pytest.mark.system("G1")
def test_losses_are_split_by_value_and_reason(book):
    rows = [row[:3] for row in kinds.by_value(*book).rows]
    assert rows == [
        ("high", "Economic", 1),
        ("high", "Product or technical", 1),
        ("middle", "Involuntary", 1),
        ("low", "Involuntary", 1),
        ("low", "not known", 1),
    ]


def lost(account, stated, inferred, found=None):
    named = [None if name is None else Root(*name.split(".")) for name in (stated, inferred, found)]
    day = datetime(2024, 6, 1)
    return losses.Loss(account_id=account, at=day, began_at=day, stated=named[0], inferred=named[1], found=named[2])


@pytest.mark.system("T4")
def test_the_three_reasons_stay_apart_and_their_agreement_is_counted(book):
    inputs, _, words = book
    told = [
        lost("a", "economic.cost", "economic.pricing", "economic.cost"),
        lost("b", "economic.cost", "adoption.low_use", "adoption.low_use"),
        lost("c", "value", "value.no_return"),
        lost("d", None, "value"),
    ]
    rows = {row[0]: (row[1].value, row[1].n) for row in kinds.agreement(inputs, told, words).rows}
    assert rows["stated and inferred"] == (2 / 3, 3)
    assert rows["stated and found"] == (0.5, 2)
    assert rows["inferred and found"] == (1.0, 2)
    assert [loss.basis for loss in told] == ["found", "found", "stated", "inferred"]
    assert told[1].root == Root("adoption", "low_use")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=20))
def test_agreement_by_chance_is_that_of_cohens_kappa(pairs):
    one, other = zip(*pairs, strict=True)
    chance, same = kinds.by_chance(pairs), np.mean([a == b for a, b in pairs])
    if chance < 1:
        assert (same - chance) / (1 - chance) == pytest.approx(cohen_kappa_score(one, other))
