"""A scan report in Grype's JSON format over an SBOM's components.

The components are real, the vulnerabilities are not: ids, data source and text say so, and no published identifier has
their form, so that nobody takes them for a claim about a distribution.
"""

import json
from collections.abc import Sequence
from typing import Final

from eucora.lab.inputs.application import Application
from eucora.lab.inputs.environment import Distribution
from eucora.lab.inputs.sbom import purl_of

_DATA_SOURCE: Final = "https://lab.example.org/made-up-for-the-story"


def render_scan(application: Application, distributions: Sequence[Distribution], scanned: str) -> bytes:
    """The report for ``application``, one match for each of its severities; ``scanned`` is the file scanned."""
    # Spread over the list, so that the findings are not all in what sorts first; the same list gives the same picks.
    step = max(1, len(distributions) // (len(application.severities) + 1))
    chosen = [distributions[min((i + 1) * step, len(distributions)) - 1] for i in range(len(application.severities))]
    matches = [
        _match(application, number, severity, distribution)
        for number, (severity, distribution) in enumerate(zip(application.severities, chosen, strict=True), start=1)
    ]
    report = {
        "matches": matches,
        "source": {"type": "file", "target": scanned},
        "distro": {"name": "", "version": "", "idLike": None},
        "descriptor": {"name": "grype", "version": "0.0.0-lab"},
    }
    return json.dumps(report, indent=2).encode()


def _match(application: Application, number: int, severity: str, distribution: Distribution) -> dict[str, object]:
    letters = application.stem.lower()[:4]
    return {
        "vulnerability": {
            "id": f"GHSA-lab0-{letters}-{number:04d}",
            "dataSource": _DATA_SOURCE,
            "namespace": "lab:made-up",
            "severity": severity,
            "urls": [],
            "description": f"Made up for the story; says nothing about {distribution.name}.",
            "cvss": [],
            "fix": {"versions": [], "state": "unknown"},
            "advisories": [],
        },
        "relatedVulnerabilities": [],
        "matchDetails": [],
        "artifact": {
            "name": distribution.name,
            "version": distribution.version,
            "type": "python",
            "locations": [],
            "language": "python",
            "licenses": [],
            "cpes": [],
            "purl": purl_of(distribution),
            "metadata": None,
        },
    }
