"""The package record and its content.

The record is found by the key in its ``notes``; its ``sha256`` is ours only after an upload was answered, which is how
a later call tells a finished upload from one that was cut. Source: Jamf Pro API 11.30.1, packages.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from eucora.application.planes import PlaneRejected, PlaneUnavailable, Publication, Published
from eucora.connectors.jamf.api import JamfApi, off_schema, segment
from eucora.connectors.jamf.lists import pages, text_literal
from eucora.connectors.jamf.names import content_name, release_name
from eucora.connectors.jamf.pace import SPREADING, TRANSFER, Sleep
from eucora.domain.planes import Plane

_PACKAGES: Final = "/api/v1/packages"
_PAGE_SIZE: Final = 100
_PAGES_MAX: Final = 200
_READ_ONLY: Final = frozenset({"id", "indexed", "cloudTransferStatus", "size"})
_READY: Final = "READY"
_LOOKS_AT_OLD_NEWS: Final = 7  # of TRANSFER: the first minute, in which the nodes of a cluster may differ
_SHA256_NAMES: Final = frozenset({"SHA256", "SHA_256", "SHA-256"})
# The server answers an upload when it has passed the file on, which takes it longer than an ordinary call.
_UPLOAD_TIMEOUT: Final = httpx.Timeout(60.0, read=900.0, pool=None)


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package as Jamf holds it. ``digest``: SHA-256 in lower-case hex, empty when the record names none."""

    id: str
    name: str
    digest: str
    status: str
    fields: Mapping[str, Any]

    def carries(self, key: str) -> bool:
        """Whether the key stands in the notes, alone or among other words."""
        return key in str(self.fields.get("notes") or "").split()

    @property
    def failed(self) -> bool:
        """Whether the distribution point gave the file up."""
        return any(word in self.status.upper() for word in ("FAIL", "ERROR"))


async def find_package(api: JamfApi, key: str) -> PackageRecord | None:
    """The record that carries ``key``; the filter only narrows the search, the record itself decides."""
    return await _first_carrying(api, f"notes=={text_literal(key)}", key)


async def file_name_of(api: JamfApi, package_id: str) -> str:
    """The name of the package's file, which computers keep a receipt under; empty when there is no such package."""
    record = await _get(api, package_id)
    return "" if record is None else str(record.fields.get("fileName") or "")


async def publish_package(api: JamfApi, publication: Publication, sleep: Sleep) -> Published:
    """Make the record and its content exist; see ``PlanePort.publish``."""
    record = await find_package(api, publication.key)
    created = False
    if record is None:
        record, created = await _create(api, publication, sleep)
    sent = record.digest != publication.content_sha256 or record.failed
    if sent:
        await _upload(api, record, publication)
        await _sign_off(api, record.id, publication.content_sha256)
        created = True
    await _settle(api, record.id, publication.content_sha256, sleep, sent=sent)
    return Published(ref=record.id, content_version=publication.content_sha256, created=created)


async def _create(api: JamfApi, publication: Publication, sleep: Sleep) -> tuple[PackageRecord, bool]:
    """The record and whether it is new: Jamf refuses a second one of our name, which is then the one to take."""
    body = {
        "packageName": release_name(publication.name, publication.version, publication.key),
        "fileName": content_name(publication.file_name, publication.key),
        "categoryId": "-1",
        "info": f"{publication.publisher} {publication.name} {publication.version}"[:255],
        "notes": publication.key,
        "priority": 10,
        "fillUserTemplate": False,
        "osInstall": False,
        "rebootRequired": False,
        "suppressEula": False,
        "suppressFromDock": False,
        "suppressRegistration": False,
        "suppressUpdates": False,
    }
    answer = await api.call("POST", _PACKAGES, also=frozenset({400, 409, 422}), json=body)
    if answer.is_success:
        return _record(api.operation, {**body, "id": api.object_in(answer).get("id")}), True
    if not _is_duplicate(answer):
        raise api.refusal(answer)
    async for _ in SPREADING.looks(sleep):
        found = await find_package(api, publication.key) or await _named(api, body["packageName"], publication.key)
        if found is not None:
            return found, False
    raise PlaneUnavailable(Plane.JAMF, api.operation, "the package exists, but the server does not list it yet")


