"""Retention's builder: a company of literal rows, and what Keepwell kept of it, as known at one moment."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from retention import house
from retention.inputs import KEPT, Inputs, open_inputs

Measured = Callable[..., Inputs]


@pytest.fixture
def measured(company: Any, tmp_path: Path) -> Measured:
    """Inputs of a company: sources by name as lists of rows, tables of the store under `kept`, both literal.

    Moments are ISO texts. `rules` is a retention.toml over the shipped one, `toml` goes into keepwell.toml.
    """

    def make(
        as_of: str = "2025-01-01",
        *,
        kept: dict[str, list[dict[str, Any]]] | None = None,
        rules: str | None = None,
        toml: str = "",
        **sources: list[dict[str, Any]],
    ) -> Inputs:
        if not {"usage", "subscriptions"} & set(sources):
            sources["usage"] = [{"account_id": "nobody", "at": "2020-01-01"}]
        staged = company.stage(toml, **sources)
        path = None
        if rules is not None:
            path = tmp_path / "retention.toml"
            path.write_text(rules, encoding="utf-8")
        held = {name: _table(name, rows) for name, rows in (kept or {}).items()}
        return open_inputs(
            staged.engine, staged.staged, staged.settings, house.load(path), datetime.fromisoformat(as_of), held
        )

    return make


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    columns = {
        column: pa.array(
            [
                datetime.fromisoformat(row[column])
                if pa.types.is_timestamp(kind) and row.get(column)
                else row.get(column)
                for row in rows
            ],
            kind,
        )
        for column, kind in KEPT[name].items()
    }
    return pa.table(columns)
