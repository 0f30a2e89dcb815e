"""The roles run as the image runs them: an ordinary user without capabilities, on a file system that cannot be written.

No container engine is needed: a user namespace makes us user 10001 there, and a mount namespace makes everything
read-only save the data folder. Where the kernel lends neither, the tests are left out and say so.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository_files import ROOT

from databases import Database

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
USER = "10001"
INSIDE = f"""
mount --bind "$1" "$1"
mount --options remount,bind,ro /
cd "$1"; shift
exec unshare --user --map-user={USER} --map-group={USER} -- setpriv --no-new-privs -- "$@"
"""


def contained(folder: Path, *command: str) -> list[str]:
    """The command line that runs ``command`` where nothing but ``folder`` can be written."""
    return ["unshare", "--user", "--map-root-user", "--mount", "--", "bash", "-ec", INSIDE, "-", str(folder), *command]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder, as the image has it; skips where a namespace cannot be had."""
    (tmp_path / "data" / "tmp").mkdir(parents=True)
    tried = subprocess.run(contained(tmp_path / "data", "true"), check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user and mount namespaces here: {' '.join(tried.stderr.split())}")
    return tmp_path / "data"


def environment(folder: Path, database: Database) -> dict[str, str]:
    """As the Dockerfile has it, with the address and no more."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "EUCORA_DATA_DIR": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "EUCORA_DATABASE_URL": database.url,
        "EUCORA_DRAIN_S": "0",
    }


@contextmanager
def running(
    folder: Path, given: dict[str, str], *command: str, until: str
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """The process once it has logged ``until``, and that record. It must end by itself when it is told to stop."""
    process = subprocess.Popen(contained(folder, *command), env=given, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        told = []
        for line in process.stderr:
            told.append(line)
            if line.startswith("{") and (record := json.loads(line)).get("event") == until:
                break
        else:
            pytest.fail("".join(told))
        yield process, record
        process.terminate()
        process.stderr.read()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def status(process: "subprocess.Popen[str]") -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_nothing_but_the_data_folder_can_be_written(folder: Path) -> None:
    """What the other tests here stand on."""
    tries = f"id -u; touch {folder}/mine && echo kept; touch {ROOT}/theirs || touch {folder.parent}/theirs || true"
    ran = subprocess.run(contained(folder, "bash", "-c", tries), check=True, capture_output=True, text=True)
    assert ran.stdout.split() == [USER, "kept"]
    assert ran.stderr.count("Read-only file system") == 2


def test_the_api_serves_and_the_images_own_question_finds_it_well(folder: Path, database: Database) -> None:
    given = environment(folder, database)
    with running(folder, given, "eucora", "serve", "--port", "0", until="api_listens") as (process, record):
        found = status(process)
        assert {found[name].strip("0") for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {""}
        assert found["NoNewPrivs"] == "1"
        for path in ("livez", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{record['port']}/{path}", timeout=10) as answer:
                assert answer.status == 200
        asks = re.search(r"^HEALTHCHECK [^\n]*\\\n  CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), flags=re.M)
        assert asks
        question = json.loads(asks[1])
        given["EUCORA_PORT"] = str(record["port"])
        subprocess.run(contained(folder, *question), env=given, check=True)
    given["EUCORA_PORT"] = "1"  # where nobody answers
    assert subprocess.run(contained(folder, *question), env=given, check=False, capture_output=True).returncode == 1


def test_a_worker_works_and_composes_own_question_finds_it_well(folder: Path, database: Database) -> None:
    given = environment(folder, database)
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    question = services["worker"]["healthcheck"]["test"][1:]
    with running(folder, given, "eucora", "work", until="worker_starting"):
        asked = subprocess.run(contained(folder, *question), env=given, check=False, capture_output=True, text=True)
        assert asked.returncode == 0, asked.stderr
        assert {row["name"] for row in json.loads(asked.stdout)} >= {"intents", "timeline"}
    assert not (folder.parent / "var").exists()
    assert {path.name for path in folder.iterdir()} <= {"tmp", "artifacts"}
    assert os.listdir(folder / "tmp") == []
