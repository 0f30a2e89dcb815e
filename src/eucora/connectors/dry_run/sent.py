"""One request as a person sees it: no secret in it, no more of its body than can be read, names for ids to come."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from eucora.connectors.redaction import without_secrets

KEPT_MAX: Final = 1 << 20  # bytes of a body that are kept to be understood; of a longer one only size and digest
SHOWN_MAX: Final = 4_000  # characters of a body that are shown
REDACTED: Final = "[redacted]"
# Keys to uploaded content and what proves who we are; anything that looks like a token goes by its looks.
_SECRET_FIELDS: Final = frozenset(
    {"encryptionKey", "macKey", "mac", "initializationVector", "client_secret", "client_assertion", "password"}
)
# An option of a command line, and what follows it.
_OPTION: Final = re.compile(
    r"(?i)(?<=[\s/-])([a-z-]*(?:token|password|passwd|passphrase|pwd|secret|key)(?:\s+|:))[^\s\"'<]+"
)
_SHOWN_HEADERS: Final = ("content-type", "consistencylevel", "x-ms-blob-type")
_JUSTIFICATION: Final = "x-msft-approval-justification"  # base64, which nobody reads
_BLOB_QUERY: Final = re.compile(r"[?&](comp=[^&]*|blockid=[^&]*)")


class Kind(StrEnum):
    """What a request is to the vendor."""

    SIGN_IN = "sign_in"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of a dry run, in the order in which a rollout sends it.

    ``url`` and ``body`` have names like ``<new app>`` where only the vendor can say the id. ``path`` is the address
    without host and query. ``size`` (bytes) and ``sha256`` are of the body as it would be sent, of a form with a file
    those of the file. ``real``: it went out and was answered with ``status`` by the vendor; else we foresaw the answer.
    """

    kind: Kind
    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    body: str
    size: int
    sha256: str
    real: bool
    status: int


@dataclass(slots=True)
class Names:
    """Stands for ids that only the vendor can give, and what to show for each."""

    shown: dict[str, str] = field(default_factory=dict)

    def give(self, id: str, what: str) -> str:
        """Show ``id`` as ``<what>`` from now on, the second one as ``<what 2>``."""
        same = sum(name in (f"<{what}>",) or name.startswith(f"<{what} ") for name in self.shown.values())
        self.shown[id] = f"<{what} {same + 1}>" if same else f"<{what}>"
        return id

    def over(self, text: str) -> str:
        """``text`` with the names in place of the ids."""
        for id, name in self.shown.items():
            text = text.replace(id, name)
        return text


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body: ``content`` where it is short enough to be understood; size and digest as of ``Sent``."""

    content: bytes | None
    size: int
    sha256: str


async def read_body(request: httpx.Request) -> Body:
    """Read the body to its end in flat memory."""
    kept, size, plain, file = bytearray(), 0, hashlib.sha256(), _FormFile.of(request)
    assert isinstance(request.stream, httpx.AsyncByteStream)
    async for chunk in request.stream:
        size += len(chunk)
        plain.update(chunk)
        if size <= KEPT_MAX:
            kept += chunk
        if file is not None:
            file.feed(chunk)
    if file is not None and (found := file.end()) is not None:
        return Body(None, *found)
    return Body(bytes(kept) if size <= KEPT_MAX else None, size, plain.hexdigest() if size else "")


def shown_url(url: httpx.URL, names: Names) -> str:
    """The address without what proves who we are. Of an address for uploads only the words about blocks are kept."""
    host, query = f"{url.scheme}://{url.netloc.decode('ascii')}", url.query.decode("ascii")
    if "comp=" in query:
        query = "&".join(_BLOB_QUERY.findall(f"?{query}"))
    return names.over(without_secrets(f"{host}{url.path}{f'?{unquote_plus(query)}' if query else ''}"))


def shown_headers(request: httpx.Request, names: Names) -> dict[str, str]:
    """The headers that a person wants to see; the justification for a second administrator in plain words."""
    shown = {name: request.headers[name].partition("; boundary=")[0] for name in _SHOWN_HEADERS
             if name in request.headers}  # fmt: skip
    if (justified := request.headers.get(_JUSTIFICATION)) is not None:
        try:
            shown[_JUSTIFICATION] = names.over(base64.b64decode(justified, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            shown[_JUSTIFICATION] = justified
    return shown


def shown_body(body: Body, content_type: str, names: Names) -> str:
    """What the body says, without secrets; bytes that say nothing by their size and digest."""
    if body.size == 0:
        return ""
    text = None if body.content is None else _text(body.content, content_type)
    if text is None:
        return f"{body.size} bytes, SHA-256 {body.sha256}"
    text = names.over(_OPTION.sub(r"\1[redacted]", without_secrets(text)))
    if len(text) <= SHOWN_MAX:
        return text
    return f"{text[:SHOWN_MAX]}… ({body.size} bytes, SHA-256 {body.sha256})"


def _text(content: bytes, content_type: str) -> str | None:
    if "json" in content_type:
        try:
            return json.dumps(_without_keys(json.loads(content)), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return None
    if "xml" in content_type:
        try:
            document = fromstring(content, forbid_dtd=True)
        except (ElementTree.ParseError, DefusedXmlException, ValueError):
            return None
        ElementTree.indent(document)
        return ElementTree.tostring(document, encoding="unicode")
    return None


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: REDACTED if name in _SECRET_FIELDS else _without_keys(one) for name, one in value.items()}
    return [_without_keys(one) for one in value] if isinstance(value, list) else value


class _FormFile:
    """The one file in a multipart form, by size and digest; its bytes pass by and are not kept."""

    def __init__(self, boundary: bytes) -> None:
        self._opening, self._inside = b"", False
        self._tail, self._after = b"", len(boundary) + 8  # CRLF -- boundary -- CRLF
        self._digest, self._size = hashlib.sha256(), 0

    @classmethod
    def of(cls, request: httpx.Request) -> "_FormFile | None":
        kind, _, boundary = str(request.headers.get("content-type", "")).partition("; boundary=")
        return cls(boundary.strip('"').encode()) if kind == "multipart/form-data" and boundary else None

    def feed(self, chunk: bytes) -> None:
        for piece in self._within(chunk):
            data = self._tail + piece
            done, self._tail = data[: -self._after], data[-self._after :]
            self._digest.update(done)
            self._size += len(done)

    def end(self) -> tuple[int, str] | None:
        """Size and digest; None: this was no form with a file."""
        return (self._size, self._digest.hexdigest()) if self._inside else None

    def _within(self, chunk: bytes) -> Iterator[bytes]:
        if self._inside:
            yield chunk
            return
        self._opening += chunk
        _, mark, rest = self._opening.partition(b"\r\n\r\n")
        if mark:
            self._inside, self._opening = True, b""
            yield rest
