import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.calibration import quantiles

DRAWN = st.tuples(st.integers(1, 50), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))
)


SHARE = st.one_of(st.sampled_from([0.0, 0.025, 0.5, 0.975, 1.0]), st.floats(0, 1))


@given(drawn=DRAWN, shares=st.lists(SHARE, min_size=1, max_size=3))
def test_quantiles_are_numpys_to_the_bit(drawn, shares):
    assert np.array(quantiles(drawn, shares)).tolist() == np.quantile(drawn, shares, axis=0).tolist()
