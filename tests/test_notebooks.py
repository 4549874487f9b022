"""The notebooks still run, still hold what they promise, and are committed without outputs."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SECONDS_A_CELL = 300
"""A cell takes seconds; machines may be busy."""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def test_all_five_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "01_signals", "02_leakage", "03_model_review", "04_driver_review", "05_retention_program",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_holds_its_promises(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = read(path)
    try:
        nbclient.execute(notebook, cwd=str(tmp_path), kernel_name="python3", timeout=SECONDS_A_CELL)
    finally:
        if folder := os.environ.get("KEEPWELL_NOTEBOOKS_OUT"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, Path(folder) / path.name)
