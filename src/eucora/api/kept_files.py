"""Files out of the artifact store, as they came in."""

import base64
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send


class KeptFile(Response):
    """Streams a stored file, never shown inside a page: what people hand in may be HTML.

    The copy is opened when the answer starts and closed when it ends, also where the client goes away in between.
    """

    def __init__(self, copy: AbstractAsyncContextManager[Path], sha256: str, file_name: str) -> None:
        super().__init__()
        self._copy, self._file_name = copy, file_name
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        self._told = {
            "ETag": f'"{sha256}"',
            "Repr-Digest": f"sha-256=:{digest}:",  # RFC 9530
            "X-Content-Type-Options": "nosniff",
            "Accept-Ranges": "none",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Ranges are answered with the whole: a wrong one would be refused by no problem document.
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in (b"range", b"if-range")]}
        async with self._copy as path:
            answer = FileResponse(
                path, headers=self._told, media_type="application/octet-stream", filename=self._file_name
            )
            await answer(scope, receive, send)
