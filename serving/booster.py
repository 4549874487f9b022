"""LightGBM's own library without its Python package, which imports pandas and sklearn: load, predict, explain.

Numbers are bit for bit those of `lightgbm.Booster.predict`: it calls the same functions (LightGBM's `c_api.h`).
"""

import ctypes
import re
import weakref
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError

Array = NDArray[np.float64]

FLOAT64, ROW_MAJOR = 1, 1
RAW_SCORE, CONTRIBUTIONS = 1, 3
FIRST_TREE, ALL_TREES = 0, -1
ONE_THREAD = b"num_threads=1"
"""A row is too little work to share; many rows are shared out by whoever asks for them."""


class Booster:
    """A trained model of one log-odds, read from LightGBM's `text`; of use from several threads at once.

    `features` is the number of columns a row must have, `trees` the number of trees.

    Raises:
        ServingError: the text is cut, is no model, or is one of several classes.
    """

    def __init__(self, text: str) -> None:
        check_complete(text)
        self.text = text
        self._library, self._handle, trees = library(), ctypes.c_void_p(), ctypes.c_int()
        self._call("BoosterLoadModelFromString", text.encode(), ctypes.byref(trees), ctypes.byref(self._handle))
        weakref.finalize(self, self._library.LGBM_BoosterFree, self._handle)
        self.trees, self.features = trees.value, self._count("BoosterGetNumFeature")
        if self._count("BoosterGetNumClasses") != 1:
            raise ServingError("the model tells several classes apart; churn has one log-odds")

    def log_odds(self, rows: Array) -> Array:
        """The model's log-odds of each row (n, features), before calibration."""
        return self._predict(rows, RAW_SCORE, 1)[:, 0]

    def contributions(self, rows: Array) -> Array:
        """SHAP values of each row, (n, features + 1); with the base, which comes last, they sum to its log-odds.

        They are path-dependent TreeSHAP (Lundberg et al. 2020, "From local explanations to global understanding
        with explainable AI for trees").
        """
        return self._predict(rows, CONTRIBUTIONS, self.features + 1)

    def read(self, rows: Array) -> Array:
        """Rows as they are read: (n, features), one after the other in memory.

        Raises:
            ServingError: they are of another width.
        """
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ServingError(f"the model reads rows of {self.features} features, got an array of {rows.shape}")
        return rows

    def _predict(self, rows: Array, what: int, width: int) -> Array:
        rows = self.read(rows)
        found = np.empty((len(rows), width))
        if len(rows):
            asked = FLOAT64, *rows.shape, ROW_MAJOR, what, FIRST_TREE, ALL_TREES, ONE_THREAD
            read, written = (array.ctypes.data_as(ctypes.c_void_p) for array in (rows, found))
            self._call("BoosterPredictForMat", self._handle, read, *asked, ctypes.byref(ctypes.c_int64()), written)
        return found

    def _count(self, name: str) -> int:
        found = ctypes.c_int()
        self._call(name, self._handle, ctypes.byref(found))
        return found.value

    def _call(self, name: str, *arguments: Any) -> None:
        """A function of the library.

        Raises:
            ServingError: with what LightGBM says went wrong.
        """
        if getattr(self._library, f"LGBM_{name}")(*arguments) != 0:
            raise ServingError(f"LightGBM: {self._library.LGBM_GetLastError().decode(errors='replace')}")


def check_complete(text: str) -> None:
    """See that the text says how long its trees are and that they are: LightGBM reads on beyond the end of a cut one.

    Raises:
        ServingError: they are not.
    """
    sizes = re.search(r"^tree_sizes=([\d ]+)$", text, re.MULTILINE)
    end = -1 if sizes is None else text.find("\nTree=0\n") + 1 + sum(map(int, sizes[1].split()))
    if not text.startswith("end of trees", end):
        raise ServingError("the text is cut or no model of LightGBM; train again or copy the bundle again")


@cache
def library() -> ctypes.CDLL:
    """LightGBM's shared library, found beside its Python package without running that.

    Raises:
        ServingError: LightGBM is not installed, or its library cannot be loaded.
    """
    found = find_spec("lightgbm")
    folders = [] if found is None else map(Path, found.submodule_search_locations or ())
    paths = [path for folder in folders for path in folder.glob("*/lib_lightgbm.*")]
    if not paths:
        raise ServingError("LightGBM's library is not there; install the package lightgbm")
    try:
        loaded = ctypes.CDLL(str(paths[0]))
    except OSError as error:
        raise ServingError(f"LightGBM's library cannot be loaded ({error}); install what it misses") from error
    loaded.LGBM_GetLastError.restype = ctypes.c_char_p
    return loaded
