"""The Bento that `bentoml build` makes holds what the service needs and nothing of the trainer's."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
OURS = {"features", "retention", "serving"}
NAMES = {"adbc_driver_manager": "adbc-driver-postgresql", "adbc_driver_postgresql": "adbc-driver-postgresql"}
"""Modules whose distribution is called otherwise; the driver brings its manager."""


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    """The folder of a Bento built from this checkout."""
    home = tmp_path_factory.mktemp("bentos")
    environ = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", str(REPO), "--version", "test"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return home / "bentos" / "keepwell" / "test"


def imported(folder):
    """Top-level names that the modules of a folder import, wherever in them."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_it_holds_three_packages_and_what_stands_in_them(bento):
    shipped = {path.name for path in (bento / "src").iterdir()}
    assert {"features", "retention", "serving"} <= shipped
    assert not shipped & {"training", "tests", "notebooks", "mlflow", "benchmarks", "examples", "docs"}
    assert (bento / "src" / "serving" / "policy" / "default.toml").exists()
    assert (bento / "src" / "serving" / "pages" / "templates" / "portfolio.html").exists()
    assert not (bento / "src" / "features" / "synthetic").exists()


def test_its_requirements_cover_what_it_imports(bento):
    asked = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["bentoml"]["build"]["python"]["packages"]
    named = {re.split(r"[<>=]", package)[0] for package in asked} | {"bentoml"}
    needed = {NAMES.get(name, name.replace("_", "-")) for name in imported(bento / "src") - OURS}
    assert needed - named == set()


def test_its_service_starts_from_its_own_folder(bento):
    code = "import serving, serving.service; print(serving.__file__, serving.service.Keepwell.name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=bento / "src", capture_output=True, text=True, check=True)
    where, name = done.stdout.split()
    assert Path(where).is_relative_to(bento / "src")
    assert name == "keepwell"
