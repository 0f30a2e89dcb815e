"""Package records and the bytes that were uploaded for them."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Final

from eucora.lab.clock import Clock
from eucora.lab.jamf.errors import Cause, ProRefused
from eucora.lab.jamf.nodes import Told

_CHUNK_BYTES: Final = 1 << 20

# Name, JSON type and default of each writable field; a default of ``...`` marks a required one, None a nullable one.
# Source: schema ``Package`` of the Jamf Pro 11.30.1 server.
_FIELDS: Final[tuple[tuple[str, type, object], ...]] = (
    ("packageName", str, ...),
    ("fileName", str, ...),
    ("categoryId", str, ...),
    ("info", str, None),
    ("notes", str, None),
    ("priority", int, ...),
    ("osRequirements", str, None),
    ("fillUserTemplate", bool, ...),
    ("fillExistingUsers", bool, False),
    ("swu", bool, False),
    ("rebootRequired", bool, ...),
    ("selfHealNotify", bool, False),
    ("selfHealingAction", str, None),
    ("osInstall", bool, ...),
    ("serialNumber", str, None),
    ("parentPackageId", str, None),
    ("basePath", str, None),
    ("suppressUpdates", bool, ...),
    ("ignoreConflicts", bool, False),
    ("suppressFromDock", bool, ...),
    ("suppressEula", bool, ...),
    ("suppressRegistration", bool, ...),
    ("installLanguage", str, None),
    ("md5", str, None),
    ("sha256", str, None),
    ("sha3512", str, None),
    ("hashType", str, None),
    ("hashValue", str, None),
    ("osInstallerVersion", str, None),
    ("manifest", str, None),
    ("manifestFileName", str, None),
    ("format", str, None),
)
FILTERS: Final = frozenset(
    ("id", "fileName", "packageName", "categoryId", "info", "notes", "manifestFileName", "cloudTransferStatus")
)
SORTS: Final = FILTERS


@dataclass(frozen=True, slots=True)
class Content:
    """Uploaded bytes. ``path`` is a file of the shelf; digests are lowercase hex; ``size`` is in bytes."""

    path: Path
    size: int
    md5: str
    sha256: str
    sha3512: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class Package:
    """A package record: ``fields`` are those a client may write."""

    id: str
    fields: dict[str, Any]
    content: Content | None = None

    @property
    def name(self) -> str:
        return str(self.fields["packageName"])


class PackageShelf:
    """The packages by id. ``transfer`` is how long an upload takes to reach the distribution point.

    Files live in a directory of their own that goes when the shelf is closed or no longer used.
    """

    def __init__(self, clock: Clock, *, transfer: timedelta, category_exists: Callable[[str], bool]) -> None:
        self._clock, self._transfer, self._category_exists = clock, transfer, category_exists
        self._packages: dict[str, Package] = {}
        self._told = Told[Package](clock)
        self._first_ready_at: dict[str, datetime] = {}  # outlives the package, because what devices did does too
        self._last_id = 0
        self._uploads = count(1)  # uploads run in threads, and next() of a count is atomic
        self._directory = Path(tempfile.mkdtemp(prefix="eucora-lab-jamf-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)

    def close(self) -> None:
        """Remove the files; the shelf is not used afterwards. A second call does nothing."""
        self._remove()

    def __iter__(self) -> Iterator[Package]:
        ids = tuple(self._packages)
        return iter([package for package_id in ids if (package := self.find(package_id)) is not None])

    def find(self, package_id: str) -> Package | None:
        return self._told.shown(package_id, self._packages.get(package_id))

    def get(self, package_id: str) -> Package:
        """The package. Raises ProRefused 404."""
        if (package := self.find(package_id)) is None:
            raise ProRefused(404, Cause("INVALID_ID", "id", f"no package {package_id!r}", package_id))
        return package

    def create(self, body: dict[str, Any]) -> Package:
        """A new record without content. Raises ProRefused 400."""
        fields = self._fields(body, own_id=None)
        self._last_id += 1
        package = Package(str(self._last_id), fields)
        self._told.wrote(package.id, None)
        self._packages[package.id] = package
        return package

    def update(self, package_id: str, body: dict[str, Any]) -> Package:
        """The record with every writable field as in ``body``. Raises ProRefused 400, 404."""
        package = self.get(package_id)
        changed = replace(package, fields=self._fields(body, own_id=package_id))
        self._told.wrote(package_id, package)
        self._packages[package_id] = changed
        return changed

    def delete(self, package_id: str) -> None:
        """Forget the record and its bytes. Raises ProRefused 404."""
        package = self.get(package_id)
        self._told.wrote(package_id, package)
        del self._packages[package_id]
        if package.content is not None:
            package.content.path.unlink(missing_ok=True)

    def keep(self, source: BinaryIO) -> Content:
        """Copy an upload to the shelf and hash what came, reading at most a megabyte at a time."""
        path = self._directory / str(next(self._uploads))
        digests = (hashlib.md5(usedforsecurity=False), hashlib.sha256(), hashlib.sha3_512())
        with path.open("xb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
                for digest in digests:
                    digest.update(chunk)
        md5, sha256, sha3512 = (digest.hexdigest() for digest in digests)
        return Content(path, path.stat().st_size, md5, sha256, sha3512, self._clock.now())

    def attach(self, package_id: str, content: Content) -> None:
        """Make ``content`` the package's, in place of what it had. Raises ProRefused 404, and drops ``content``."""
        try:
            package = self.get(package_id)
        except ProRefused:
            content.path.unlink(missing_ok=True)
            raise
        self._told.wrote(package_id, package)
        self._packages[package_id] = replace(package, content=content)
        self._first_ready_at.setdefault(package_id, content.uploaded_at + self._transfer)
        if package.content is not None:
            package.content.path.unlink(missing_ok=True)

    def first_ready_at(self, package_id: str) -> datetime | None:
        """When the first content of the package, which may be gone by now, reached the distribution point."""
        return self._first_ready_at.get(package_id)

    def files(self) -> list[Path]:
        """The files on the shelf's disk, one for each upload that is still some package's content."""
        return list(self._directory.iterdir())

    def view(self, package: Package) -> dict[str, Any]:
        """The record as the API shows it.

        Digests and size of uploaded content are the server's own findings and stand over what a client wrote.
        """
        ready = False
        found: dict[str, Any] = {"size": None}
        if (content := package.content) is not None:
            found = {
                "md5": content.md5,
                "sha256": content.sha256,
                "sha3512": content.sha3512,
                "hashType": "SHA3_512",
                "hashValue": content.sha3512,
                "size": str(content.size),
            }
            ready = content.uploaded_at + self._transfer <= self._clock.now()
        status = {"indexed": ready, "cloudTransferStatus": "READY" if ready else "PENDING"}
        return {"id": package.id} | package.fields | found | status

    def _fields(self, body: dict[str, Any], *, own_id: str | None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        causes: list[Cause] = []
        for name, kind, default in _FIELDS:
            value = body.get(name, default)
            if value is ... or (value is None and default is ...):
                causes.append(Cause("REQUIRED", name, f"{name} is required"))
            elif value is not None and type(value) is not kind:
                causes.append(Cause("INVALID_FIELD", name, f"{name} must be of type {kind.__name__}"))
            fields[name] = value
        for name in ("packageName", "fileName"):
            if fields[name] == "":
                causes.append(Cause("REQUIRED", name, f"{name} is empty"))
        if not causes and not self._category_exists(fields["categoryId"]):
            causes.append(Cause("INVALID_FIELD", "categoryId", "no such category"))
        taken = (other for other in self._packages.values() if other.id != own_id)
        if any(other.name == fields["packageName"] for other in taken):
            causes.append(Cause("DUPLICATE_FIELD", "packageName", "Duplicate name"))
        if causes:
            raise ProRefused(400, *causes)
        return fields
