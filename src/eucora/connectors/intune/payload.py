"""What a publication sends to Intune: the body that creates the app, and the encrypted file with its keys."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from eucora.application.planes import Publication
from eucora.connectors.intune import mac, wire
from eucora.connectors.intune.blocks import Opener, unreadable
from eucora.connectors.intune.graph import JsonObject
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.planes import Platform
from eucora.formats import intunewin


@dataclass(frozen=True, slots=True)
class Payload:
    """``opened`` gives the encrypted bytes that ``package`` describes, for as long as the payload is prepared."""

    body: JsonObject
    package: intunewin.IntunewinPackage
    opened: Opener

    @property
    def app_type(self) -> str:
        return str(self.body["@odata.type"])


@asynccontextmanager
async def prepared(publication: Publication, platform: Platform) -> AsyncIterator[Payload]:
    """The payload for a platform: a Windows package is read and its MAC checked, a macOS file is encrypted into a
    temporary one.

    Raises:
        PlaneRejected: the file cannot be read, or the detection is none of the platform's.
    """
    if platform is Platform.WINDOWS:
        try:
            package = await asyncio.to_thread(intunewin.read, publication.content)
        except (UnreadableEvidence, OSError) as error:
            raise unreadable(error) from error
        content = publication.content
        yield Payload(wire.win32_app(publication, package), package, lambda: intunewin.open_encrypted(content))
        return
    body = mac.app_body(publication)
    with tempfile.TemporaryDirectory(prefix="eucora-sealed-") as folder:
        sealed = Path(folder, "content")
        keys = intunewin.KeyMaterial.random()
        try:
            package = await asyncio.to_thread(
                intunewin.seal_file, publication.content, sealed, file_name=publication.file_name, keys=keys
            )
        except OSError as error:
            raise unreadable(error) from error
        yield Payload(body, package, lambda: sealed.open("rb"))
