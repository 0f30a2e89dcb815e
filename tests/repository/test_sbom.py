"""The bill of materials is what gets installed, and the locks are such that an auditor's tools read them."""

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from repository_files import ROOT

PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==([^\s;\\]+)", flags=re.MULTILINE)
OUTSIDE = {"eucora"}  # the thing itself


def written(lock: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "scripts" / "sbom.py", lock], check=True, capture_output=True, text=True
    )
    return ran.stdout


@pytest.fixture(scope="module")
def image() -> dict[str, Any]:
    bom: dict[str, Any] = json.loads(written("image"))
    return bom


def versions(bom: dict[str, Any]) -> dict[str, str]:
    found = {part["name"]: part["version"] for part in bom["components"]}
    assert len(found) == len(bom["components"]) > 20
    return found


def test_it_is_cyclonedx_and_the_same_lock_gives_the_same_bytes(image: dict[str, Any]) -> None:
    text = written("image")
    assert json.loads(text) == image
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert (image["bomFormat"], image["specVersion"]) == ("CycloneDX", "1.6")


def test_its_parts_are_those_of_the_images_lock_with_their_hashes(image: dict[str, Any]) -> None:
    lock = (ROOT / "requirements" / "image.txt").read_text()
    pinned = dict(PIN.findall(lock))
    left_out = {"colorama"}  # Windows alone
    assert versions(image) == {name: version for name, version in pinned.items() if name not in left_out}
    for part in image["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert part["hashes"]
        assert all(one["alg"] == "SHA-256" and one["content"] in lock for one in part["hashes"])


def test_everything_in_it_is_there_because_something_asks_for_it(image: dict[str, Any]) -> None:
    asked = {one["ref"]: set(one.get("dependsOn", ())) for one in image["dependencies"]}
    reached, left = set(), ["eucora"]
    while left:
        one = left.pop()
        if one not in reached:
            reached.add(one)
            left += asked[one]
    assert reached == {part["bom-ref"] for part in image["components"]} | {"eucora"}


def test_what_the_bill_of_the_test_lock_lists_is_what_is_installed_here() -> None:
    listed = versions(json.loads(written("test")))
    # Of the environment alone: whoever imported setuptools has its private copies of packages on the path as well.
    here = importlib.metadata.distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    installed = {re.sub(r"[._-]+", "-", one.metadata["Name"]).lower(): one.version for one in here}
    assert {name: installed.get(name) for name in listed} == listed


def test_what_the_code_imports_is_in_the_bill_of_the_runtime() -> None:
    """An environment that lives long has more in it than the locks; what counts is that nothing of it is used."""
    listed = versions(json.loads(written("runtime"))).keys() | OUTSIDE
    shipped = importlib.metadata.packages_distributions()
    text = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:import|from) ([a-z0-9_]+)", text, flags=re.MULTILINE)) & shipped.keys()
    assert {"fastapi", "asyncpg", "joserfc"} <= imported
    for module in imported:
        assert {re.sub(r"[._-]+", "-", one).lower() for one in shipped[module]} & listed, module


@pytest.mark.parametrize("name", ["runtime", "image"])
def test_an_auditor_reads_the_lock_without_resolving_it(name: str) -> None:
    """`pip-audit --disable-pip --require-hashes -r` wants each requirement once, at one version, with its hashes.

    Source: pip-audit's own checks, told in its issue 662 (a name that comes twice is refused); read 2026-11-23.
    """
    names = [one for one, _ in PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text())]
    assert len(names) == len(set(names))
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements" / f"{name}.txt").read_text().strip()):
        lines = [line.rstrip(" \\") for line in entry.splitlines()]
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==[^\s;]+( ; [^#]+)?", lines[0]), lines[0]
        assert lines[1:]
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in lines[1:]), lines[0]
