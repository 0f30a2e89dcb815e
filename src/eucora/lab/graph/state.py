"""What the simulated Intune tenant holds: applications, their content and files, and the offers made to groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from eucora.domain.planes import Plane, Platform
from eucora.lab.blob import BlobStore
from eucora.lab.clock import Clock
from eucora.lab.fleet import Fleet, OfferKind, OfferSpan
from eucora.lab.graph.membership import MadeGroup, Memberships, Spell
from eucora.lab.roster import LabDevice, LabGroup
from eucora.lab.sealed import EncryptionInfo, OpenedContent, SealBroken, open_content

MAC_LOB: Final = "#microsoft.graph.macOSLobApp"
MAC_DMG: Final = "#microsoft.graph.macOSDmgApp"
_PLANES: Final = (Plane.INTUNE, Plane.INTUNE_MACOS)  # both are one tenant

# Seconds at pace 1; a shorter wait than the floor would hide the pending states from every client.
_URI_S: Final = 2.0
_COMMIT_S: Final = 5.0
_PUBLISH_S: Final = 8.0
_FLOOR_S: Final = 0.05
_REPORT_LAG_S: Final = 60.0
_DIRECTORY_LAG_S: Final = 10.0  # Microsoft says "a few seconds" of a new group's way to every replica
# Microsoft's older upload sample renews the signed URL after 7.5 minutes; it lives on the vendor's time, not the pace.
_SAS_S: Final = 600.0


@dataclass(slots=True)
class ContentFile:
    """One file of a content version and where its upload stands. Sizes in bytes, times UTC."""

    id: str
    name: str
    size: int
    size_encrypted: int
    manifest: str | None
    is_dependency: bool
    created: datetime
    path: str  # in the blob store
    step: str = "azureStorageUriRequest"
    ready_at: datetime | None = None  # when the step is over
    uri: str | None = None
    uri_expires: datetime | None = None
    opened: OpenedContent | None = None
    broken: str = ""

    def upload_state(self, now: datetime) -> str:
        """Graph's mobileAppContentFileUploadState."""
        if self.ready_at is not None and now < self.ready_at:
            return f"{self.step}Pending"
        return f"{self.step}Failed" if self.step == "commitFile" and self.opened is None else f"{self.step}Success"

    def committed(self, now: datetime) -> bool:
        """The service has checked the file and taken it."""
        return self.upload_state(now) == "commitFileSuccess"


@dataclass(slots=True)
class App:
    """One application; ``body`` holds its properties under Graph's names."""

    id: str
    body: dict[str, Any]
    created: datetime
    modified: datetime
    versions: dict[str, dict[str, ContentFile]] = field(default_factory=dict)
    committed_version: str | None = None
    published_at: datetime | None = None
    assignments: list[dict[str, Any]] = field(default_factory=list)
    offers: list["Offer"] = field(default_factory=list)

    @property
    def type(self) -> str:
        """Graph's ``@odata.type``."""
        return str(self.body["@odata.type"])

    @property
    def platform(self) -> Platform:
        """What it runs on."""
        return Platform.MACOS if self.type in (MAC_LOB, MAC_DMG) else Platform.WINDOWS

    @property
    def removable(self) -> bool:
        """Whether an uninstall assignment does anything: a macOS package that is not managed stays where it is."""
        return self.type != MAC_LOB or bool(self.body.get("installAsManaged"))

    @property
    def setup_file(self) -> str | None:
        """The installer's path in a Windows package; None for macOS, where the content is the installer."""
        path = self.body.get("setupFilePath")
        return None if path is None else str(path)

    def publishing_state(self, now: datetime) -> str:
        """Graph's mobileAppPublishingState."""
        if self.published_at is None:
            return "notPublished"
        return "published" if now >= self.published_at else "processing"

    def content(self, now: datetime) -> ContentFile | None:
        """The file of the committed version that the devices get."""
        files = self.versions.get(self.committed_version or "", {}).values()
        return next((file for file in files if file.committed(now) and not file.is_dependency), None)

    def package_key(self, now: datetime) -> str:
        """How the fleet knows the release: the name, then what is really inside."""
        file = self.content(now)
        return f"{self.body['displayName']}#{file.opened.plain_sha256 if file and file.opened else ''}"


