"""Statements about exploitability, looked up by finding: which one holds when several speak of the same."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from eucora.domain.cves import is_cve
from eucora.domain.findings import Component, VexFacts, VexStatement, VexStatus
from eucora.domain.purls import full_purl, plain_purl, without_version

SUPPRESSING: Final = (VexStatus.NOT_AFFECTED, VexStatus.FIXED)
_HARM: Final = (VexStatus.NOT_AFFECTED, VexStatus.FIXED, VexStatus.UNDER_INVESTIGATION, VexStatus.AFFECTED)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_EVERYTHING: Final = ""


@dataclass(frozen=True, slots=True)
class VexMark:
    """The statement that holds for a finding. ``stated_at`` None: it says no time, and any that says one is newer."""

    status: VexStatus
    justification: str
    stated_at: datetime | None
    author: str

    @property
    def suppresses(self) -> bool:
        """Whether a finding below critical is not counted. ``affected`` and ``under_investigation`` count."""
        return self.status in SUPPRESSING


class VexBook:
    """All statements, by vulnerability and product.

    The latest statement holds; of two with one time, the one that suppresses less. ``name_of`` brings a vulnerability's
    ids to the one that findings go by. ``subjects``: what the SBOMs are about; a statement about that is one about
    every part of it, or about the subcomponents that it names.
    """

    def __init__(
        self, documents: Iterable[VexFacts], name_of: Callable[[str], str], subjects: Sequence[Component] = ()
    ) -> None:
        whole = {reference for subject in subjects for reference in _known_as(subject)}
        self._marks: dict[str, dict[str, VexMark]] = {}
        for document in documents:
            for statement in document.statements:
                mark = VexMark(statement.status, statement.justification, statement.stated_at, document.author)
                about = _about(statement, whole)
                for name in _names(statement, name_of) if about else ():
                    products = self._marks.setdefault(name, {})
                    for of in about:
                        known = products.get(of)
                        products[of] = mark if known is None else max(known, mark, key=_weight)

    def mark(self, vulnerability: str, component: Component) -> VexMark | None:
        """What holds for the component; None: nobody said anything."""
        products = self._marks.get(vulnerability)
        if products is None:
            return None
        found = [products[of] for of in (_EVERYTHING, *_known_as(component)) if of in products]
        return max(found, key=_weight, default=None)


def _weight(mark: VexMark) -> tuple[datetime, int, str, str]:
    return mark.stated_at or _LONG_AGO, _HARM.index(mark.status), mark.justification, mark.author


def _names(statement: VexStatement, name_of: Callable[[str], str]) -> AbstractSet[str]:
    """What findings call the vulnerability. Aliases that lead to another CVE are not followed."""
    own = name_of(statement.vulnerability)
    named = {own, *map(name_of, statement.aliases)}
    return named if sum(is_cve(name) for name in named) < 2 else {own}


def _about(statement: VexStatement, whole: AbstractSet[str]) -> AbstractSet[str]:
    """References to what is meant. Parts of a product that is not ours mean nothing here."""
    products = {_reference(product) for product in statement.products}
    all_of_it = not products or not products.isdisjoint(whole)
    if statement.subcomponents:
        return {_reference(part) for part in statement.subcomponents} if all_of_it else set()
    return {_EVERYTHING} if all_of_it else products


def _reference(text: str) -> str:
    # A BOM-Link names a component inside a BOM by what follows the hash sign.
    # Source: CycloneDX, Authoritative Guide to SBOM, "BOM-Link"; read 2026-11-22.
    named = unquote(text.partition("#")[2] or text) if text.startswith("urn:cdx:") else text
    return plain_purl(named) if named.lower().startswith("pkg:") else named


def _known_as(component: Component) -> Iterator[str]:
    """References that mean the component. A purl without a version means all versions; a bare name means nothing."""
    if purl := full_purl(component):
        yield purl
        yield without_version(purl)
    if component.name and component.version:
        yield f"{component.name}@{component.version}"
