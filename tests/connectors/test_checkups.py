"""What a plane finds out about its own connection by reading: what works, what is missing, and whom to ask for it."""

from datetime import timedelta

import httpx
import pytest
from entra_rig import client_certificate
from intune_lab import BASE, CORRELATION, IntuneWorld
from jamf_rig import Distorting, Rig

from eucora.application.checkups import ChecksUp, CheckupFinding, Health
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.intune.checkup import PERMISSIONS, check_up
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.jamf.checkup import PRIVILEGES
from eucora.lab.faults import Fault


async def of_intune(world: IntuneWorld) -> dict[str, CheckupFinding]:
    plane = world.plane
    assert isinstance(plane, ChecksUp)
    return {finding.check: finding for finding in await plane.check_up(correlation_id=CORRELATION)}


async def of_jamf(rig: Rig, wire: httpx.AsyncBaseTransport | None = None) -> dict[str, CheckupFinding]:
    plane = rig.plane(wire)
    return {finding.check: finding for finding in await plane.check_up(correlation_id=CORRELATION)}


async def test_a_tenant_with_everything_granted_is_good_throughout() -> None:
    found = await of_intune(IntuneWorld())
    assert {finding.health for finding in found.values()} == {Health.GOOD}
    assert {f"permission {one.names[0]}" for one in PERMISSIONS} | {"read apps", "read groups", "clock"} <= set(found)


async def test_nothing_is_changed_by_looking() -> None:
    world, rig = IntuneWorld(), Rig()
    await of_intune(world)
    wire = rig.wire()
    await of_jamf(rig, wire)
    sent = [request for request in (*world.wire.requests, *wire.requests) if "token" not in request.url.path]
    assert len(sent) >= 8
    assert {request.method for request in sent} == {"GET"}


@pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda permission: permission.names[0])
async def test_a_permission_that_is_missing_is_named_with_its_purpose(permission: object) -> None:
    """What only some installations use is told without alarm."""
    [wanted] = [one for one in PERMISSIONS if one is permission]
    world = IntuneWorld()
    every = {name for one in PERMISSIONS for name in one.names}
    world.lab.directory.roles = every - set(wanted.names)
    found = (await of_intune(world))[f"permission {wanted.names[0]}"]
    assert found.health is (Health.BAD if wanted.needed else Health.UNKNOWN)
    assert wanted.purpose in found.told


async def test_a_stronger_permission_is_as_good_and_is_named() -> None:
    world = IntuneWorld()
    world.lab.directory.roles = {"Directory.Read.All"}
    found = (await of_intune(world))["permission Device.Read.All"]
    assert (found.health, found.told) == (Health.GOOD, "granted as Directory.Read.All")


async def test_a_list_that_may_not_be_read_says_what_to_grant() -> None:
    world = IntuneWorld()
    world.lab.faults.add("graph", Fault(403, 1, path_contains="managedDevices"))
    found = await of_intune(world)
    assert found["read managed devices"].health is Health.BAD
    assert "grant DeviceManagementManagedDevices.Read.All" in found["read managed devices"].told
    assert found["read apps"].health is found["read groups"].health is Health.GOOD


async def test_an_upstream_that_is_down_is_a_finding_and_no_failure() -> None:
    world = IntuneWorld()
    world.lab.faults.take_down("graph", 60)
    assert {finding.health for finding in (await of_intune(world)).values()} == {Health.BAD}


@pytest.mark.parametrize(
    ("ahead_s", "health", "told"),
    [
        (59, Health.GOOD, "within 60 s of the vendor's"),
        (240, Health.BAD, "240 s away from the vendor's: set this machine's time"),
        (-240, Health.BAD, "240 s away from the vendor's: set this machine's time"),
    ],
)
async def test_a_machine_whose_clock_is_wrong_is_told(ahead_s: int, health: Health, told: str) -> None:
    world = IntuneWorld()
    async with httpx.AsyncClient(transport=world.wire, base_url=f"{BASE}/graph/v1.0", headers=signed_in(world)) as http:
        found = await check_up(http, lambda: world.clock.now() + timedelta(seconds=ahead_s))
    assert [(one.health, one.told) for one in found if one.check == "clock"] == [(health, told)]


@pytest.mark.parametrize(
    ("days", "health", "told"),
    [
        (30, Health.GOOD, "ends on 2026-04-01, in 30 days"),
        (29, Health.BAD, "ends on 2026-03-31, in 29 days: add a new one to the app registration"),
        (0, Health.BAD, "expired on 2026-03-02: add a new one"),
        (None, None, ""),
    ],
)
async def test_the_end_of_the_client_certificate_is_told_in_time(
    days: int | None, health: Health | None, told: str
) -> None:
    world = IntuneWorld()
    ends_at = None if days is None else world.clock.now() + timedelta(days=days)
    async with httpx.AsyncClient(transport=world.wire, base_url=f"{BASE}/graph/v1.0", headers=signed_in(world)) as http:
        found = {one.check: one for one in await check_up(http, world.clock.now, ends_at=ends_at)}
    one = found.get("client certificate")
    assert (None if one is None else one.health) is health
    assert one is None or one.told.startswith(told)


