"""What the application needs of the world, named for the need."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

from eucora.domain.findings import ArtifactFacts, SbomFacts, ScanFacts, VexFacts


@dataclass(frozen=True, slots=True)
class Context:
    """Who caused what: goes into every event and job. ``intent_id`` is empty where no deployment intent is meant.

    ``break_glass``: the session in which it was done; it goes into the events only, empty: in none.
    """

    actor: str
    correlation_id: str
    causation_id: UUID | None = None
    intent_id: str = ""
    break_glass: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it stands in the log."""

    position: int  # dense from 0 over the whole log
    stream: str
    version: int  # dense from 1 within the stream
    id: UUID
    type: str  # stored name: "deployment_intent.proposed"
    at: datetime  # UTC
    event: object  # a domain event, brought up to today's version
    actor: str
    correlation_id: str
    causation_id: UUID | None
    intent_id: str
    break_glass: str = ""  # the session in which it was done; empty: in none


@dataclass(frozen=True, slots=True)
class History:
    """A stream read back. ``version`` 0: it does not exist."""

    stream: str
    version: int
    events: Sequence[object]


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done after the append that it is inserted with. JSON-ready payload.

    ``lock_key``: jobs with the same key never run side by side. ``dedupe_key``: at most one of them waits or runs.
    """

    kind: str
    payload: Mapping[str, object]
    run_at: datetime
    lock_key: str | None = None
    dedupe_key: str | None = None
    priority: int = 100  # lower goes first: halt 0, rollback 10, rollout 100, upkeep 200
    attempts_max: int = 8


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to finish one claimed job; void once another worker took the job over."""

    job_id: int
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An idempotency record: the answer to a request, kept with the events that it caused.

    ``fingerprint`` is the SHA-256 of what was asked; the same key with another fingerprint is a misuse. ``headers``:
    those that are sent again with the answer.
    """

    owner: str
    key: str
    fingerprint: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """Events for one stream that must stand at ``expected_version``.

    Without events it is a guard: what is appended beside it rests on the stream, which must stand there still. Two
    decisions that rest on each other's streams are then never both on record.
    """

    stream: str
    expected_version: int
    events: Sequence[object]


@dataclass(frozen=True, slots=True)
class Appended:
    """``version`` is the (first) stream's version after the append, ``position`` that of its last event."""

    version: int
    position: int


class StreamConflict(Exception):
    """The stream no longer stands at the version that the decision was made on."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream


class LeaseLost(Exception):
    """The job was handed to another worker meanwhile; nothing was appended."""


class KeyTaken(Exception):
    """The idempotency key is on record already; nothing was appended."""


class EventStore(Protocol):
    """The append-only log. An append is one transaction: events, jobs, idempotency record and the end of a job."""

    async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
        """The stream, up to a position or a time where ``as_of`` names one."""
        ...

    async def read_recorded(self, stream: str, *, as_of: int | datetime | None = None) -> Sequence[Recorded]:
        """The same with everything that is on record about each event: what a read model's fold asks for."""
        ...

    async def append(
        self,
        writes: Sequence[Write],
        *,
        context: Context,
        at: datetime,
        jobs: Sequence[NewJob] = (),
        finishes: Lease | None = None,
        reply: Reply | None = None,
    ) -> Appended:
        """Append all or nothing. Raises StreamConflict, LeaseLost, KeyTaken."""
        ...

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        """Up to ``limit`` events with position > ``after``, in order, without a gap. Begin with ``after=-1``."""
        ...

    async def head(self) -> int:
        """Position of the last event; -1 when the log is empty."""
        ...


class Arrival(AbstractAsyncContextManager["Arrival"], Protocol):
    """An upload that came whole but is not stored; leaving the block without ``keep`` drops it.

    So that a refused upload leaves nothing, and takes nothing from who hands the same bytes in at the same time.
    """

    @property
    def path(self) -> Path: ...

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...

    async def keep(self) -> None:
        """Store it under its digest, unless the same bytes are there."""
        ...


class ArtifactStore(Protocol):
    """Files by their SHA-256; created once, never changed."""

    async def receive(self, chunks: AsyncIterator[bytes], *, size_max: int) -> Arrival:
        """Take a stream in; it is stored by ``keep`` only. Raises ValueError when it exceeds ``size_max`` bytes."""
        ...

    async def put_file(self, path: Path) -> tuple[str, int]: ...

    async def get(self, sha256: str, *, size_max: int) -> bytes:
        """A small file whole. Raises KeyError when it is not there."""
        ...

    async def size(self, sha256: str) -> int | None: ...

    def local_copy(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """A local file with the bytes as they are stored now; the caller hashes them where it matters."""
        ...


class EvidenceReader(Protocol):
    """Reads evidence files. Each raises :class:`eucora.domain.findings.UnreadableEvidence`."""

    def artifact(self, path: Path, file_name: str) -> ArtifactFacts: ...

    def sbom(self, path: Path) -> SbomFacts:
        """CycloneDX 1.2 to 1.7 (JSON, XML), SPDX 2.2 and 2.3 (JSON), streamed: memory stays flat."""
        ...

    def scan(self, path: Path) -> ScanFacts:
        """Trivy, Grype, OSV-Scanner, SARIF 2.1.0."""
        ...

    def vex(self, path: Path) -> VexFacts:
        """OpenVEX, CycloneDX VEX."""
        ...

    def strangers(self, scan: ScanFacts, sbom: SbomFacts) -> str | None:
        """None when the scan is about the SBOM's components; else a sentence that says why not."""
        ...

    def pack_windows(self, source: Path, setup_file: str, target: Path) -> None:
        """Write the ``.intunewin`` for an installer."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...


class Ids(Protocol):
    def new(self) -> UUID:
        """A fresh UUID, version 7."""
        ...


@dataclass(frozen=True, slots=True)
class Retry:
    """A job's wish to run again: not a failure, and no attempt is counted."""

    at: datetime
    payload: Mapping[str, object] = field(default_factory=dict)
