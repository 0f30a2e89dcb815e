"""Package URLs, as far as scanners make us complete them.

Source: package-url/purl-spec: ``scheme:type/namespace/name@version?qualifiers#subpath``; read 2026-11-22.
"""

from urllib.parse import quote, unquote

from eucora.domain.findings import Component


def with_version(purl: str, version: str) -> str:
    """The purl with the version in its place, before qualifiers; as it is where it has one or where either is empty."""
    head, rest = _without_rest(purl)
    if not head or not version or "@" in head.rpartition("/")[2]:
        return purl
    return f"{head}@{quote(version, safe='.-_~:')}{rest}"


def component_of(purl: str) -> Component:
    """The component that the purl names; its name is ``namespace/name`` where there is a namespace."""
    path = _without_rest(purl)[0].partition("/")[2]
    # The version comes after the last "@" of the last part; a scope such as "@angular" comes before it.
    folder, slash, last = path.rpartition("/")
    name, _, version = last.partition("@")
    return Component(unquote(f"{folder}{slash}{name}") or purl, unquote(version), purl)


def _without_rest(purl: str) -> tuple[str, str]:
    at = min((found for found in map(purl.find, "?#") if found >= 0), default=len(purl))
    return purl[:at], purl[at:]
