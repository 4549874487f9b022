import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.calibration import quantile

DRAWN = st.tuples(st.integers(1, 50), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e6, 1e6))
)


@given(drawn=DRAWN, share=st.one_of(st.sampled_from([0.0, 0.025, 0.5, 0.975, 1.0]), st.floats(0, 1)))
def test_a_quantile_is_numpys_to_the_bit(drawn, share):
    assert quantile(drawn, share).tolist() == np.quantile(drawn, share, axis=0).tolist()
