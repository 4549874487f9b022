"""The draw: one an account, whatever the play, by nothing that is known about it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention import house
from retention.effects.holdout import Standing, exemption, is_held_out, new_seed, position
from retention.errors import RetentionError

SEED = "0123456789abcdef" * 2


@given(st.text(min_size=1, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_all_whom_a_smaller_one_does(account, one, other):
    low, high = sorted((one, other))
    assert is_held_out(account, SEED, low) <= is_held_out(account, SEED, high)
    assert not is_held_out(account, SEED, 0.0)
    assert is_held_out(account, SEED, 1.0)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_a_share_of_the_accounts_is_held_out_and_their_names_say_nothing(share):
    held = np.array([is_held_out(f"A{i:05d}", SEED, share) for i in range(20_000)])
    assert abs(held.mean() - share) < 4 * np.sqrt(share * (1 - share) / 20_000)
    pairs = np.corrcoef(held[:-1], held[1:])[0, 1]
    assert abs(pairs) < 4 / np.sqrt(20_000)


def test_another_seed_is_another_draw():
    positions = np.array([[position(f"A{i}", seed) for i in range(2000)] for seed in (new_seed(), new_seed())])
    assert abs(np.corrcoef(positions)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("rules", "standing", "met"),
    [
        (("strategic",), Standing(is_strategic=True), "strategic"),
        (("tier:red strategic",), Standing(tier="red"), None),
        (("tier:red strategic",), Standing(tier="red", is_strategic=True), "tier:red strategic"),
        (("segment:big", "risk:high"), Standing(risk="high", segment="small"), "risk:high"),
        ((), Standing(is_strategic=True), None),
    ],
)
def test_a_rule_exempts_whom_all_of_its_words_hold_for(rules, standing, met):
    assert exemption(rules, standing) == met


@pytest.mark.parametrize("rule", ["", "owner:me", "tier:", "strategic:yes"])
def test_a_rule_that_nobody_can_know_is_refused(rule, tmp_path):
    path = tmp_path / "retention.toml"
    path.write_text(f'[programme]\nnever_hold_out = ["{rule}"]')
    with pytest.raises(RetentionError, match="a rule is words such as strategic"):
        house.load(path)
