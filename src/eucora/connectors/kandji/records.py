"""What is kept of Kandji's records, and how it is read. What Kandji does not say, or says wrongly, is None."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from eucora.connectors.kandji.api import JsonObject
from eucora.connectors.kandji.failures import off_schema
from eucora.connectors.kandji.words import moment, switched_on, text, yes

ITEMS_MAX: Final = 5_000  # library items or parameters of one device
# What may stand in a path. Kandji's ids are UUIDs in every sample; nothing promises it.
DEVICE_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True)
class KandjiDevice:
    """One row of the device list, under Kandji's names. Times UTC.

    ``platform``: Mac, iPhone, iPad, AppleTV. ``is_missing``: not heard of for long; ``is_removed``: no longer enrolled.
    """

    device_id: str
    device_name: str | None
    serial_number: str | None
    platform: str | None
    model: str | None
    os_version: str | None
    user_email: str | None
    asset_tag: str | None
    blueprint_name: str | None
    mdm_enabled: bool | None
    agent_installed: bool | None
    is_missing: bool | None
    is_removed: bool | None
    last_check_in: datetime | None
    last_enrollment: datetime | None


@dataclass(frozen=True, slots=True)
class KandjiDetails:
    """What Kandji knows of one device. Times UTC; those of MDM and of Kandji's agent are apart.

    ``filevault_enabled`` is None for what has no FileVault; ``filevault_prk_escrowed``: Kandji keeps the recovery key.
    """

    device_id: str
    serial_number: str | None
    platform: str | None
    os_version: str | None
    mdm_enabled: bool | None
    supervised: bool | None
    mdm_last_check_in: datetime | None
    agent_installed: bool | None
    agent_last_check_in: datetime | None
    filevault_enabled: bool | None
    filevault_prk_escrowed: bool | None
    udid: str | None

    @property
    def last_check_in(self) -> datetime | None:
        """The later of the two; None when Kandji has heard of neither."""
        return max(filter(None, (self.mdm_last_check_in, self.agent_last_check_in)), default=None)


@dataclass(frozen=True, slots=True)
class KandjiFirewall:
    """The application firewall of one device; ``enabled`` None: Kandji says nothing that is a yes or a no."""

    device_id: str
    serial_number: str | None
    enabled: bool | None
    reported_at: datetime | None  # UTC


@dataclass(frozen=True, slots=True)
class KandjiItem:
    """A library item or a parameter on one device. ``status`` is Kandji's word: PASS, PENDING, ERROR and others."""

    item_id: str
    name: str | None
    type: str | None
    status: str | None
    reported_at: datetime | None  # UTC


@dataclass(frozen=True, slots=True)
class KandjiStatus:
    """What Kandji's library items and parameters came to on one device; there is no single word for "compliant"."""

    library_items: Sequence[KandjiItem]
    parameters: Sequence[KandjiItem]


def device_of(operation: str, record: Any) -> KandjiDevice:
    """A row of the list. Raises KandjiRejected for one without an id that can stand in a path."""
    device_id = text(record.get("device_id")) if isinstance(record, dict) else None
    if device_id is None or not DEVICE_ID.fullmatch(device_id):
        raise off_schema(operation, "a device without device_id")
    user = _part(record, "user")  # an empty text where nobody is assigned
    return KandjiDevice(
        device_id=device_id,
        device_name=text(record.get("device_name")),
        serial_number=text(record.get("serial_number")),
        platform=text(record.get("platform")),
        model=text(record.get("model")),
        os_version=text(record.get("os_version")),
        user_email=text(user.get("email")),
        asset_tag=text(record.get("asset_tag")),
        blueprint_name=text(record.get("blueprint_name")),
        mdm_enabled=yes(record.get("mdm_enabled")),
        agent_installed=yes(record.get("agent_installed")),
        is_missing=yes(record.get("is_missing")),
        is_removed=yes(record.get("is_removed")),
        last_check_in=moment(record.get("last_check_in")),
        last_enrollment=moment(record.get("last_enrollment")),
    )


def details_of(operation: str, record: JsonObject) -> KandjiDetails:
    """The details. Raises KandjiRejected for those of nobody."""
    general, mdm, agent = _part(record, "general"), _part(record, "mdm"), _part(record, "kandji_agent")
    filevault, hardware = _part(record, "filevault"), _part(record, "hardware_overview")
    if (device_id := text(general.get("device_id"))) is None:
        raise off_schema(operation, "details without device_id")
    return KandjiDetails(
        device_id=device_id,
        serial_number=text(hardware.get("serial_number")),
        platform=text(general.get("platform")),
        os_version=text(general.get("os_version")),
        mdm_enabled=yes(mdm.get("mdm_enabled")),
        supervised=yes(mdm.get("supervised")),
        mdm_last_check_in=moment(mdm.get("last_check_in")),
        agent_installed=yes(agent.get("agent_installed")),
        agent_last_check_in=moment(agent.get("last_check_in")),
        filevault_enabled=yes(filevault.get("filevault_enabled")),
        filevault_prk_escrowed=yes(filevault.get("filevault_prk_escrowed")),
        udid=text(hardware.get("udid")) or text(hardware.get("uuid")),
    )


def firewall_of(operation: str, record: Any) -> KandjiFirewall:
    """A row of the firewall list. Raises KandjiRejected for one without the id of a device."""
    device_id = text(record.get("device_id")) if isinstance(record, dict) else None
    if device_id is None or not DEVICE_ID.fullmatch(device_id):
        raise off_schema(operation, "a firewall without device_id")
    return KandjiFirewall(
        device_id=device_id,
        serial_number=text(record.get("serial_number")),
        enabled=switched_on(record.get("status")),
        reported_at=moment(record.get("updated_at")),
    )


def status_of(operation: str, record: JsonObject) -> KandjiStatus:
    """Both lists, each of which has to be there. Raises KandjiRejected."""
    return KandjiStatus(_items(operation, record, "library_items"), _items(operation, record, "parameters"))


def _items(operation: str, record: JsonObject, name: str) -> tuple[KandjiItem, ...]:
    rows = record.get(name)
    if not isinstance(rows, list) or len(rows) > ITEMS_MAX or not all(isinstance(row, dict) for row in rows):
        raise off_schema(operation, f"{name} is no list of objects")
    return tuple(_item(operation, name, row) for row in rows)


def _item(operation: str, name: str, row: JsonObject) -> KandjiItem:
    if (item_id := text(row.get("item_id"))) is None:
        raise off_schema(operation, f"one of {name} has no item_id")
    return KandjiItem(
        item_id=item_id,
        name=text(row.get("name")),
        type=text(row.get("type")),
        status=text(row.get("status")),
        reported_at=moment(row.get("reported_at")),
    )


def _part(record: JsonObject, name: str) -> JsonObject:
    part = record.get(name)
    return part if isinstance(part, dict) else {}
