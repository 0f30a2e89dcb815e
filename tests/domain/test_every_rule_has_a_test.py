"""A rule of governance without its worked test fails here.

Each section keeps the ids of its rules in ``rules_section_<n>.py`` as ``SECTION_<n>``. A test module works them out in
a dict ``RULES``, keyed by id, that its tests are parametrized with.
"""

import ast
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
WORKED_OUT: Final = {2, 3, 5, 6}  # sections that owe a worked test for each of their rows
TABLE: Final = re.compile(r"^RULES\b[^=\n]*= \{", re.MULTILINE)


def expected() -> set[str]:
    """Every rule of every section."""
    rules: set[str] = set()
    for section in sections():
        rules |= importlib.import_module(f"rules_section_{section}").__dict__[f"SECTION_{section}"]
    return rules


def sections() -> set[int]:
    return {int(path.stem.removeprefix("rules_section_")) for path in HERE.glob("rules_section_*.py")}


def tables() -> list[Path]:
    """The test modules that have a table of rules."""
    return [path for path in sorted(HERE.glob("test_*.py")) if TABLE.search(path.read_text(encoding="utf-8"))]


def ids(path: Path) -> set[str]:
    return set(importlib.import_module(path.stem).RULES)


def test_each_section_has_its_list() -> None:
    assert sections() >= WORKED_OUT


def test_every_rule_has_its_worked_test() -> None:
    wanted, found = expected(), set().union(*(ids(path) for path in tables()))
    assert len(wanted) > 100
    assert sorted(wanted - found) == []


def test_no_rule_is_worked_out_in_two_places() -> None:
    found = Counter(rule for path in tables() for rule in ids(path))
    assert [rule for rule, times in found.items() if times > 1] == []


@pytest.mark.parametrize("section", sorted(WORKED_OUT))
def test_a_section_lists_its_own_rules(section: int) -> None:
    rules = importlib.import_module(f"rules_section_{section}").__dict__[f"SECTION_{section}"]
    assert rules
    assert [rule for rule in sorted(rules) if not rule.startswith(f"{section}.")] == []


@pytest.mark.parametrize("path", tables(), ids=lambda path: path.stem)
def test_a_table_is_what_its_tests_are_parametrized_with(path: Path) -> None:
    """Directly, or by a list that is made from it: a table that nobody runs proves nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    made_from_it = {"RULES"}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and names(node.value) & made_from_it:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made_from_it |= {target.id for target in targets if isinstance(target, ast.Name)}
    decorators = [
        decorator for node in tree.body if isinstance(node, ast.FunctionDef) for decorator in node.decorator_list
    ]
    assert any("parametrize" in ast.dump(one) and names(one) & made_from_it for one in decorators)


def names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
