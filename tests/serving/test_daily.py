"""The median of what is known is numpy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.daily import medians


@given(
    st.integers(1, 5).flatmap(lambda n: arrays(float, (n, 4, 2), elements=st.sampled_from([0.1, 7.3, -2.0, np.nan])))
)
def test_medians_are_numpys(values):
    unknown = np.isnan(values).all(axis=0)
    expected = np.where(unknown, np.nan, np.nanmedian(np.where(unknown, 0.0, values), axis=0))
    np.testing.assert_array_equal(medians(values), expected)
