"""Every system has a place where it is shown and a test that proves it, and docs/systems.md says so."""

import runpy
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
DOCS = runpy.run_path(str(REPO / "docs" / "systems.py"))
ROWS = [row for rows in DOCS["systems"]().values() for row in rows]
PROVED = DOCS["proofs"]()


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "rule"], ids=lambda row: row.id)
def test_a_rule_is_proved_by_a_test(row):
    assert PROVED.get(row.id), f'no test is marked @pytest.mark.system("{row.id}"): {row.title}'


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "advice"], ids=lambda row: row.id)
def test_advice_stands_in_the_file_that_the_row_names_and_is_marked_so(row):
    text = (REPO / row.shown).read_text(encoding="utf-8")
    assert row.id in text
    assert "advice" in text.lower()


def test_an_id_stands_once_and_no_test_names_another():
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) == 193
    assert set(PROVED) - set(ids) == set()


def test_the_document_is_what_its_sources_make():
    made = (REPO / "docs" / "systems.md").read_text(encoding="utf-8")
    assert made == DOCS["render"](), "docs/systems.md is old; `make systems` writes it again"


def test_a_block_that_a_row_names_is_made_somewhere():
    """The blocks that the code declares, by the word `id=` of each."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "retention").rglob("*.py"))
    named = [place for row in ROWS for place in row.shown.split("; ") if place.startswith("measure: ")]
    assert named
    missing = [place for place in named if f'"{place.rpartition("/")[2]}"' not in text]
    assert missing == []