async def _named(api: JamfApi, name: Any, key: str) -> PackageRecord | None:
    """The record of that name, if it is ours. Raises PlaneRejected when it is somebody else's."""
    async for record in _listed(api, f"packageName=={text_literal(str(name))}"):
        if record.carries(key):
            return record
        if record.name == name:
            raise PlaneRejected(
                Plane.JAMF, api.operation, f"package {record.id} has our name, but not our key in its notes", status=400
            )
    return None


async def _upload(api: JamfApi, record: PackageRecord, publication: Publication) -> None:
    file_name = str(record.fields.get("fileName") or content_name(publication.file_name, publication.key))
    try:
        with await asyncio.to_thread(publication.content.open, "rb") as content:
            # httpx reads the file piece by piece while it sends, so memory stays flat whatever the size
            await api.call(
                "POST",
                f"{_PACKAGES}/{segment(record.id)}/upload",
                files={"file": (file_name, content, "application/octet-stream")},
                timeout=_UPLOAD_TIMEOUT,
            )
    except OSError as error:
        raise PlaneRejected(Plane.JAMF, api.operation, f"cannot read the content: {error.strerror}") from error


async def _sign_off(api: JamfApi, package_id: str, digest: str) -> None:
    """Write the digest into the record when the server has computed none of its own."""
    record = await _get(api, package_id)
    if record is None or record.digest:
        return
    body = {name: value for name, value in record.fields.items() if name not in _READ_ONLY} | {"sha256": digest}
    await api.call("PUT", f"{_PACKAGES}/{segment(package_id)}", json=body)


async def _settle(api: JamfApi, package_id: str, digest: str, sleep: Sleep, *, sent: bool) -> None:
    """Wait until the distribution point has the file and the record names our digest.

    ``sent``: the file went up just now, so a node may still tell of the transfer before it, which failed.
    """
    record: PackageRecord | None = None
    async for look in TRANSFER.looks(sleep):
        record = await _get(api, package_id)
        if record is None or (record.failed and sent and look < _LOOKS_AT_OLD_NEWS):
            continue
        if record.failed:
            raise PlaneUnavailable(Plane.JAMF, api.operation, f"the transfer of package {package_id} failed")
        if record.status.upper() == _READY and record.digest == digest:
            return
    if record is not None and record.status.upper() == _READY:
        raise PlaneRejected(
            Plane.JAMF, api.operation, f"package {package_id} holds SHA-256 {record.digest or 'unknown'}, not {digest}"
        )
    raise PlaneUnavailable(Plane.JAMF, api.operation, f"package {package_id} is not ready yet")


async def _get(api: JamfApi, package_id: str) -> PackageRecord | None:
    body = await api.get_json(f"{_PACKAGES}/{segment(package_id)}")
    return None if body is None else _record(api.operation, body)


async def _first_carrying(api: JamfApi, filter_: str, key: str) -> PackageRecord | None:
    async for record in _listed(api, filter_):
        if record.carries(key):
            return record
    return None


async def _listed(api: JamfApi, filter_: str) -> AsyncIterator[PackageRecord]:
    async for page in pages(api, _PACKAGES, {"filter": filter_}, size=_PAGE_SIZE, pages_max=_PAGES_MAX):
        for row in page.rows:
            yield _record(api.operation, row)


def _record(operation: str, row: Any) -> PackageRecord:
    if not isinstance(row, dict) or not row.get("id"):
        raise off_schema(operation, "a package without id")
    digest = str(row.get("sha256") or "")
    if not digest and str(row.get("hashType") or "").upper() in _SHA256_NAMES:
        digest = str(row.get("hashValue") or "")
    return PackageRecord(
        id=str(row["id"]),
        name=str(row.get("packageName") or ""),
        digest=digest.strip().lower(),
        status=str(row.get("cloudTransferStatus") or ""),
        fields=row,
    )


def _is_duplicate(answer: httpx.Response) -> bool:
    try:
        body: Any = answer.json()
    except (ValueError, RecursionError):
        return False
    errors = body.get("errors") if isinstance(body, dict) else None
    return isinstance(errors, list) and any(
        isinstance(error, dict) and error.get("code") == "DUPLICATE_FIELD" for error in errors
    )