@dataclass(slots=True)
class Offer:
    """That an application was offered to, or kept from, a target for a time. ``group`` None: every device."""

    group: str | None
    intent: str  # required, uninstall or, for a group that is left out, exclude
    starts: datetime
    ends: datetime | None = None


class Tenant:
    """The tenant's Intune, in memory."""

    def __init__(self, fleet: Fleet, clock: Clock, blobs: BlobStore, graph_url: str) -> None:
        self.fleet, self.clock, self.blobs, self.graph_url = fleet, clock, blobs, graph_url
        self.apps: dict[str, App] = {}
        self.groups: Final = {group.id: group for plane in _PLANES for group in fleet.groups_on(plane)}
        self.devices: Final = [device for plane in _PLANES for device in fleet.on(plane)]
        self.by_object_id: Final = {device.entra_object_id: device for device in self.devices}
        self.by_managed_id: Final = {device.managed_id: device for device in self.devices}
        self.memberships: Final = Memberships(self.groups.values(), self.devices)
        self.made_groups: Final[dict[str, MadeGroup]] = {}
        self.deleted_objects: Final[set[str]] = set()  # directory ids of devices that somebody took out of Entra
        self.report_every_s = 0.0  # at pace 1, how often a report is made anew; 0: for each page of it
        self.ignores_device_filters = False  # Intune does so at times; switched by whoever tests against it

    @property
    def report_lag(self) -> timedelta:
        """How long a device's word takes to reach the reports."""
        return timedelta(seconds=_REPORT_LAG_S / self.fleet.pace)

    def reported_until(self) -> datetime:
        """The reports tell what devices said by then."""
        until, every_s = self.clock.now() - self.report_lag, self.report_every_s / self.fleet.pace
        return until - (until - self.fleet.started_at) % timedelta(seconds=every_s) if every_s else until

    @property
    def directory_lag(self) -> timedelta:
        """How far what the directory says is behind what it was told."""
        return timedelta(seconds=max(_FLOOR_S, _DIRECTORY_LAG_S / self.fleet.pace))

    def group(self, group_id: str) -> LabGroup | None:
        """The group of that id."""
        return self.groups.get(group_id)

    # the upload

    def open_file(self, app: App, version: str, name: str, size: int, size_encrypted: int, manifest: str | None,
                  *, is_dependency: bool) -> ContentFile:  # fmt: skip
        """Register a file; its upload URL is there after a moment."""
        file_id, now = str(uuid4()), self.clock.now()
        file = ContentFile(
            file_id, name, size, size_encrypted, manifest, is_dependency, now, f"{app.id}/{version}-{file_id}.bin"
        )
        self._hand_out_url(file, "azureStorageUriRequest")
        app.versions[version][file_id] = file
        return file

    def renew(self, file: ContentFile) -> None:
        """Start a fresh upload URL for a file under way."""
        self._hand_out_url(file, "azureStorageUriRenewal")

    def commit(self, app: App, file: ContentFile, info: EncryptionInfo) -> None:
        """Check the uploaded bytes; what came of it shows when the commit's time is over."""
        data = self.blobs.content(file.path)
        file.opened, file.broken = None, ""
        try:
            if data is None:
                raise SealBroken("no block list was put")
            file.opened = open_content(
                data, info, size=file.size, size_encrypted=file.size_encrypted, setup_file=app.setup_file
            )
        except SealBroken as broken:
            file.broken = str(broken)
        else:
            self.blobs.forget(file.path)  # what is worth keeping is in ``opened``
        file.step, file.ready_at = "commitFile", self._after(_COMMIT_S)

    def publish(self, app: App, version: str) -> None:
        """Make ``version`` the one that devices get."""
        app.committed_version, app.published_at = version, self._after(_PUBLISH_S)

    def _hand_out_url(self, file: ContentFile, step: str) -> None:
        file.step, file.ready_at = step, self._after(_URI_S)
        file.uri, file.uri_expires = self.blobs.signed_url(file.path, lifetime_s=_SAS_S)

    def _after(self, real_s: float) -> datetime:
        return self.clock.now() + timedelta(seconds=max(_FLOOR_S, real_s / self.fleet.pace))

    # what devices are offered

    def spans(self, app: App, device: LabDevice) -> Sequence[OfferSpan]:
        """Every offer of ``app`` that ``device`` ever had.

        Exclusion beats inclusion, required beats uninstall, and both beat what is available for choice.
        """
        if app.platform is not device.platform:
            return ()  # an app is nothing to a device of another platform, whatever group it is in
        spells = self.memberships.spells(device.entra_object_id) if app.offers else []
        own = [(offer.intent, time) for offer in app.offers for time in _reaching(offer, spells)]
        if not own:
            return ()
        excluded = [time for intent, time in own if intent == "exclude"]
        required = [time for intent, time in own if intent == "required"]
        asked = required + [time for intent, time in own if intent == "uninstall"]
        spans = []
        for intent, time in own:
            if intent == "required":
                kind, without = OfferKind.INSTALL, excluded
            elif intent == "uninstall" and app.removable:
                kind, without = OfferKind.UNINSTALL, excluded + required
            elif intent == "available":
                kind, without = OfferKind.INSTALL, excluded + asked
            else:
                continue
            free = intent == "available"
            spans += [OfferSpan(kind, starts, ends, free) for starts, ends in _without(time, without)]
        return sorted(spans, key=lambda span: span.starts)

    def contents(self) -> list[dict[str, Any]]:
        """Each committed file as read back from what was uploaded."""
        now = self.clock.now()
        return [
            {
                "plane": "intune",
                "ref": app.id,
                "name": app.body["displayName"],
                "notes": app.body["notes"],
                "content_version": version,
                "file_id": file.id,
                "committed": version == app.committed_version,
                "encrypted_sha256": file.opened.encrypted_sha256,
                "encrypted_size": file.opened.encrypted_size,
                "plain_sha256": file.opened.plain_sha256,
                "setup_file": app.setup_file or app.body["fileName"],
                "setup_sha256": file.opened.setup_sha256,
            }
            for app in self.apps.values()
            for version, files in app.versions.items()
            for file in files.values()
            if file.opened is not None and file.committed(now)
        ]


_Interval = tuple[datetime, datetime | None]


def _reaching(offer: Offer, spells: Sequence[Spell]) -> Iterator[_Interval]:
    """When ``offer`` stood for a device with these memberships."""
    if offer.group is None:
        yield offer.starts, offer.ends
        return
    for spell in spells:
        if spell.group != offer.group:
            continue
        starts = max(offer.starts, spell.since)
        ends = min((end for end in (offer.ends, spell.until) if end is not None), default=None)
        if ends is None or starts < ends:
            yield starts, ends


def _without(whole: _Interval, holes: Sequence[_Interval]) -> Iterator[_Interval]:
    """What is left of ``whole`` outside the ``holes``; an end of None is open."""
    starts, ends = whole
    for hole_starts, hole_ends in sorted(holes, key=lambda hole: hole[0]):
        if hole_ends is not None and hole_ends <= starts:
            continue
        if ends is not None and hole_starts >= ends:
            break
        if hole_starts > starts:
            yield starts, hole_starts
        if hole_ends is None:
            return
        starts = max(starts, hole_ends)
    if ends is None or starts < ends:
        yield starts, ends
