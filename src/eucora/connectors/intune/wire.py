"""Intune's words into ours and back. Vendor names stop here.

Source: Microsoft Graph v1.0 metadata (msgraph-metadata f54f11b6, read 2026-11-22): win32LobApp, its rules, return
codes, assignments and their settings; numeric install states are those of Graph's ``resultantAppState``.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from eucora.application.planes import Offer, Publication
from eucora.connectors.intune.graph import JsonObject
from eucora.connectors.intune.windows import windows_part
from eucora.domain.planes import InstallState, Platform
from eucora.formats.intunewin import IntunewinPackage

WIN32_APP: Final = "#microsoft.graph.win32LobApp"
MAC_LOB_APP: Final = "#microsoft.graph.macOSLobApp"
MAC_DMG_APP: Final = "#microsoft.graph.macOSDmgApp"
EXCLUSION_TARGET: Final = "#microsoft.graph.exclusionGroupAssignmentTarget"
GROUP_TARGET: Final = "#microsoft.graph.groupAssignmentTarget"
INTENTS: Final = {Offer.INSTALL: "required", Offer.UNINSTALL: "uninstall", Offer.AVAILABLE: "available"}
_OFFERS: Final = {intent: offer for offer, intent in INTENTS.items() if offer is offer.goal}

_SYSTEMS: Final = {Platform.WINDOWS: "windows", Platform.MACOS: "mac"}
_WORDS: Final = {
    "installed": "installed",
    "failed": "failed",
    "notinstalled": "notinstalled",
    "uninstallfailed": "uninstallfailed",
    "pendinginstall": "pendinginstall",
    "pending": "pendinginstall",
    "notapplicable": "notapplicable",
    "1": "installed",
    "2": "failed",
    "3": "notinstalled",
    "4": "uninstallfailed",
    "5": "pendinginstall",
    "-1": "notapplicable",
}
_STATES: Final = {
    Offer.INSTALL: {
        "installed": InstallState.INSTALLED,
        "failed": InstallState.FAILED,
        "notinstalled": InstallState.NOT_INSTALLED,
        "uninstallfailed": InstallState.PENDING,  # news of an earlier removal; the install is still to come
        "pendinginstall": InstallState.PENDING,
        "notapplicable": InstallState.NOT_APPLICABLE,
    },
    Offer.UNINSTALL: {
        "installed": InstallState.INSTALLED,  # still there
        "failed": InstallState.PENDING,  # news of the install before; the removal is still to come
        "notinstalled": InstallState.NOT_INSTALLED,
        "uninstallfailed": InstallState.FAILED,
        "pendinginstall": InstallState.PENDING,
        "notapplicable": InstallState.NOT_APPLICABLE,
    },
}


def runs(device: JsonObject, platform: Platform) -> bool | None:
    """Whether the device is one of ``platform`` by a record of Intune or Entra; None: the record names no system.

    Intune writes ``Windows`` and ``macOS``; Entra ``Windows``, and of a Mac ``MacMDM`` or ``macOS``.
    """
    told = str(device.get("operatingSystem") or "").strip().lower()
    return told.startswith(_SYSTEMS[platform]) if told else None


def display_name(name: str, version: str) -> str:
    """What the app is called in Intune; v1.0 has no field of its own for a Win32 app's version."""
    return f"{name} {version}".strip()


def carries(app: JsonObject, key: str) -> bool:
    """Whether ``key`` stands on a line of its own in the app's notes."""
    notes = app.get("notes")
    return isinstance(notes, str) and key in (line.strip() for line in notes.splitlines())


def win32_app(publication: Publication, package: IntunewinPackage) -> JsonObject:
    """The body that creates the app. Raises PlaneRejected for a detection that Windows has no rule for."""
    named = display_name(publication.name, publication.version)
    return {
        "@odata.type": WIN32_APP,
        "displayName": named,
        "description": named,
        "publisher": publication.publisher,
        "notes": publication.key,
        "isFeatured": False,
        "fileName": package.file_name,
        "setupFilePath": package.setup_file.replace("/", "\\"),
        "installCommandLine": publication.install_command,
        "uninstallCommandLine": publication.uninstall_command,
        **windows_part(publication, package.msi),
    }


def content_file(package: IntunewinPackage) -> JsonObject:
    """The body that announces the encrypted file."""
    return {
        "@odata.type": "#microsoft.graph.mobileAppContentFile",
        "name": package.file_name,
        "size": package.unencrypted_size,
        "sizeEncrypted": package.encrypted_size,
        "manifest": None,
        "isDependency": False,
    }