async def test_the_doctor_tells_the_end_even_where_nobody_may_sign_in() -> None:
    world, certificate = IntuneWorld(), client_certificate()
    access = IntuneAccess("contoso", "client-1", certificate, graph_url=f"{BASE}/graph/v1.0", login_url=f"{BASE}/entra")
    plane = connect_intune(access, budget=world.budget, inner=world.wire, now=world.clock.now, sleep=world.sleep).plane
    assert isinstance(plane, ChecksUp)
    first, sign_in, others = await plane.check_up(correlation_id=CORRELATION)
    assert (first.check, f"{certificate.ends_at:%Y-%m-%d}" in first.told) == ("client certificate", True)
    assert (sign_in.check, sign_in.health) == ("sign-in", Health.BAD)
    assert others.told.startswith("not looked at")


async def test_a_wrong_secret_is_said_once_with_its_number_and_the_way_out() -> None:
    world = IntuneWorld()
    access = IntuneAccess(
        world.lab.directory.credentials.tenant,
        world.lab.directory.credentials.client_id,
        ClientSecret("another"),
        graph_url=f"{BASE}/graph/v1.0",
        login_url=f"{BASE}/entra",
    )
    made = connect_intune(access, budget=world.budget, inner=world.wire, now=world.clock.now, sleep=world.sleep)
    assert isinstance(made.plane, ChecksUp)
    assert isinstance(made.macos, ChecksUp)
    sign_in, skipped = await made.plane.check_up(correlation_id=CORRELATION)
    assert (sign_in.check, sign_in.health) == ("sign-in", Health.BAD)
    assert "AADSTS7000215" in sign_in.told
    assert "put the secret's value, not its id, in INTUNE_CLIENT_SECRET" in sign_in.told
    assert "grant" not in sign_in.told
    assert (skipped.check, skipped.health) == ("permissions", Health.UNKNOWN)
    assert skipped.told.startswith("not looked at")
    [macs] = await made.macos.check_up(correlation_id=CORRELATION)
    assert (macs.check, macs.health) == ("connection", Health.BAD)
    assert macs.told.endswith("see there")


async def test_a_refusal_of_a_kind_that_nobody_knows_has_a_way_out_too() -> None:
    world = IntuneWorld()
    refusal = {"error": "invalid_client", "error_description": "AADSTS9999999: Something new."}
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(401, json=refusal)), base_url=f"{BASE}/graph/v1.0"
    ) as http:
        sign_in, _ = await check_up(http, world.clock.now)
    assert "AADSTS9999999" in sign_in.told
    assert "compare INTUNE_TENANT_ID, INTUNE_CLIENT_ID" in sign_in.told


def signed_in(world: IntuneWorld) -> dict[str, str]:
    credentials = world.lab.directory.credentials
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "scope": "https://graph.microsoft.com/.default",
    }
    return {"Authorization": f"Bearer {world.lab.directory.token_for(credentials.tenant, form)['access_token']}"}


async def test_a_server_with_every_privilege_is_good_throughout() -> None:
    found = await of_jamf(Rig(macs=3))
    assert found.pop("App Installers").health is Health.UNKNOWN, "the lab's asks to be left alone: a note"
    assert {finding.health for finding in found.values()} == {Health.GOOD}
    assert {f"privilege {one.name}" for one in PRIVILEGES} < set(found)


@pytest.mark.parametrize("privilege", PRIVILEGES, ids=lambda privilege: privilege.name)
async def test_a_privilege_that_is_missing_is_named_with_its_purpose(privilege: object) -> None:
    [wanted] = [one for one in PRIVILEGES if one is privilege]
    rig = Rig(macs=3)
    rig.app.state.about.privileges = [one.name for one in PRIVILEGES if one is not wanted]
    found = (await of_jamf(rig))[f"privilege {wanted.name}"]
    assert found.health is (Health.BAD if wanted.needed else Health.UNKNOWN)
    assert wanted.purpose in found.told


@pytest.mark.parametrize(
    ("version", "health"),
    [("11.30.1-t17", Health.GOOD), ("11.0.0", Health.GOOD), ("10.50.0", Health.BAD), ("next", Health.UNKNOWN)],
)
async def test_the_version_of_the_server_is_held_to_the_oldest_that_was_tried(version: str, health: Health) -> None:
    rig = Rig(macs=3)
    wire = Distorting(
        rig, lambda asked, _: httpx.Response(200, json={"version": version}) if "version" in asked.url.path else None
    )
    assert (await of_jamf(rig, wire))["version"].health is health


async def test_an_administrator_holds_everything_and_a_silent_server_leaves_it_open() -> None:
    rig = Rig(macs=3)
    for account, health in ({"privilegeSet": "ADMINISTRATOR"}, Health.GOOD), ({}, Health.UNKNOWN):
        answer = httpx.Response(200, json={"account": account})
        wire = Distorting(rig, lambda asked, _, answer=answer: answer if asked.url.path.endswith("/v1/auth") else None)
        found = await of_jamf(rig, wire)
        assert {found[check].health for check in found if check.startswith("privilege")} == {health}


async def test_a_wrong_secret_ends_the_look_at_once() -> None:
    rig = Rig(macs=3)
    wire = Distorting(
        rig,
        lambda asked, _: httpx.Response(400, json={"error": "invalid_client"}) if "token" in asked.url.path else None,
    )
    found = await of_jamf(rig, wire)
    assert [(check, one.health) for check, one in found.items()] == [("sign-in", Health.BAD)]
    assert "invalid_client" in found["sign-in"].told
    assert "check JAMF_CLIENT_ID and JAMF_CLIENT_SECRET" in found["sign-in"].told
