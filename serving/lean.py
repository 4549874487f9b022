"""Keep the trainer's tools out of the serving process.

They would come in by themselves: pyarrow imports pandas at its first array, wherever pandas is installed.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

KEPT_OUT = ("mlflow", "pandas", "shap", "sklearn")


def keep_out() -> None:
    """Refuse every later import of `KEPT_OUT` in this process; to be called when it starts, before any array.

    Libraries that only ask whether pandas is there get the usual ImportError, and do without.
    """
    sys.meta_path.insert(0, _Refuse())


class _Refuse(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in KEPT_OUT:
            raise ModuleNotFoundError(f"{name} is not for the serving process (see serving/lean.py)", name=name)
        return None
