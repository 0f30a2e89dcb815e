"""The port to a device-management plane: eight verbs, each safe to repeat with the same key.

A plane translates and decides nothing. Every verb finds before it creates, survives a kill between any two of its
requests, and never rewrites what others own.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from eucora.application.holdings import Holding
from eucora.domain.install_needs import Restart as Restart
from eucora.domain.planes import InstallState, Plane


@dataclass(frozen=True, slots=True)
class FileDetection:
    """Windows: the release is there when ``folder``/``file_name`` exists (and, if named, has at least ``version``)."""

    folder: str
    file_name: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class RegistryDetection:
    """Windows: the release is there when the registry value exists, or equals ``value`` where that is given."""

    key_path: str
    value_name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class MsiDetection:
    """Windows: the release is there when the MSI product is."""

    product_code: str
    product_version: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptDetection:
    """macOS: the release is there when the package receipt is."""

    package_id: str
    version: str


@dataclass(frozen=True, slots=True)
class BundleDetection:
    """macOS: the release is there when an app with this bundle id and version is installed."""

    bundle_id: str
    version: str


@dataclass(frozen=True, slots=True)
class ScriptDetection:
    """Windows: the release is there when the PowerShell ``script`` ends with 0 and has written something."""

    script: str
    name: str


Detection = FileDetection | RegistryDetection | MsiDetection | ReceiptDetection | BundleDetection | ScriptDetection


@dataclass(frozen=True, slots=True)
class ScriptRequirement:
    """Windows: the device qualifies when the PowerShell ``script`` writes exactly ``output``."""

    script: str
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class WindowsNeeds:
    """What a Windows device must have for the release to apply to it. None, and an empty text, ask for nothing.

    ``release`` is the oldest Windows release in Intune's words, like ``Windows11_23H2``. ``rules`` must all be met.
    """

    architectures: tuple[str, ...] = ("x64", "x86")
    release: str = ""
    free_disk_mb: int | None = None
    memory_mb: int | None = None
    processors: int | None = None
    cpu_mhz: int | None = None
    rules: tuple[FileDetection | RegistryDetection | ScriptRequirement, ...] = ()


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """What an installer's exit code means: success, soft_reboot, hard_reboot, retry or failed."""

    code: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One artifact to make exist on a plane.

    ``key`` is ``eucora:<intent id>:<sha256 of the artifact>`` and is written into the vendor's object; a second
    publication with the same key finds the first. ``content`` is a local file whose SHA-256 (hex) is ``content_sha256``
    and was checked by the caller just now: an ``.intunewin`` for Intune, a flat ``.pkg`` for Jamf, a ``.pkg`` or
    ``.dmg`` for Intune on macOS.
    """

    key: str
    name: str
    version: str
    publisher: str
    content: Path
    content_sha256: str
    content_size: int  # bytes
    file_name: str
    install_command: str
    uninstall_command: str
    detection: Detection
    return_codes: Sequence[ReturnCode] = ()
    needs: WindowsNeeds = WindowsNeeds()
    restart: Restart = Restart.BY_RETURN_CODE


@dataclass(frozen=True, slots=True)
class Published:
    """The vendor's object that now holds the content."""

    ref: str  # Intune: mobileApp id; Jamf: package id
    content_version: str  # Intune: committed content version; Jamf: the SHA-256 that the package record names
    created: bool  # False: it was there already


class Offer(StrEnum):
    """What an assignment asks of a device. AVAILABLE asks nothing: its people may install the release themselves."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    AVAILABLE = "available"

    @property
    def goal(self) -> "Offer":
        """INSTALL or UNINSTALL: what a device that acted on the offer has done."""
        return Offer.INSTALL if self is Offer.AVAILABLE else self


@dataclass(frozen=True, slots=True)
class Assignment:
    """Offer the published object ``ref`` to one group. Groups assigned before, and everything others own, stay.

    ``anew``: a word that tells this offer from those made before it; where it is set, the same offer that stands
    already is made again, so that every device looks again whether it has the release.
    """

    key: str
    ref: str
    name: str
    version: str
    group: str
    offer: Offer
    uninstall_command: str = ""  # what an UNINSTALL runs where the plane has no verb of its own for it (Jamf)
    anew: str = ""
    excluded: Sequence[str] = ()  # groups whose devices stay out of it; they stay out when the offer is taken back


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where the offer now stands on the plane."""

    ref: str  # Intune: mobileApp id; Jamf: policy id
    changed: bool  # False: it stood there already


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Take our offers of ``ref`` back from ``groups`` (every group of ours when empty). Content stays published.

    ``available``: those of the groups that we made it available to; others may have done so for other groups.
    """

    key: str
    ref: str
    name: str
    version: str
    groups: Sequence[str] = ()
    available: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The groups from which an offer of ours was really taken; empty when none stood."""

    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Device:
    """A managed device as the plane knows it. ``id`` is the plane's own id, the one that observations carry."""

    id: str
    name: str
    serial: str
    os_version: str
    last_check_in: datetime | None  # UTC


