"""A module fits a reader's head and a function a screen, or the module says why not."""

import ast
from pathlib import Path

import pytest
from repository_files import ROOT, tracked

MODULE_MAX, FUNCTION_MAX = 400, 70
REASON = "longer than 400 lines because"
MODULES = [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"]


def too_long(source: str) -> list[str]:
    tree = ast.parse(source)
    long = []
    lines = len(source.splitlines())
    if lines > MODULE_MAX and REASON not in " ".join((ast.get_docstring(tree) or "").split()):
        long.append(f"{lines} lines and no reason")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            took = (node.end_lineno or node.lineno) - node.lineno + 1
            if took > FUNCTION_MAX:
                long.append(f"{node.name} takes {took} lines")
    return long


def test_a_long_module_and_a_long_function_are_found() -> None:
    assert too_long("x = 1\n" * 401)
    assert too_long("def f() -> None:\n" + "    x = 1\n" * 70)
    assert not too_long(f'"""A table, {REASON}\nit is one."""\n' + "x = 1\n" * 401)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_is_no_longer_than_it_may_be(module: Path) -> None:
    assert not too_long(module.read_text(encoding="utf-8"))
