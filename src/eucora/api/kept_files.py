"""Files out of the artifact store, as they came in."""

import base64
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from eucora.api.heads import only_head
from eucora.application.ports import ArtifactStore


class KeptFile(Response):
    """Streams a stored file, never shown inside a page: what people hand in may be HTML.

    The copy is opened when the answer starts and closed when it ends, also where the client goes away in between. For a
    HEAD there is none: the store knows the size. Raises KeyError: it has no such file.
    """

    def __init__(self, store: ArtifactStore, sha256: str, file_name: str) -> None:
        super().__init__()
        self._store, self._sha256, self._file_name = store, sha256, file_name
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        self._told = {
            "ETag": f'"{sha256}"',
            "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
            "X-Content-Type-Options": "nosniff",
            "Accept-Ranges": "none",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if only_head(scope):
            await self._send_head(send)
            return
        # Ranges are answered with the whole: a wrong one would be refused by no problem document.
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]}
        async with self._store.local_copy(self._sha256) as path:
            await self._whole(path, self._told)(scope, receive, send)

    async def _send_head(self, send: Send) -> None:
        size = await self._store.size(self._sha256)
        if size is None:
            raise KeyError(self._sha256)
        headers = self._whole(Path(), {**self._told, "Content-Length": str(size)}).raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _whole(self, path: Path, headers: Mapping[str, str]) -> FileResponse:
        return FileResponse(path, headers=headers, media_type="application/octet-stream", filename=self._file_name)