@dataclass(frozen=True, slots=True)
class Group:
    """A group and the enrolled devices in it; ``unenrolled`` members are counted, not listed."""

    ref: str
    name: str
    devices: Sequence[Device]
    unenrolled: int = 0


@dataclass(frozen=True, slots=True)
class Gathering:
    """A group of our own to hold exactly ``devices`` (the plane's own ids), all of them members of group ``source``.

    ``name`` is unique on the plane and tells people whose group it is; ``key`` is written into it where the plane has
    room for it. A second gathering with the same name finds the first, and completes it.
    """

    key: str
    name: str
    source: str
    devices: Sequence[str]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The group of ours. ``missing`` devices left ``source`` meanwhile, and so are in neither."""

    ref: str
    created: bool  # False: it was there already
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """What to look at: the object, the offer, and the devices whose state is not final yet (plane's own ids).

    ``since`` lets a plane leave out older news; states come again harmlessly. ``anew``: as of the offer looked at.
    """

    key: str
    ref: str
    name: str
    version: str
    offer: Offer
    devices: Sequence[str]
    since: datetime | None = None
    anew: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The plane's latest word about one device.

    After an UNINSTALL offer, NOT_INSTALLED is the goal. ``observed_at`` is the vendor's own time of the report (UTC),
    None where the vendor gives none. ``code`` and ``detail`` say why the release is not there, as far as is known.
    """

    device_id: str
    state: InstallState
    observed_at: datetime | None
    last_check_in: datetime | None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the plane really holds for ``key``; for drift, and for proof of content.

    An AVAILABLE offer among ``groups`` need not be ours.
    """

    ref: str | None
    version: str
    content_version: str
    groups: Sequence[tuple[str, Offer]] = field(default=())
    wide: Sequence[str] = field(default=())  # offers of it that go beyond groups, in a few words each
    excluded: Sequence[str] = field(default=())  # groups that are kept out of it


class PlaneError(Exception):
    """A call to a plane failed. ``detail`` is redacted and at most 500 characters."""

    kind = "permanent"

    upstream = ""  # the service behind the plane that it was, where that is known
    correlation_id = ""  # of the call that it ended

    def __init__(self, plane: Plane, operation: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"{plane} {operation}: {detail}")
        self.plane, self.operation, self.detail, self.status = plane, operation, detail[:500], status


class PlaneUnavailable(PlaneError):
    """No answer, 408, 423, 425, 429, 5xx or an open circuit: the same call may succeed later."""

    kind = "transient"

    def __init__(
        self,
        plane: Plane,
        operation: str,
        detail: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(plane, operation, detail, status=status)
        self.retry_after_s = retry_after_s


class PlaneRejected(PlaneError):
    """The plane refused the request for what it says (400, 404, 409, 422, an answer off its schema)."""


class PlaneForbidden(PlaneError):
    """The plane refused us (401, 403, or an approval is pending there): a person has to act."""

    kind = "policy_violation"


class GroupNotFound(PlaneRejected):
    """No group of that id on the plane."""

    def __init__(self, plane: Plane, group: str) -> None:
        super().__init__(plane, "resolve", f"no group {group!r}", status=404)
        self.group = group


class PlaneTokenRefused(PlaneUnavailable):
    """The plane refused a token that was fetched just now (401). Revoked early, or not yet known everywhere behind its
    balancer, it passes; once it lasts it is for a person, as ``lasting`` says.
    """

    def lasting(self) -> PlaneForbidden:
        """What it is when the job's tries are used up."""
        error = PlaneForbidden(self.plane, self.operation, self.detail, status=self.status)
        error.upstream, error.correlation_id = self.upstream, self.correlation_id
        return error


class PlanePort(Protocol):
    """A plane. Every verb raises PlaneUnavailable, PlaneRejected or PlaneForbidden, and nothing else.

    ``correlation_id`` goes out with every request of the call.
    """

    plane: Plane

    async def resolve(self, group: str, *, correlation_id: str) -> Group:
        """The enrolled devices of a group. Raises GroupNotFound."""
        ...

    async def gather(self, gathering: Gathering, *, correlation_id: str) -> Gathered:
        """Make a group of our own hold the devices, once. Raises GroupNotFound for a source that is gone."""
        ...

    async def holdings(self, groups: Sequence[tuple[str, Gathering]], *, correlation_id: str) -> Sequence[Holding]:
        """What groups of ours (their refs) hold, in the order given, beside what each was gathered for."""
        ...

    async def publish(self, publication: Publication, *, correlation_id: str) -> Published:
        """Make the exact content exist, once."""
        ...

    async def assign(self, assignment: Assignment, *, correlation_id: str) -> Assigned:
        """Offer the content to one more group, by merge, and read it back."""
        ...

    def observe(self, watch: Watch, *, correlation_id: str) -> AsyncIterator[Sequence[Observation]]:
        """States in batches; devices the plane has no word for are left out."""
        ...

    async def withdraw(self, withdrawal: Withdrawal, *, correlation_id: str) -> Withdrawn:
        """Take our offers back; devices that have not installed yet will not."""
        ...

    async def inspect(self, key: str, name: str, version: str, *, correlation_id: str) -> Inspection:
        """What stands on the plane under ``key``."""
        ...
