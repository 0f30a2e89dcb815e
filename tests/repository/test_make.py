"""`make` does its own set-up, says what is wrong, and leaves standard output to the command that was asked for."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from repository_files import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = [
    "help",
    "setup",
    "demo",
    "up",
    "test",
    "test-long",
    "fuzz",
    "check",
    "bench",
    "openapi",
    "client",
    "clean",
    "lock",
    "sbom",
]
CHECKS = [
    "ruff format --check",
    "ruff check",
    "mypy",
    "lint-imports",
    "eucora openapi --check",
    "eucora migrate --check",
    "npm --prefix clients/typescript --silent run check",
    "check-jsonschema --builtin-schema vendor.compose-spec compose.yaml",
    "hadolint Dockerfile",
]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests may themselves run under make, whose variables would reach this one.
    environment = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_make_alone_lists_every_target_with_a_line() -> None:
    shown = make()
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()] == re.findall(
        r"^\.PHONY: (.*)$", MAKEFILE, flags=re.M
    )
    assert {line.split()[0] for line in shown.stdout.splitlines() if len(line.split()) > 2} == set(TARGETS)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """An environment that is set up and fresh, whose ``eucora`` prints its arguments."""
    executable(tmp_path / "venv" / "bin" / "eucora", 'printf "<%s>" "$@"')
    (tmp_path / "venv" / ".ready").touch()
    return tmp_path / "venv"


def test_the_demo_has_standard_output_for_itself(ready: Path) -> None:
    ran = make("demo", f"VENV={ready}", "PYTHON=/bin/false", "DEMO_ARGS=--once --json")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "<demo><--once><--json>", "")


def test_a_changed_lock_makes_the_set_up_run_again(ready: Path) -> None:
    os.utime(ready / ".ready", (0, 0))
    ran = make("demo", f"VENV={ready}", "PYTHON=/bin/false")
    assert ran.returncode != 0
    assert ran.stdout == ""


def test_an_old_python_is_refused_with_a_way_out(tmp_path: Path) -> None:
    old = executable(tmp_path / "python3", 'case "$1" in --version) echo "Python 3.10.4" ;; *) exit 1 ;; esac')
    ran = make("demo", f"VENV={tmp_path}/venv", f"PYTHON={old}")
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "needs Python 3.11 or newer" in ran.stderr
    assert "Python 3.10.4" in ran.stderr
    assert "make demo PYTHON=" in ran.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("tool", CHECKS)
def test_check_asks_every_tool(tool: str, ready: Path) -> None:
    planned = make("--dry-run", "check", f"VENV={ready}").stdout.splitlines()
    assert [line for line in planned if tool in line]


@pytest.mark.parametrize("script", [".ci/run", "scripts/compose-secrets"])
def test_a_script_is_executable_and_stops_at_the_first_error(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert "\nset -euo pipefail\n" in path.read_text()
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_the_gate_of_every_change_checks_tests_and_coverage() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make check$", gate, flags=re.M)
    assert re.search(r"^timeout .* make test \|", gate, flags=re.M)
    assert "domain_min=95" in gate
    assert "whole_min=85" in gate
