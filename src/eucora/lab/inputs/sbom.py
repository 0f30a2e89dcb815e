"""CycloneDX 1.6 SBOMs over the installed distributions, written by cyclonedx-python-lib."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from eucora.lab.inputs.application import Application
from eucora.lab.inputs.environment import Distribution

# The same environment gives the same bytes, so that a story told twice has the same digests.
_TIMESTAMP: Final = datetime(2026, 1, 1, tzinfo=UTC)


def purl_of(distribution: Distribution) -> str:
    """The package URL of an installed distribution."""
    return PackageURL("pypi", None, distribution.name, distribution.version).to_string()


def render_sbom(application: Application, distributions: Sequence[Distribution]) -> bytes:
    """The SBOM of ``application``: one library component a distribution, and who needs whom; UTF-8 JSON."""
    parts = {each.name: _component(each) for each in distributions}
    root = Component(
        name=application.name,
        version=application.version,
        type=ComponentType.APPLICATION,
        bom_ref=application.identifier,
        publisher=application.publisher,
        description=application.purpose,
    )
    bom = Bom(components=parts.values())
    bom.metadata.timestamp = _TIMESTAMP
    bom.metadata.component = root
    listed = "\n".join(purl_of(each) for each in distributions)
    bom.serial_number = uuid5(NAMESPACE_URL, f"{application.identifier}@{application.version}\n{listed}")
    bom.register_dependency(root, parts.values())
    for each in distributions:
        bom.register_dependency(parts[each.name], [parts[need] for need in each.needs if need in parts])
    return JsonV1Dot6(bom).output_as_string(indent=2).encode()


def _component(distribution: Distribution) -> Component:
    purl = PackageURL("pypi", None, distribution.name, distribution.version)
    return Component(
        name=distribution.name,
        version=distribution.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
    )
