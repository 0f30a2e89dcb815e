"""What the stack tells whoever started it: where the logs are, and how to sign in at its lab."""

import shutil
import subprocess
from pathlib import Path

import pytest

from eucora.cli.stack import Stack
from eucora.lab.server import serve_lab
from eucora.settings import read_settings


def stack_in(folder: Path, *, quiet: bool = False) -> Stack:
    return Stack(read_settings(EUCORA_DATA_DIR=folder), lab_pace=1.0, lab_seed=7, quiet=quiet)


def test_a_quiet_stack_names_its_log_files(tmp_path: Path) -> None:
    assert stack_in(tmp_path, quiet=True).log_of("serve") == str(tmp_path / "logs" / "serve.log")
    assert stack_in(tmp_path).log_of("serve") == "its lines above"


def test_without_a_lab_there_is_no_way_to_sign_in(tmp_path: Path) -> None:
    assert stack_in(tmp_path).sign_in_hint() == ""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("username", ["petra.publisher", "aiko.auditor"])
def test_the_command_that_is_told_prints_a_token_and_nothing_else(tmp_path: Path, username: str) -> None:
    stack = stack_in(tmp_path)
    with serve_lab(seed=7, pace=1.0, windows=10, macs=10) as lab:
        stack.lab = lab
        command = f"unset http_proxy HTTP_PROXY all_proxy ALL_PROXY; {stack.sign_in_hint(username)}"
        told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=30).stdout
    header, _, _ = told.strip().split(".")
    assert header.startswith("ey")  # a JSON object, in base64
