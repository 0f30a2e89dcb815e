"""A kind of problem is written down once: two rows of one name would sooner or later tell it differently."""

import ast
from collections import Counter
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "eucora"


def slugs() -> list[tuple[int, str]]:
    """Status and slug of every row that is written in our source."""
    found = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Row"),
                    args=[ast.Constant(value=int(status)), ast.Constant(value=str(slug)), *_],
                ):
                    found.append((status, slug))
                case _:
                    pass
    return found


def test_no_two_rows_have_one_name() -> None:
    known = slugs()
    assert len(known) > 200
    assert {slug: count for slug, count in Counter(slug for _, slug in known).items() if count > 1} == {}
