"""Writes a CycloneDX 1.6 bill of materials of a hashed lock, without network: ``python scripts/sbom.py image``.

What pip would install from the lock on Linux with CPython 3.11 is listed; the same lock gives the same bytes.
"""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
# Where the image runs (Dockerfile); the locks hold other systems' packages as well.
THERE: Final[Mapping[str, str]] = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "python_version": "3.11",
    "python_full_version": "3.11.0",
}
_PIN: Final = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==(?P<version>[^\s;\\]+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a lock: a distribution at one version, and the SHA-256 of each file that may stand for it."""

    name: str
    version: str
    sha256: tuple[str, ...]


def pins(lock: str) -> Iterator[Pin]:
    """The distributions that a lock has for the image's system. Raises ValueError for a line that is no pin."""
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        found = _PIN.match(entry)
        if found is None:
            raise ValueError(f"no pin: {entry.splitlines()[0]}")
        marker = entry.splitlines()[0].partition(";")[2].strip(" \\")
        if not marker or Marker(marker).evaluate(dict(THERE)):
            yield Pin(found["name"], found["version"], tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)))


def bill(lock: str, name: str) -> str:
    """The bill of materials of the lock ``name`` with the content ``lock``, as JSON text."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    product = Component(
        type=ComponentType.APPLICATION,
        name=about["name"],
        version=about["version"],
        bom_ref=about["name"],
        licenses=[LicenseExpression(about["license"])],
        purl=PackageURL("pypi", name=about["name"], version=about["version"]),
    )
    parts = {pin.name: _component(pin) for pin in pins(lock)}
    bom = Bom(components=parts.values(), serial_number=uuid5(NAMESPACE_URL, f"{name}\n{lock}"))
    bom.metadata.component = product
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the same lock, the same bytes
    bom.register_dependency(product, [])
    # An extra asks too, where the lock has it.
    extras = [line for lines in about["optional-dependencies"].values() for line in lines]
    for one, needs in _needs([*about["dependencies"], *extras]).items():
        whose = product if one == "" else parts.get(one)
        if whose is not None:
            bom.register_dependency(whose, [parts[other] for other in sorted(needs) if other in parts])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(pin: Pin) -> Component:
    purl = PackageURL("pypi", name=pin.name, version=pin.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=pin.name,
        version=pin.version,
        bom_ref=str(purl),
        purl=purl,
        # One for each wheel and source archive of the version: pip takes whichever fits.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.sha256],
    )


def _needs(wanted: list[str]) -> dict[str, set[str]]:
    """Who asks for whom, from the project ("") down, with the extras that are asked for.

    Nothing is known of a distribution that is not installed here: it is listed, and asks for nobody.
    """
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    left = [("", Requirement(line)) for line in wanted]
    while left:
        who, requirement = left.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(who, set()).add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                lines = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue
            needs = [Requirement(line) for line in lines]
            left += [
                (name, one) for one in needs if one.marker is None or one.marker.evaluate({**THERE, "extra": extra})
            ]
    return found


if __name__ == "__main__":
    lock_name = sys.argv[1] if len(sys.argv) == 2 else "image"
    sys.stdout.write(bill((ROOT / "requirements" / f"{lock_name}.txt").read_text(), lock_name))
