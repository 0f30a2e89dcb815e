"""Simulated Azure Blob Storage: Put Block, Put Block List and Get Blob behind a signed URL that expires.

Source: Azure Storage REST reference, Put Block and Put Block List (block ids are base64 of at most 64 bytes, of equal
length within a blob; 201 on success; no Authorization header, the signature in the URL is the credential).
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode
from uuid import uuid4
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.lab.clock import Clock
from eucora.lab.roster import draw_token

_VERSION: Final = "2017-04-17"
_BLOCKS_MAX: Final = 50_000
_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(slots=True)
class _Blob:
    staged: dict[str, bytes] = field(default_factory=dict)  # by block id
    committed: dict[str, bytes] | None = None  # by block id, in the order of the list; None before there was one

    @property
    def content(self) -> bytes | None:
        return None if self.committed is None else b"".join(self.committed.values())


class _BlobError(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


class BlobStore:
    """Blobs in memory, by path ``container/name``, until they are taken out."""

    def __init__(self, seed: int, clock: Clock, base_url: str) -> None:
        """``base_url`` is where this storage account is reached, without a slash at the end."""
        self._key = draw_token(seed, "storage-account").encode()
        self._clock, self._base_url = clock, base_url
        self._blobs: dict[str, _Blob] = {}

    def signed_url(self, path: str, *, lifetime_s: float) -> tuple[str, datetime]:
        """A URL that may write ``path``, and when it stops working (UTC, whole seconds)."""
        self._blobs.setdefault(path, _Blob())
        return self._signed(path, "w", lifetime_s)

    def _signed(self, path: str, right: str, lifetime_s: float) -> tuple[str, datetime]:
        expires = (self._clock.now() + timedelta(seconds=lifetime_s)).replace(microsecond=0)
        stamp = expires.strftime(_STAMP)
        # The correlation id makes each URL its own, as a fresh signing time does in Azure.
        scid = str(uuid4())
        fields = {"sv": _VERSION, "sr": "b", "se": stamp, "sp": right, "scid": scid}
        fields["sig"] = self._signature(right, path, stamp, scid)
        return f"{self._base_url}/{quote(path)}?{urlencode(fields)}", expires

    def offer(self, path: str, content: bytes, *, lifetime_s: float) -> tuple[str, datetime]:
        """Keep ``content``; a URL that may read it, and when it stops working (UTC, whole seconds)."""
        self._blobs[path] = _Blob(committed={"": content})
        return self._signed(path, "r", lifetime_s)

    def content(self, path: str) -> bytes | None:
        """The committed bytes; None when no block list was put."""
        blob = self._blobs.get(path)
        return blob.content if blob else None

    def forget(self, path: str) -> None:
        """Drop the blob and what was staged for it."""
        self._blobs.pop(path, None)

    def _signature(self, right: str, path: str, expires: str, scid: str) -> str:
        signed = "\n".join((right, expires, path, scid, _VERSION))
        return base64.b64encode(hmac.digest(self._key, signed.encode(), "sha256")).decode()

    def authorise(self, path: str, request: Request) -> _Blob:
        """The blob a signed request may write or, by GET, read. Raises _BlobError 403 or 404."""
        query, right = request.query_params, "r" if request.method == "GET" else "w"
        good = hmac.compare_digest(
            self._signature(right, path, query.get("se", ""), query.get("scid", "")), query.get("sig", "")
        )
        if "authorization" in request.headers or not good or query.get("sp") != right or query.get("sr") != "b":
            raise _BlobError(403, "AuthenticationFailed", "Server failed to authenticate the request.")
        if self._clock.now().strftime(_STAMP) >= query["se"]:
            raise _BlobError(403, "AuthenticationFailed", "Signature not valid in the specified time frame.")
        blob = self._blobs.get(path)
        if blob is None:
            raise _BlobError(404, "BlobNotFound", "The specified blob does not exist.")
        return blob


def create_blob(store: BlobStore) -> Starlette:
    """``PUT /{container}/{blob}?comp=block|blocklist`` and ``GET /{container}/{blob}``, with the signature's fields."""

    async def get(request: Request) -> Response:
        try:
            content = store.authorise(request.path_params["path"], request).content
        except _BlobError as error:
            return error_response(error.status, error.code, error.text)
        if content is None:
            return error_response(404, "BlobNotFound", "The specified blob does not exist.")
        return Response(content, media_type="application/octet-stream", headers=_headers())

    async def put(request: Request) -> Response:
        try:
            blob = store.authorise(request.path_params["path"], request)
            match request.query_params.get("comp"):
                case "block":
                    await _put_block(blob, request)
                case "blocklist":
                    await _put_block_list(blob, request)
                case _:
                    raise _BlobError(400, "InvalidQueryParameterValue", "The value of comp is not one this lab knows.")
        except _BlobError as error:
            return error_response(error.status, error.code, error.text)
        return Response(status_code=201, headers=_headers() | {"etag": f'"0x{uuid4().hex[:15].upper()}"'})

    return Starlette(routes=[Route("/{path:path}", put, methods=["PUT"]), Route("/{path:path}", get, methods=["GET"])])


def error_response(status: int, code: str, text: str) -> Response:
    """An error as the storage service words it: XML, and the code in a header too."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return Response(body, status, media_type="application/xml", headers=_headers() | {"x-ms-error-code": code})


async def _put_block(blob: _Blob, request: Request) -> None:
    if "content-length" not in request.headers:
        raise _BlobError(411, "MissingContentLengthHeader", "Content-Length HTTP header is required.")
    block_id = request.query_params.get("blockid", "")
    try:
        length = len(base64.b64decode(block_id, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    alike = not blob.staged or len(block_id) == len(next(iter(blob.staged)))
    if not 1 <= length <= 64 or not alike:
        raise _BlobError(400, "InvalidBlobOrBlock", "The specified block ID is invalid.")
    if block_id not in blob.staged and len(blob.staged) >= _BLOCKS_MAX:
        raise _BlobError(409, "BlockCountExceedsLimit", "The uncommitted block count exceeds the limit.")
    body = await request.body()
    sent = request.headers.get("content-md5")
    if sent and base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != sent:
        raise _BlobError(400, "Md5Mismatch", "The MD5 value of the body does not match.")
    blob.staged[block_id] = body


async def _put_block_list(blob: _Blob, request: Request) -> None:
    try:
        root: Element = fromstring(await request.body())
    except (ParseError, DefusedXmlException) as error:
        raise _BlobError(400, "InvalidXmlDocument", "The specified XML is not syntactically valid.") from error
    if root.tag != "BlockList" or any(child.tag not in ("Latest", "Uncommitted") for child in root):
        raise _BlobError(400, "InvalidXmlDocument", "The specified XML is no block list of uncommitted blocks.")
    # "Latest" is looked for among the staged blocks, then in the list before: putting the same list twice is no fault.
    known = {"Uncommitted": blob.staged, "Latest": {**(blob.committed or {}), **blob.staged}}
    try:
        wanted = [((child.text or "").strip(), known[child.tag]) for child in root]
        blob.committed = {block_id: blocks[block_id] for block_id, blocks in wanted}
    except KeyError as error:
        raise _BlobError(400, "InvalidBlockList", "The specified block list is invalid.") from error
    blob.staged.clear()


def _headers() -> dict[str, str]:
    return {"x-ms-request-id": str(uuid4()), "x-ms-version": _VERSION}
