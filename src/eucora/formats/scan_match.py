"""Does this scan belong to this SBOM?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from eucora.domain.findings import Component, SbomFacts, ScanFacts

STRANGERS_SHOWN_MAX: Final = 5

# Words of file names and image tags that say nothing about what was scanned.
_GENERIC: Final = frozenset(
    {
        "app",
        "application",
        "com",
        "github",
        "org",
        "artifact",
        "bin",
        "bom",
        "build",
        "cdx",
        "cyclonedx",
        "dir",
        "dist",
        "exe",
        "file",
        "home",
    }
    | {"image", "intunewin", "json", "latest", "local", "msi", "out", "package", "pkg", "release", "sbom", "scan"}
    | {"git", "http", "https"}
    | {"setup", "source", "src", "target", "tmp", "unknown", "work", "workspace", "x64", "x86"}
    | {"checkout", "dmg", "docker", "extracted", "installer", "jar", "library", "main", "project", "repo", "rootfs"}
)
# Subjects that name no product: Grype and Syft take directories and SBOMs as ``dir:`` and ``sbom:``, and an image may
# be known by its digest alone; a repository is often named otherwise than the product.
# Source: https://github.com/anchore/grype README, supported sources.
_NAMELESS: Final = re.compile(
    r"(dir|sbom|purl|sha256):|[a-z+.-]+://|.*[/\\]$|.*\.(json|xml|spdx|cdx)$", re.IGNORECASE | re.DOTALL
)
_PATH: Final = re.compile(r"file:|[/.~\\]|[A-Za-z]:[/\\]")
_FILE_SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")


class MismatchKind(StrEnum):
    """How far a scan is from an SBOM."""

    ANOTHER_ARTIFACT = "another_artifact"  # nothing in common: the scan is of something else
    STRANGERS = "strangers"  # some findings are in components that the SBOM does not list


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a scan does not belong to an SBOM.

    ``strangers``: the first few of the ``strangers_total`` components that the SBOM does not list.
    """

    kind: MismatchKind
    reason: str
    way_out: str
    strangers: Sequence[str] = ()
    strangers_total: int = 0

    def __str__(self) -> str:
        """The reason, the first strangers and the way out, as sentences."""
        more = ", …" if self.strangers_total > len(self.strangers) else ""
        named = f" ({', '.join(self.strangers)}{more})" if self.strangers else ""
        return f"{self.reason}{named}. {self.way_out}"


def scan_matches_sbom(scan: ScanFacts, sbom: SbomFacts) -> Mismatch | None:
    """None when the subjects agree and every finding is in a component of the SBOM; otherwise what does not fit.

    A component is in the SBOM by its purl without qualifiers, or by name and version (scanners write Maven's and
    Composer's groups in ways of their own; both are understood). Subjects disagree when both name something and have no
    word in common. Of a scan without findings in components (SARIF knows files only) the subject is all there is, so
    that the words of a directory count, too; with such findings a directory, a document or an address is no name.
    """
    found = dict.fromkeys(one.component for one in scan.findings if one.component.version or one.component.purl)
    if not found:
        return _subjects_differ(scan.subject, sbom.subject.name)
    if _named(scan.subject) and _named(sbom.subject.name):
        # Libraries are shared: another application's findings may well all be in components of this one.
        differ = _subjects_differ(scan.subject, sbom.subject.name)
        if differ is not None:
            return differ
    listed = {key for component in (sbom.subject, *sbom.components) for key in _keys(component, shorten=True)}
    strangers = [
        _label(component)
        for component in found
        if not listed.intersection(_keys(component, shorten=not component.purl))
    ]
    if not strangers:
        return None
    shown = tuple(strangers[:STRANGERS_SHOWN_MAX])
    if len(strangers) == len(found):
        return Mismatch(
            MismatchKind.ANOTHER_ARTIFACT,
            f"none of the {len(found)} components with findings is in the SBOM; the scan is of another artifact",
            "Scan the artifact that this SBOM describes and hand in that report.",
            shown,
            len(strangers),
        )
    return Mismatch(
        MismatchKind.STRANGERS,
        f"{len(strangers)} of the {len(found)} components with findings are not in the SBOM",
        "Make the SBOM and the scan from the same build.",
        shown,
        len(strangers),
    )


def _label(component: Component) -> str:
    return component.purl or f"{component.name}@{component.version}"


def _keys(component: Component, *, shorten: bool) -> Iterator[tuple[str, ...]]:
    """What a component may be known by. Empty names give no key, so that two nameless ones never meet."""
    if component.purl:
        yield ("purl", _plain_purl(component.purl))
    if component.name:
        full = component.name.lower().replace(":", "/")
        yield ("name", full, component.version)
        # A scanner may leave away the group that the SBOM has; one that gives a purl has said which group it means.
        if shorten:
            yield ("name", full.rsplit("/", 1)[-1], component.version)


def _plain_purl(purl: str) -> str:
    """Scheme, type, namespace, name and version, decoded; PyPI names folded as the purl rules say."""
    plain = unquote(purl.split("#", 1)[0].split("?", 1)[0])
    scheme_type, _, rest = plain.partition("/")
    scheme_type = scheme_type.lower()
    return f"{scheme_type}/{rest.lower().replace('_', '-') if scheme_type == 'pkg:pypi' else rest}"


def _words(text: str) -> set[str]:
    # "FieldNotes" and "field-notes" are the same words; versions and what has fewer than three letters are no words.
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return {word for word in re.findall(r"[a-z]{3}[a-z0-9]*", apart.lower()) if word not in _GENERIC}


def _squeezed(text: str) -> str:
    return "".join(re.findall(r"[a-z0-9]+", text.lower()))


def _named(subject: str) -> bool:
    """Whether a subject names a product: an image, a module or a file, not where something lay."""
    text = subject.strip()
    if _NAMELESS.match(text):
        return False
    if not _PATH.match(text):
        return bool(_words(text.split("@", 1)[0]))
    file_name = re.split(r"[/\\]", text)[-1]
    return bool(_FILE_SUFFIX.search(file_name) and _words(file_name))


def _subjects_differ(scanned: str, described: str) -> Mismatch | None:
    ours, theirs = _words(described), _words(scanned)
    if not ours or not theirs or ours & theirs:
        return None
    if any(word in _squeezed(described) for word in theirs) or any(word in _squeezed(scanned) for word in ours):
        return None  # "fieldnotes" is "Field Notes"
    return Mismatch(
        MismatchKind.ANOTHER_ARTIFACT,
        f"the scan names {scanned[:200]!r} and the SBOM {described[:200]!r}",
        "Scan the artifact that this SBOM describes and hand in that report.",
    )
