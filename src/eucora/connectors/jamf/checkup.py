"""A read-only check of the connection to Jamf Pro: sign-in, version, privileges, and the lists that rollouts read.

Privileges are those that Jamf names for the calls that are sent here: ``x-required-privileges`` of the Jamf Pro 11.30.1
schema, and for the Classic API "Privilege Requirements" (developer.jamf.com, read 2026-11-22).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eucora.application.checkups import CheckupFinding, Health
from eucora.application.planes import PlaneError, PlaneForbidden
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.app_installers import catalog_deployments

_NAMED_MAX: Final = 10
OLDEST: Final = (11, 0)  # versions before it are not tried


@dataclass(frozen=True, slots=True)
class Privilege:
    """What an API role must hold. ``needed`` False: only for something that not every installation uses."""

    name: str
    purpose: str
    needed: bool = True


PRIVILEGES: Final = (
    Privilege("Read Computers", "read inventory and policy logs"),
    Privilege("Read Packages", "find the package of a release"),
    Privilege("Create Packages", "upload a release"),
    Privilege("Update Packages", "finish an upload that was cut off"),
    Privilege("Read Policies", "find our policies"),
    Privilege("Create Policies", "offer a release"),
    Privilege("Update Policies", "widen, narrow and stop an offer"),
    Privilege("Read Static Computer Groups", "resolve groups"),
    Privilege("Read Smart Computer Groups", "resolve groups"),
    Privilege("Create Static Computer Groups", "keep groups for targets that name a share of a group", needed=False),
    Privilege("Update Static Computer Groups", "keep groups for targets that name a share of a group", needed=False),
)
_WAY_IN: Final = (
    "check JAMF_CLIENT_ID and JAMF_CLIENT_SECRET (or JAMF_USERNAME and JAMF_PASSWORD), and in Jamf Pro that the API"
    " client or account is enabled; of a lost secret make a new one there"
)
_LISTS: Final = (
    ("computers", "/api/v4/computers-inventory", {"section": "GENERAL", "page": 0, "page-size": 1}),
    ("packages", "/api/v1/packages", {"page": 0, "page-size": 1}),
    ("policies", "/JSSResource/policies", None),
)


async def check_up(api: JamfApi) -> Sequence[CheckupFinding]:
    """Findings on what the API client may do."""
    try:
        found = await api.get_json("/api/v1/jamf-pro-version")
    except PlaneError as error:
        way = f"; {_WAY_IN}" if isinstance(error, PlaneForbidden) else ""
        return [CheckupFinding("sign-in", Health.BAD, f"{error.detail}{way}")]
    findings = [CheckupFinding("sign-in", Health.GOOD, "accepted"), _version(found)]
    for name, path, params in _LISTS:
        try:
            await api.call("GET", path, accept="application/json, application/xml", params=params)
            findings.append(CheckupFinding(f"read {name}", Health.GOOD, "read"))
        except PlaneError as error:
            findings.append(CheckupFinding(f"read {name}", Health.BAD, error.detail))
    return [*findings, await _installers(api), *await _privileges(api)]


async def _installers(api: JamfApi) -> CheckupFinding:
    """Titles that Jamf installs by itself: no fault, and good to know before one of them is rolled out from here."""
    try:
        found = [str(one) for one in await catalog_deployments(api) or () if one.enabled]
    except PlaneError as error:
        return CheckupFinding("App Installers", Health.UNKNOWN, error.detail)
    if not found:
        return CheckupFinding("App Installers", Health.GOOD, "none is deployed")
    told = "; ".join(found[:_NAMED_MAX]) + (f"; and {len(found) - _NAMED_MAX} more" if len(found) > _NAMED_MAX else "")
    return CheckupFinding(
        "App Installers", Health.UNKNOWN, f"{told}; roll none of them out as well, or turn it off there"
    )


def _version(body: dict[str, Any] | None) -> CheckupFinding:
    text = str((body or {}).get("version") or "")
    numbers = [part for part in text.split("-")[0].split(".")[:2] if part.isdecimal()]
    if len(numbers) < 2:
        return CheckupFinding("version", Health.UNKNOWN, "the server does not say which version it is")
    if tuple(map(int, numbers)) < OLDEST:
        return CheckupFinding("version", Health.BAD, f"{text} is older than {'.'.join(map(str, OLDEST))}: update it")
    return CheckupFinding("version", Health.GOOD, text)


async def _privileges(api: JamfApi) -> list[CheckupFinding]:
    try:
        held = _held(await api.get_json("/api/v1/auth"))
    except PlaneError as error:
        return [CheckupFinding("privileges", Health.UNKNOWN, error.detail)]
    if held is None:
        told = "the server does not say what the client may do, and writing is not tried; compare with docs/connectors"
        return [CheckupFinding("privileges", Health.UNKNOWN, told)]
    return [_privilege(privilege, held) for privilege in PRIVILEGES]


def _privilege(privilege: Privilege, held: frozenset[str]) -> CheckupFinding:
    check = f"privilege {privilege.name}"
    if privilege.name in held:
        return CheckupFinding(check, Health.GOOD, "granted")
    health = Health.BAD if privilege.needed else Health.UNKNOWN
    return CheckupFinding(check, health, f"not granted; it is needed to {privilege.purpose}")


def _held(body: dict[str, Any] | None) -> frozenset[str] | None:
    """Privileges of the account on any site and of its groups; an administrator holds all. None: not told."""
    account, groups = (body or {}).get("account"), (body or {}).get("accountGroups")
    holders = [one for one in ([account] + (groups if isinstance(groups, list) else [])) if isinstance(one, dict)]
    if any(one.get("privilegeSet") == "ADMINISTRATOR" for one in holders):
        return frozenset(privilege.name for privilege in PRIVILEGES)
    lists = [one.get("privileges") for one in holders]
    for one in holders:
        by_site = one.get("privilegesBySite")
        lists += by_site.values() if isinstance(by_site, dict) else ()
    held = {name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)}
    return frozenset(held) or None
