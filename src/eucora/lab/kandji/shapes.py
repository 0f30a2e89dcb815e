"""The Macs of the fleet under Kandji's names, with its several ways to write a time and a boolean.

Field names, texts for booleans and time formats are those of the vendor's samples: the Postman collection "Kandji API"
(kept in MScottBlake/kandji-openapi) and a details record in Sumo Logic's documentation of its Kandji source.
"""

from datetime import UTC, datetime
from typing import Any

from eucora.lab.roster import LabDevice, draw, draw_uuid

_UNENCRYPTED = 0.05  # share of the Macs that have FileVault off
_UNGUARDED = 0.1  # share of those that have the application firewall off
_BLUEPRINT = "Company Macs"


def device_id(seed: int, device: LabDevice) -> str:
    """Kandji's id of the device."""
    return draw_uuid(seed, "kandji-device", device.index)


def encrypted(seed: int, device: LabDevice) -> bool:
    """Whether FileVault is on there."""
    return draw(seed, "kandji-filevault", device.index) >= _UNENCRYPTED


def guarded(seed: int, device: LabDevice) -> bool:
    """Whether the application firewall is on there."""
    return draw(seed, "kandji-firewall", device.index) >= _UNGUARDED


def row(seed: int, device: LabDevice, heard: datetime, enrolled: datetime, *, removed: bool) -> dict[str, Any]:
    """One entry of the device list."""
    return {
        "device_id": device_id(seed, device),
        "device_name": device.name,
        "model": "MacBook Air (M1, 2020)",
        "serial_number": device.serial,
        "platform": "Mac",
        "os_version": device.os_version,
        "supplemental_build_version": "23E224",
        "supplemental_os_version_extra": "",
        "last_check_in": _zulu(heard),
        "user": {"email": device.user, "name": device.user.partition("@")[0], "id": str(device.index)},
        "asset_tag": None,
        "blueprint_id": draw_uuid(seed, "kandji-blueprint"),
        "blueprint_name": _BLUEPRINT,
        "mdm_enabled": not removed,
        "agent_installed": not removed,
        "is_missing": device.missing,
        "is_removed": removed,
        "agent_version": "4.5.9 (5160)",
        "first_enrollment": _spaced(enrolled),
        "last_enrollment": _spaced(enrolled),
        "lost_mode_status": "",
        "tags": [],
    }


def details(seed: int, device: LabDevice, heard: datetime, enrolled: datetime, *, removed: bool) -> dict[str, Any]:
    """What the details of a device say."""
    locked, told = encrypted(seed, device), str(not removed)
    return {
        "general": {
            "device_id": device_id(seed, device),
            "device_name": device.name,
            "last_enrollment": _spaced(enrolled),
            "first_enrollment": _spaced(enrolled),
            "model": "MacBook Air (M1, 2020)",
            "platform": "Mac",
            "os_version": device.os_version,
            "system_version": f"{device.os_version} (23E224)",
            "boot_volume": "Macintosh HD",
            "time_since_boot": "3 days ago",
            "last_user": device.user.partition("@")[0],
            "asset_tag": "",
            "assigned_user": "",
            "blueprint_name": _BLUEPRINT,
            "blueprint_uuid": draw_uuid(seed, "kandji-blueprint"),
        },
        "mdm": {
            "mdm_enabled": told,
            "supervised": told,
            "install_date": _spaced(enrolled),
            "last_check_in": _spaced(heard),
            "mdm_enabled_user": [],
        },
        "activation_lock": {"activation_lock_supported": True, "user_activation_lock_enabled": False},
        "filevault": {
            "filevault_enabled": locked,
            "filevault_recoverykey_type": "Personal" if locked else "",
            "filevault_prk_escrowed": locked,
            "filevault_next_rotation": "",
            "filevault_regen_required": False,
        },
        "lost_mode": {},
        "automated_device_enrollment": {},
        "kandji_agent": {
            "agent_installed": told,
            "install_date": _spaced(enrolled.replace(microsecond=0)),
            "last_check_in": _zulu(heard),
            "agent_version": "4.5.9 (5160)",
        },
        "hardware_overview": {"model_name": "MacBook Air", "udid": device.udid, "serial_number": device.serial},
        "volumes": [{"name": "Macintosh HD", "format": "APFS", "encrypted": "Yes" if locked else "No"}],
        "recovery_information": {"recovery_lock_enabled": True, "firmware_password_exist": False},
        "installed_profiles": [{"name": "MDM Profile", "install_date": f"{enrolled:%Y-%m-%d %H:%M:%S} +0000"}],
        "security_information": {"remote_desktop_enabled": False},
        "tags": [],
    }


def status(seed: int, device: LabDevice, heard: datetime) -> dict[str, Any]:
    """Library items and parameters of a device: the agent is there, and FileVault is asked for."""
    result = "PASS" if encrypted(seed, device) else "ERROR"
    item = {"reported_at": _zulu(heard), "last_audit_log": "", "log": ""}
    return {
        "library_items": [
            item | {"item_id": draw_uuid(seed, "kandji-item", kind), "name": name, "type": kind, "status": word}
            for kind, name, word in (("agent", "Kandji Agent", "PASS"), ("profile", "FileVault", result))
        ],
        "parameters": [
            {
                "item_id": draw_uuid(seed, "kandji-parameter"),
                "name": "Ensure the firewall is on",
                "category": "Network",
                "subcategory": "Firewall",
                "status": "PENDING" if device.missing else "PASS",
            }
        ],
    }


def firewall(seed: int, device: LabDevice, heard: datetime) -> dict[str, Any]:
    """One entry of Prism's list of application firewalls."""
    return {
        "device_id": device_id(seed, device),
        "device__name": device.name,
        "serial_number": device.serial,
        "blueprint_name": _BLUEPRINT,
        "status": guarded(seed, device),
        "updated_at": _zulu(heard),
    }


def _zulu(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _spaced(at: datetime) -> str:
    return str(at.astimezone(UTC))