def describes(file: JsonObject, package: IntunewinPackage) -> bool:
    """Whether Intune's record of a file is of this package's content, as far as it tells."""
    return (file.get("name"), file.get("size"), file.get("sizeEncrypted")) == (
        package.file_name,
        package.unencrypted_size,
        package.encrypted_size,
    )


def commit(package: IntunewinPackage) -> JsonObject:
    """The body that hands Intune the keys to the uploaded bytes."""
    return {
        "fileEncryptionInfo": {
            "encryptionKey": package.encryption_key,
            "macKey": package.mac_key,
            "initializationVector": package.initialization_vector,
            "mac": package.mac,
            "profileIdentifier": package.profile_identifier,
            "fileDigest": package.file_digest,
            "fileDigestAlgorithm": package.file_digest_algorithm,
        }
    }


def assignment(group: str, offer: Offer, app_type: str = WIN32_APP) -> JsonObject:
    """Our assignment to a group, with the settings that Intune's own console starts from for that type of app."""
    return {
        "@odata.type": "#microsoft.graph.mobileAppAssignment",
        "intent": INTENTS[offer],
        "target": {"@odata.type": GROUP_TARGET, "groupId": group},
        "settings": _settings(app_type),
    }


def exclusion(group: str, offer: Offer) -> JsonObject:
    """What keeps a group out of our offers of that kind, whichever group they are made to."""
    return {
        "@odata.type": "#microsoft.graph.mobileAppAssignment",
        "intent": INTENTS[offer],
        "target": {"@odata.type": EXCLUSION_TARGET, "groupId": group},
        "settings": None,
    }


def _settings(app_type: str) -> JsonObject | None:
    """v1.0 has settings for two of our three types."""
    if app_type == WIN32_APP:
        return {
            "@odata.type": "#microsoft.graph.win32LobAppAssignmentSettings",
            "notifications": "showAll",
            "deliveryOptimizationPriority": "notConfigured",
            "installTimeSettings": None,
            "restartSettings": None,
        }
    if app_type == MAC_LOB_APP:
        return {"@odata.type": "#microsoft.graph.macOsLobAppAssignmentSettings", "uninstallOnDeviceRemoval": False}
    return None


def offer_of(assignment: JsonObject) -> tuple[str, Offer] | None:
    """The group and the offer, when the assignment asks a group for something; None for any other."""
    offer, group = _OFFERS.get(str(assignment.get("intent"))), _group_of(assignment)
    return None if offer is None or group is None else (group, offer)


def available_to(assignment: JsonObject) -> str | None:
    """The group whose people may install the app by this assignment; None for an assignment of another kind."""
    return _group_of(assignment) if assignment.get("intent") == INTENTS[Offer.AVAILABLE] else None


def _group_of(assignment: JsonObject) -> str | None:
    target = assignment.get("target")
    if not isinstance(target, dict) or target.get("@odata.type") != GROUP_TARGET:
        return None
    group = target.get("groupId")
    return group.lower() if isinstance(group, str) else None


def asks(assignment: JsonObject) -> bool:
    """Whether the assignment makes devices do something, rather than let them."""
    return str(assignment.get("intent")) in _OFFERS


def target_kind(assignment: JsonObject) -> str:
    """``group``, ``exclusionGroup``, ``allDevices``, ``allLicensedUsers`` …: Graph's type without what all have."""
    target = assignment.get("target")
    named = str(target.get("@odata.type", "")) if isinstance(target, dict) else ""
    return named.rpartition(".")[2].removesuffix("AssignmentTarget")


def install_state(offer: Offer, *words: Any) -> InstallState:
    """Our state for the first of ``words`` (text or number, any case and spacing) that is known; else UNKNOWN."""
    for word in words:
        text = re.sub(r"[^a-z0-9-]", "", str(word).lower()) if isinstance(word, str | int) else ""
        if text in _WORDS:
            return _STATES[offer.goal][_WORDS[text]]
    return InstallState.UNKNOWN


def error_code(number: Any, hexadecimal: Any) -> str:
    """``0x87D1041C`` from either form of a code; signed decimals are read as 32 bits. Empty for none."""
    if isinstance(hexadecimal, str) and re.fullmatch(r"(0x)?[0-9A-Fa-f]{1,8}", hexadecimal.strip()):
        value = int(hexadecimal.strip(), 16)
    else:
        try:
            value = int(number)
        except (TypeError, ValueError):
            return ""
    return f"0x{value & 0xFFFFFFFF:08X}" if value else ""


def moment(text: Any) -> datetime | None:
    """A vendor's time in UTC; without an offset it is taken for UTC. None for none, and for Intune's year 1."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if at.year < 2000:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
