"""The artifact stores that one contract holds for: a local folder, and a bucket behind real HTTP."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import httpx
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from eucora.store.artifacts import LocalArtifacts
from eucora.store.s3_artifacts import Bucket, S3Artifacts

CONTENT = b"installer " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
Store = LocalArtifacts | S3Artifacts
# Moto asks who it is, and believes it without a signature.
SOMEBODY = "AWS4-HMAC-SHA256 Credential=test-key/20260301/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def put(artifacts: Store, chunks: AsyncIterator[bytes], *, size_max: int) -> tuple[str, int]:
    async with await artifacts.receive(chunks, size_max=size_max) as arrived:
        await arrived.keep()
    return arrived.sha256, arrived.size


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class BucketOfTest:
    """A bucket looked into without our own client. ``incoming``: the folder for what is on its way."""

    endpoint: str
    name: str
    incoming: Path

    @property
    def store(self) -> S3Artifacts:
        place = Bucket(f"s3://{self.name}/kept/here", self.endpoint, "eu-west-1", "test-key", "test-secret")
        return S3Artifacts(place, self.incoming)

    def make(self) -> "BucketOfTest":
        self.ask("PUT", "")
        return self

    def keys(self) -> list[str]:
        listed = self.ask("GET", "?list-type=2").text
        return sorted(part.split("</Key>")[0] for part in listed.split("<Key>")[1:])

    def keep_versions(self) -> None:
        self.ask("PUT", "?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")

    def versions(self, key: str) -> int:
        """How often the object was written since versions are kept."""
        return self.ask("GET", f"?versions&prefix={key}").text.count("<Version>")

    def uploads(self) -> int:
        """Multipart uploads that were begun and neither completed nor aborted."""
        return self.ask("GET", "?uploads").text.count("<UploadId>")

    def ask(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Raises httpx.HTTPStatusError for every refusal."""
        sent = {"Authorization": SOMEBODY, **(headers or {})}
        with httpx.Client(trust_env=False) as client:
            answer = client.request(method, f"{self.endpoint}/{self.name}{path}", content=content, headers=sent)
            answer.raise_for_status()
            return answer


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 that keeps everything in memory.

    One request at a time: S3's conditional writes are atomic, and moto looks and writes in two steps.
    """
    moto, turn = DomainDispatcherApplication(create_backend_app), Lock()

    def in_turn(environ: Any, start_response: Any) -> Any:
        with turn:
            return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
