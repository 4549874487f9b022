"""What a command computes does not depend on how many cores there are to compute it."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import keepwell
sys.argv = ["keepwell", "--help"]
try:
    keepwell.main()
except SystemExit:
    pass
import numpy as np
rng = np.random.default_rng(0)
margins, weights = rng.normal(size=(5, 30_000)).T, rng.random(30_000)
print((margins.T @ weights).tobytes().hex(), (weights @ weights).tobytes().hex())
"""


def products(threads):
    """The bits of a calibration's products, after a command has begun in a process with so many threads."""
    told = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=told | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()[-1]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
def test_what_a_calibration_adds_up_has_the_same_bits_on_one_thread_and_on_two():
    assert products(1) == products(2)
