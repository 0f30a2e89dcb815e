"""A read-only check of the connection to Kandji: is the token good, and may it read what posture checks need.

A token cannot be asked what it may do: each call is tried once, on the first device of the list.
"""

from collections.abc import Sequence
from typing import Final

from eucora.application.checkups import CheckupFinding, Health
from eucora.connectors.kandji.api import KandjiApi
from eucora.connectors.kandji.devices import FIREWALLS
from eucora.connectors.kandji.failures import KandjiError
from eucora.connectors.kandji.records import device_of

# Kandji lists a token's permissions by their paths (guides of several vendors that connect to it).
CALLS: Final = ("details", "status")


async def check_up(api: KandjiApi) -> Sequence[CheckupFinding]:
    """Findings on what the token may read."""
    try:
        rows = await api.get("check", "/devices", {"ordering": "serial_number", "limit": "1", "offset": "0"})
        if not isinstance(rows, list):
            told = "no device list at that address: compare KANDJI_API_URL with the API URL that Kandji shows"
            return [CheckupFinding("read devices", Health.BAD, told)]
        first = device_of("check", rows[0]) if rows else None
    except KandjiError as error:
        return [CheckupFinding("read devices", Health.BAD, error.detail)]
    findings = [CheckupFinding("read devices", Health.GOOD, "read"), await _firewalls(api)]
    for call in CALLS:
        needed = f"the token needs GET /devices/{{device_id}}/{call}"
        if first is None:
            told = f"not tried, there is no device yet; {needed}"
            findings.append(CheckupFinding(f"read device {call}", Health.UNKNOWN, told))
            continue
        try:
            await api.get_object("check", f"/devices/{first.device_id}/{call}")
            findings.append(CheckupFinding(f"read device {call}", Health.GOOD, "read"))
        except KandjiError as error:
            findings.append(CheckupFinding(f"read device {call}", Health.BAD, f"{needed}: {error.detail}"))
    return findings


async def _firewalls(api: KandjiApi) -> CheckupFinding:
    try:
        found = await api.get_object("check", FIREWALLS)
    except KandjiError as error:
        told = f"the token needs GET {FIREWALLS}: {error.detail}"
        return CheckupFinding("read firewalls", Health.BAD, told)
    if found is None:
        return CheckupFinding(
            "read firewalls", Health.UNKNOWN, f"the tenant has no {FIREWALLS}: firewalls stay unknown"
        )
    return CheckupFinding("read firewalls", Health.GOOD, "read")
