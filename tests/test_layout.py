"""Rooms and doors of the house: what lies where, what is shipped, and what may not be there."""

import ast
import re
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PACKAGES = ("features", "retention", "serving", "training")
MODULES = [*(path for package in PACKAGES for path in sorted((REPO / package).rglob("*.py"))), REPO / "keepwell.py"]
FIGURE = re.compile(r"\b0\.\d{3}\b")


def test_the_folder_mlflow_hides_no_library():
    assert list((REPO / "mlflow").rglob("*.py")) == []


def test_tests_are_no_packages():
    assert list((REPO / "tests").rglob("__init__.py")) == []


def test_a_module_says_what_it_is_and_stays_small():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
        assert len(text.splitlines()) <= 300, f"{path} has more than 300 lines"


@pytest.mark.parametrize("path", sorted((REPO / "examples").glob("*/keepwell.toml")), ids=lambda path: path.parent.name)
def test_an_example_is_at_most_thirty_lines_and_no_code(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 30
    assert {other.name for other in path.parent.iterdir() if other.is_file()} <= {"keepwell.toml", "decision.toml"}


def test_the_lock_pins_by_hash_and_names_no_address():
    lock = (REPO / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    pins = [entry for entry in re.split(r"\n(?=\S)", lock) if entry.strip() and not entry.startswith("#")]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==", pin), pin
        assert "--hash=sha256:" in pin, pin


def test_a_document_with_figures_names_the_command_that_makes_them():
    for path in (*REPO.glob("*.md"), *(REPO / "docs").glob("**/*.md")):
        text = path.read_text(encoding="utf-8")
        if FIGURE.search(text):
            assert re.search(r"keepwell \w+|make \w+|python benchmarks/", text), f"{path} does not say how to measure"


def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel")
    built = next(wheel.WheelBuilder(str(REPO)).build(directory=str(tmp_path), versions=["standard"]))
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} - {"keepwell-0.1.0.dist-info"} == {*PACKAGES, "keepwell.py"}
    assert "training/examples/grocery.toml" in names
    shipped = {Path(name).suffix for name in names if "dist-info" not in name}
    assert shipped <= {".py", ".toml", ".html", ".j2", ".css", ".js", ".svg", ".json"}


def test_an_editable_installation_reads_this_checkout(tmp_path):
    """A module copied at installation would go stale with the next edit."""
    wheel = pytest.importorskip("hatchling.builders.wheel")
    pytest.importorskip("editables")
    built = next(wheel.WheelBuilder(str(REPO)).build(directory=str(tmp_path), versions=["editable"]))
    with zipfile.ZipFile(built) as archive:
        assert [name for name in archive.namelist() if name.endswith(".py")] == []
