"""A read-only check of the connection to Intune: sign-in, clock, permissions, and the three lists that rollouts read.

Permissions are those that Microsoft names for the calls that are sent here (Graph v1.0 reference, "Permissions" of each
call). An app's token carries them in its claim ``roles``; Microsoft calls that token opaque to clients, so what it says
is told as a fact only where the claim is there, and reading is tried in any case.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from eucora.application.checkups import CheckupFinding, Health
from eucora.application.planes import PlaneError, PlaneForbidden
from eucora.connectors.entra.auth import SIGN_IN
from eucora.connectors.entra.certificate import RENEW, WARN_BEFORE
from eucora.connectors.entra.refusals import number_of, way_out
from eucora.connectors.http import send
from eucora.connectors.intune.graph import APPS, DEVICES
from eucora.domain.planes import Plane

_OPERATION: Final = "check_up"
_WAY_IN: Final = (
    "compare INTUNE_TENANT_ID, INTUNE_CLIENT_ID and the credential with the app registration, and see there that it is"
    " enabled"
)
SKEW_MAX_S: Final = 60.0  # assertions and tokens are dated; Entra allows five minutes, a fifth of that is a warning


@dataclass(frozen=True, slots=True)
class Permission:
    """An application permission. Any one of ``names`` is enough; the first one asks for least."""

    names: tuple[str, ...]
    purpose: str
    needed: bool = True  # False: only for something that not every installation uses


PERMISSIONS: Final = (
    Permission(("DeviceManagementApps.ReadWrite.All",), "make apps, upload their content, assign them"),
    Permission(
        ("DeviceManagementManagedDevices.Read.All", "DeviceManagementManagedDevices.ReadWrite.All"), "read devices"
    ),
    Permission(
        ("GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All",
         "Directory.Read.All"),
        "read the members of groups",
    ),
    Permission(("Device.Read.All", "Device.ReadWrite.All", "Directory.Read.All"), "know the devices in groups"),
    Permission(("Group.ReadWrite.All",), "keep groups for targets that name a share of a group", needed=False),
    Permission(("Device.ReadWrite.All",), "put devices into the groups that are kept for shares", needed=False),
    Permission(
        ("DeviceManagementRBAC.Read.All", "DeviceManagementRBAC.ReadWrite.All"),
        "follow requests that wait for a second administrator (Multi Admin Approval)",
        needed=False,
    ),
    Permission(
        ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All"),
        "know the groups of people who are in more than their token holds",
        needed=False,
    ),
)  # fmt: skip
_LISTS: Final = (
    ("apps", APPS, PERMISSIONS[0]),
    ("managed devices", DEVICES, PERMISSIONS[1]),
    ("groups", "/groups", PERMISSIONS[2]),
)


async def check_up(
    client: httpx.AsyncClient, now: Callable[[], datetime], *, ends_at: datetime | None = None
) -> Sequence[CheckupFinding]:
    """Findings on what ``client``, which signs in by itself, may do. ``ends_at``: when its certificate does (UTC)."""
    findings = [] if ends_at is None else [_ending(ends_at, now())]
    answers: list[httpx.Response] = []
    for name, path, permission in _LISTS:
        try:
            params = {"$top": "1", "$select": "id"}
            answers.append(await send(client, Plane.INTUNE, _OPERATION, "GET", path, params=params))
            findings.append(CheckupFinding(f"read {name}", Health.GOOD, "read"))
        except PlaneError as error:
            if error.operation == SIGN_IN or error.status == 401:
                return [*findings, *_not_let_in(error)]
            if isinstance(error, PlaneForbidden):
                way = f"grant {permission.names[0]} with admin consent"
                findings.append(CheckupFinding(f"read {name}", Health.BAD, f"{error.detail}; {way}"))
                continue
            findings.append(CheckupFinding(f"read {name}", Health.BAD, error.detail))
    if not answers:
        return findings
    return [*findings, _skew(answers[0], now()), *_granted(answers[0].request)]


def _not_let_in(error: PlaneError) -> list[CheckupFinding]:
    """The sign-in's own fault, once: whoever is not let in learns nothing about permissions."""
    told = error.detail
    if isinstance(error, PlaneForbidden) and not way_out(number_of({"error_description": told})):
        told = f"{told}; {_WAY_IN}"
    return [
        CheckupFinding("sign-in", Health.BAD, told),
        CheckupFinding("permissions", Health.UNKNOWN, "not looked at: the sign-in comes first"),
    ]


def _ending(at: datetime, now: datetime) -> CheckupFinding:
    left, day = (at - now).days, f"{at:%Y-%m-%d}"
    if at <= now:
        told = f"expired on {day}: {RENEW}"
    else:
        told = f"ends on {day}, in {left} days" + (f": {RENEW}" if at - now < WARN_BEFORE else "")
    return CheckupFinding("client certificate", Health.GOOD if at - now >= WARN_BEFORE else Health.BAD, told)


def _skew(answer: httpx.Response, now: datetime) -> CheckupFinding:
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return CheckupFinding("clock", Health.UNKNOWN, "the answer carries no date to compare with")
    off = abs((now - at).total_seconds())
    if off > SKEW_MAX_S:
        return CheckupFinding("clock", Health.BAD, f"{off:.0f} s away from the vendor's: set this machine's time")
    return CheckupFinding("clock", Health.GOOD, f"within {SKEW_MAX_S:.0f} s of the vendor's")


def _granted(request: httpx.Request) -> list[CheckupFinding]:
    roles = _roles(request.headers.get("authorization", "").removeprefix("Bearer "))
    if roles is None:
        told = "the token does not say what was granted, and writing is not tried; compare with docs/connectors"
        return [CheckupFinding("permissions", Health.UNKNOWN, told)]
    return [_permission(permission, roles) for permission in PERMISSIONS]


def _permission(permission: Permission, roles: frozenset[str]) -> CheckupFinding:
    check = f"permission {permission.names[0]}"
    if held := next((name for name in permission.names if name in roles), None):
        return CheckupFinding(check, Health.GOOD, f"granted as {held}" if held != permission.names[0] else "granted")
    health = Health.BAD if permission.needed else Health.UNKNOWN
    return CheckupFinding(check, health, f"not granted; it is needed to {permission.purpose}")


def _roles(token: str) -> frozenset[str] | None:
    """The claim ``roles``, unverified: it is Graph that decides, this only tells people. None: it is not readable."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        roles = claims["roles"]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(roles, list):
        return None
    return frozenset(role for role in roles if isinstance(role, str))
