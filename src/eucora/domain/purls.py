"""When two components are the same one: package URLs without what differs between tools, names where there are none."""

from collections.abc import Iterable
from urllib.parse import unquote

from eucora.domain.findings import Component

Key = tuple[str, str]


def plain_purl(purl: str) -> str:
    """Type, namespace, name and version, decoded; without qualifiers and subpath, which tools add as they please.

    PyPI counts case and underscores in names as nothing. Source: package-url/purl-spec, PURL-TYPES.rst, ``pypi``.
    """
    plain = unquote(purl.split("#", 1)[0].split("?", 1)[0])
    kind, _, rest = plain.partition("/")
    kind = kind.lower()
    return f"{kind}/{rest.lower().replace('_', '-') if kind == 'pkg:pypi' else rest}"


def full_purl(component: Component) -> str:
    """The component's plain purl, with its version also where the purl leaves that away; empty without a purl."""
    if not component.purl:
        return ""
    plain = plain_purl(component.purl)
    return plain if _version_at(plain) or not component.version else f"{plain}@{component.version}"


def without_version(plain: str) -> str:
    """A plain purl that means every version."""
    at = _version_at(plain)
    return plain[:at] if at else plain


def _version_at(plain: str) -> int:
    """Where the version begins; 0: there is none. A scope such as ``@types`` begins a segment, a version never does."""
    at = plain.rfind("@")
    return at if at > plain.rfind("/") + 1 else 0


class Identities:
    """Which components of many are the same.

    By purl; one that has none is taken for the one with its name and version, when there is exactly one such: two
    scanners need not write the same component in the same way, and a guess between two would hide one of them.
    """

    def __init__(self, components: Iterable[Component]) -> None:
        self._purls: dict[Key, str | None] = {}
        for component in components:
            if purl := full_purl(component):
                named = (component.name.lower(), component.version)
                if self._purls.setdefault(named, purl) != purl:
                    self._purls[named] = None

    def key(self, component: Component) -> Key:
        """The same for two components that are one."""
        if purl := full_purl(component):
            return ("", purl)
        named = (component.name.lower(), component.version)
        purl_of_name = self._purls.get(named) if component.name else None
        return ("", purl_of_name) if purl_of_name else named
