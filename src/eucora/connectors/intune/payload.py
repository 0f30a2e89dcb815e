"""What a publication sends to Intune: the body that creates the app, and the encrypted file with its keys."""

import asyncio
import hashlib
import hmac
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eucora.application.planes import Publication
from eucora.connectors.intune import mac, wire
from eucora.connectors.intune.blocks import Opener, unreadable
from eucora.connectors.intune.graph import JsonObject
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.planes import Platform
from eucora.formats import intunewin

_KEYS_LABEL: Final = b"eucora macOS content 1"


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
    temporary one, to the same bytes each time.

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
        try:
            keys = await asyncio.to_thread(keys_of, publication.key, publication.content)
            package = await asyncio.to_thread(
                intunewin.seal_file, publication.content, sealed, file_name=publication.file_name, keys=keys
            )
        except OSError as error:
            raise unreadable(error) from error
        yield Payload(body, package, lambda: sealed.open("rb"))


def keys_of(release: str, content: Path) -> intunewin.KeyMaterial:
    """The keys of one release's macOS file: from the whole of its bytes, so that nobody finds them who lacks the file.

    An attempt that goes on has those of the one before. With others it would have to send the content again, and a
    commit that a second administrator approved would be for keys that are lost. Nothing of them is kept for that, and
    the digest that people see of a file tells nothing of them. Raises OSError.
    """
    with content.open("rb") as file:
        root = hashlib.file_digest(file, lambda: hmac.new(_KEYS_LABEL + release.encode(), digestmod=hashlib.sha256))
    encryption, mac, iv = (hmac.digest(root.digest(), use, "sha256") for use in (b"encryption", b"mac", b"iv"))
    return intunewin.KeyMaterial(encryption, mac, iv[:16])
