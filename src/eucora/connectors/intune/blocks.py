"""A file put into blob storage: blocks side by side, then their list, under an address that ends and is renewed.

Source: Azure Storage REST, Put Block and Put Block List: block ids are base64, of equal length within a blob, and the
signature in the address is the credential. Memory does not grow with the file: no more than ``PARALLEL`` + 1 blocks.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import BinaryIO, Final, TypeAlias
from urllib.parse import quote

import httpx

from eucora.application.planes import PlaneRejected
from eucora.connectors.errors import classify, report
from eucora.connectors.http import send
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import JsonObject, off_schema, text_in
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.planes import Plane

BLOCK_BYTES: Final = 6 * 1024 * 1024  # as in Microsoft's own uploader; 50,000 blocks of it hold any app
PARALLEL: Final = 4  # blocks on their way at once
REMEMBERED: Final = 100  # files; one that nobody goes on with is forgotten, and would be sent whole again
RENEW_BEFORE: Final = timedelta(minutes=3)  # a block has this long to arrive
_OPERATION: Final = "publish"

Opener: TypeAlias = Callable[[], AbstractContextManager[BinaryIO]]


class SignedAddress:
    """The address of one content file. Who finds it ended has it renewed, once for all who send under it."""

    def __init__(
        self,
        file: JsonObject,
        *,
        renew: Callable[[JsonObject], Awaitable[JsonObject]],
        now: Callable[[], datetime],
        https: bool,
    ) -> None:
        """``file``: Intune's record of it; ``renew`` gives a newer one. ``https``: an address without it is refused."""
        self._file, self._renew, self._now, self._https = file, renew, now, https
        self._clock_is_right = True
        self._renewing = asyncio.Lock()

    async def current(self) -> str:
        """The address, renewed first where it ends soon."""
        async with self._renewing:
            if self._clock_is_right and self._ends_soon():
                self._file = await self._renew(self._file)
                # a fresh address that "ends soon" tells of our clock, not of the address; storage itself will say
                self._clock_is_right = not self._ends_soon()
            return self._address()

    async def instead_of(self, ended: str) -> str:
        """An address newer than ``ended``, which storage no longer takes."""
        async with self._renewing:
            if self._address() == ended:
                self._file = await self._renew(self._file)
            return self._address()

    @property
    def blob(self) -> str:
        """What is written under the address, however often that is renewed."""
        return self._address().partition("?")[0]

    def _ends_soon(self) -> bool:
        expires = wire.moment(self._file.get("azureStorageUriExpirationDateTime"))
        return expires is not None and expires - self._now() < RENEW_BEFORE

    def _address(self) -> str:
        address = text_in(_OPERATION, self._file, "azureStorageUri")
        if self._https and not address.startswith("https://"):
            raise off_schema(_OPERATION, "azureStorageUri is not https")
        return address


class _Body:
    """A request's body that can be let go of, and sent again until then.

    httpx holds an answer and its request in a cycle, so that bytes handed to it live until the collector comes by.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data

    def release(self) -> None:
        self._data = b""


class BlockUpload:
    """``storage`` is a client without credentials.

    Remembers which blocks it sent of the unfinished files that were tried last: the signature lets us write, not look
    what is there. Where renewing an address takes an approval, an upload that is longer than one address lives gets on
    by that.
    """

    def __init__(self, storage: httpx.AsyncClient, *, block_bytes: int = BLOCK_BYTES, parallel: int = PARALLEL) -> None:
        self._storage, self._block_bytes, self._parallel = storage, block_bytes, parallel
        self._sent: dict[str, set[str]] = {}  # ids of blocks, by blob; the one tried last at the end

    async def put(self, address: SignedAddress, opened: Opener) -> None:
        """Every block that is not there yet, and then their list. ``opened`` gives the same bytes for the same blob.

        Raises:
            PlaneRejected: the file cannot be read, or storage refuses what it gets.
            PlaneForbidden: storage refuses even a renewed address.
            PlaneUnavailable: storage does not answer.
        """
        blob = address.blob
        sent = self._remembered(blob)
        went_on = bool(sent)
        try:
            with opened() as content:
                block_ids = await self._put_blocks(address, content, sent)
        except (UnreadableEvidence, OSError) as error:
            raise unreadable(error) from error
        listed = "".join(f"<Latest>{block_id}</Latest>" for block_id in block_ids)
        xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
        try:
            await self._send(address, "comp=blocklist", xml.encode(), {"Content-Type": "application/xml"})
        except PlaneRejected:
            self._sent.pop(blob, None)
            if not went_on:
                raise
            # storage drops blocks that nobody listed for a week
            await self.put(address, opened)
        else:
            self._sent.pop(blob, None)

    def _remembered(self, blob: str) -> set[str]:
        sent = self._sent[blob] = self._sent.pop(blob, set())
        if len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return sent

    async def _put_blocks(self, address: SignedAddress, content: BinaryIO, sent: set[str]) -> list[str]:
        block_ids: list[str] = []
        reading = asyncio.Lock()
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}

        async def carry() -> None:
            while True:
                async with reading:  # one reader, so that blocks are numbered as they lie in the file
                    block = await asyncio.to_thread(content.read, self._block_bytes)
                    if not block:
                        return
                    block_id = base64.b64encode(f"{len(block_ids):08d}".encode()).decode()
                    block_ids.append(block_id)
                if block_id not in sent:
                    await self._send(address, f"comp=block&blockid={quote(block_id, safe='')}", block, headers)
                    sent.add(block_id)
                del block  # not held while the next one is read

        carriers = [asyncio.create_task(carry()) for _ in range(self._parallel)]
        try:
            await asyncio.gather(*carriers)
        finally:
            for carrier in carriers:
                carrier.cancel()
            await asyncio.gather(*carriers, return_exceptions=True)
        return block_ids

    async def _send(self, address: SignedAddress, query: str, body: bytes, headers: dict[str, str]) -> None:
        """One put, and once more under a new address when storage says that this one has ended."""
        url = await address.current()
        content = _Body(body)
        try:
            for last in (False, True):
                answer = await send(
                    self._storage,
                    Plane.INTUNE,
                    _OPERATION,
                    "PUT",
                    f"{url}&{query}",
                    content=content,
                    headers=headers | {"Content-Length": str(len(body))},
                    also=frozenset({403}),
                )
                if answer.is_success:
                    return
                if last:
                    raise classify(Plane.INTUNE, _OPERATION, answer)
                url = await address.instead_of(url)
        finally:
            content.release()


def unreadable(error: Exception) -> PlaneRejected:
    """The error for a local file that is no package, or is there no more; logged."""
    return report(PlaneRejected(Plane.INTUNE, _OPERATION, f"content cannot be read: {error}"))
