"""The rules compute with whole numbers and decimals only, and ask nobody for the time, chance or a file."""

import ast
import sys
from pathlib import Path

import pytest

import eucora.domain

RULES = [
    "backtest",
    "binding",
    "blast_radius",
    "blockers",
    "exception_needs",
    "freshness",
    "calibration",
    "gate_backtest",
    "gate_measures",
    "gates",
    "governance_checks",
    "governance_policy",
    "halting",
    "policies",
    "risk",
    "risk_factors",
    "rollout_plan",
    "risk_model",
    "role_mapping",
    "routing",
    "statistics",
    "trust_maturity",
]
MAY_IMPORT = {
    "eucora",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "hashlib",
    "json",
    "re",
    "types",
    "typing",
}


def tree_of(rule: str) -> ast.Module:
    folder = Path(str(eucora.domain.__file__)).parent
    return ast.parse((folder / f"{rule}.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_knows_no_float(rule: str) -> None:
    nodes = list(ast.walk(tree_of(rule)))
    assert len(nodes) > 50
    assert not [node.lineno for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    assert not [node.lineno for node in nodes if isinstance(node, ast.Name) and node.id in {"float", "round"}]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_reads_no_clock(rule: str) -> None:
    called = {node.attr for node in ast.walk(tree_of(rule)) if isinstance(node, ast.Attribute)}
    assert not called & {"utcnow", "today", "time", "total_seconds"}
    calls = [node.func for node in ast.walk(tree_of(rule)) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call, ast.Attribute) and call.attr == "now"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_imports_only_what_computes(rule: str) -> None:
    imported: set[str] = set()
    for node in ast.walk(tree_of(rule)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported
    assert imported <= MAY_IMPORT
    assert imported - {"eucora"} <= sys.stdlib_module_names
