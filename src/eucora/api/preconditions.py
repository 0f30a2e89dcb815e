"""If-Match and If-None-Match: which versions of a resource a request names (RFC 9110, sections 8.8.3 and 13.1).

The ETag of a resource is the number of its version, in double quotes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from eucora.api.problems import Problem, Refused, Row

NOT_A_VERSION: Final = Row(412, "version-mismatch", "The resource changed since the caller looked")
NO_VERSION: Final = Row(428, "if-match-missing", "The request does not say what the caller saw")
MALFORMED: Final = Row(400, "if-match-malformed", "The If-Match header is not a list of ETags")
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "What If-None-Match names still stands, so it is not sent again"}
}
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
# A list may hold empty elements (RFC 9110, section 5.6.1.2).
_TAGS: Final = re.compile(rf"[ \t,]*{_TAG.pattern}(?:[ \t]*,[ \t,]*{_TAG.pattern})*[ \t,]*")
TAGS_PATTERN: Final = (
    r'^(\*|[ \t,]*(W/)?"[!#-~\x80-\xff]*"([ \t]*,[ \t,]*(W/)?"[!#-~\x80-\xff]*")*[ \t,]*)$'  # the same, for others
)
_VERSION: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class NotModified(Exception):
    """The caller has what he asks for; ``etag`` is that of it."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


@dataclass(frozen=True, slots=True)
class Named:
    """One entity tag: ``opaque`` without its quotes."""

    opaque: str
    weak: bool


def etag(version: int) -> str:
    """The strong ETag of a version."""
    return f'"{version}"'


def tags(lines: Iterable[str]) -> list[Named] | None:
    """The entity tags of a header, over all of its lines; None: ``*``. Raises ValueError: it is not a list of tags."""
    text = ", ".join(lines).strip(" \t")
    if text == "*":
        return None
    if not _TAGS.fullmatch(text):
        raise ValueError(text[:40])
    return [Named(opaque, weak=bool(weak)) for weak, opaque in _TAG.findall(text)]


def version_named(lines: Iterable[str]) -> int | None:
    """The version that the resource must stand at; None: at any, where the header is ``*``.

    Of several the greatest counts. Versions only grow, and who holds a tag of a version has it from us, so the resource
    can stand at none of the smaller ones any more. A weak tag never matches: the comparison is the strong one.

    Raises:
        Refused: not a list of tags (400), or none among them can be a version of ours (412).
    """
    try:
        named = tags(lines)
    except ValueError as error:
        detail = f'If-Match must hold ETags in double quotes, such as "4", and not {str(error)!r}; send it as it came.'
        raise Refused(Problem(MALFORMED, detail)) from error
    if named is None:
        return None
    versions = [int(tag.opaque) for tag in named if not tag.weak and _VERSION.fullmatch(tag.opaque)]
    if not versions:
        detail = 'If-Match must name the strong ETag of the resource, such as "4", and names none; read it again.'
        raise Refused(Problem(NOT_A_VERSION, detail))
    return max(versions)


def version_seen(lines: Iterable[str]) -> int:
    """The same where a version must be named. Raises Refused, also for ``*`` (428)."""
    version = version_named(lines)
    if version is None:
        detail = "Name the version that you saw, as its ETag: a decision on any version is no decision."
        raise Refused(Problem(NO_VERSION, detail))
    return version


def require_modified(lines: Iterable[str], version: int) -> None:
    """Raises NotModified when If-None-Match names the version, weakly or strongly, or is ``*``.

    What cannot be read asks for nothing: the whole answer is always right.
    """
    given = list(lines)
    if not given:
        return
    try:
        named = tags(given)
    except ValueError:
        return
    if named is None or any(tag.opaque == str(version) for tag in named):
        raise NotModified(etag(version))
