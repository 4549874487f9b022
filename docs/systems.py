"""Make docs/systems.md: every system with where it is shown and which tests prove it.

    python docs/systems.py            # write the file
    python docs/systems.py --check    # exit 1 where the file is not what it would write

Rows and places come from docs/systems.toml, tests from their `@pytest.mark.system("R8")` marks.
"""

import ast
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parents[1]
SOURCE, MADE = REPO / "docs" / "systems.toml", REPO / "docs" / "systems.md"
TOLD = 2
"""Tests that a row names; the others are counted."""


class System(NamedTuple):
    """A row: its id, what it is, where it is shown, and whether it is a rule of the product or advice to people."""

    id: str
    title: str
    shown: str
    kind: str


def systems() -> dict[str, list[System]]:
    """The rows by section."""
    held = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    return {
        section: [System(id_, row["title"], row["shown"], row.get("kind", "rule")) for id_, row in rows.items()]
        for section, rows in held.items()
    }


def proofs() -> dict[str, list[str]]:
    """Tests by the systems that they prove: path::name, in the order of the files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((REPO / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for id_ in _marks(node):
                    found[id_].append(f"{path.relative_to(REPO)}::{node.name}")
    return found


def render() -> str:
    """The document."""
    proved = proofs()
    lines = [
        "# Systems",
        "",
        "Each system that retention is run by, where Keepwell shows it, and the tests that prove it. Made by",
        '`make systems` from docs/systems.toml and the tests\' marks. "measure: a/b" is block b in chapter a of',
        "`keepwell measure`, which is also on the page /retention/a and in `GET /v1/retention`.",
    ]
    for section, rows in systems().items():
        lines += [
            "",
            f"## {section.replace('_', ' ').capitalize()}",
            "",
            "| | system | shown by | proved by |",
            "|---|---|---|---|",
        ]
        for row in rows:
            tests = proved.get(row.id, [])
            more = f" and {len(tests) - TOLD} more" if len(tests) > TOLD else ""
            told = ", ".join(f"`{test.removeprefix('tests/')}`" for test in tests[:TOLD]) + more
            title = row.title + (" (advice)" if row.kind == "advice" else "")
            lines.append(f"| {row.id} | {title} | {row.shown} | {told} |")
    return "\n".join(lines) + "\n"


def _marks(node: ast.FunctionDef) -> list[str]:
    return [
        str(argument.value)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.system"
        for argument in mark.args
        if isinstance(argument, ast.Constant)
    ]


def main() -> None:
    """Write the document, or check it."""
    made = render()
    if "--check" in sys.argv:
        sys.exit(MADE.read_text(encoding="utf-8") != made)
    MADE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
