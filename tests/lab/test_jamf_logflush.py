"""Flushing policy logs at the simulated Jamf Pro server: what is forgotten, and what runs again for it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from jamf_world import EVERYONE_REPORTED_S, XML, JamfWorld, install_policy, uninstall_policy

from eucora.lab.roster import LabDevice

NAME = "Editor 2.0 [ab12]"
ONCE = "Once per computer"


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=400, token_s=1e6)
    async with world.http:
        await world.sign_in()
        yield world


def request_for(
    *, policy: str = "", computers: tuple[LabDevice, ...] = (), interval: str = "Zero Days", log: str = "policy"
) -> str:
    named = "".join(f"<computer><id>{mac.jamf_id}</id></computer>" for mac in computers)
    return (
        f"<logflush><log>{log}</log>{f'<log_id>{policy}</log_id>' if policy else ''}<interval>{interval}</interval>"
        f"{f'<computers>{named}</computers>' if named else ''}</logflush>"
    )


async def flush(jamf: JamfWorld, content: str, headers: dict[str, str] = XML) -> httpx.Response:
    return await jamf.http.request("DELETE", "JSSResource/logflush", content=content, headers=headers)


async def installed_once(jamf: JamfWorld, *groups: str) -> str:
    """The id of a policy that has run on every Mac of the groups."""
    policy = install_policy(NAME, await jamf.ready_package(), *groups, frequency=ONCE)
    policy_id = await jamf.policy(policy)
    jamf.clock.advance(EVERYONE_REPORTED_S)
    return policy_id


async def test_a_flushed_policy_forgets_its_runs_and_runs_again_where_it_is_offered(jamf: JamfWorld) -> None:
    policy_id = await installed_once(jamf, jamf.group_id())
    mac = jamf.sound()
    [before] = await jamf.logs(mac)
    assert (await flush(jamf, request_for(policy=policy_id))).status_code == 200
    assert await jamf.logs(mac) == []
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [again] = await jamf.logs(mac)
    assert (again["policy_id"], again["status"]) == (int(policy_id), "Completed")
    assert int(str(again["date_completed_epoch"])) > int(str(before["date_completed_epoch"]))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(mac) == [again]


async def test_flushing_computers_is_about_theirs_alone_and_about_every_policy_of_theirs(jamf: JamfWorld) -> None:
    await installed_once(jamf, jamf.group_id())
    await jamf.policy(install_policy("Viewer 1.0 [cd34]", "1", jamf.group_id(), frequency=ONCE))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    mac, other = [device for device in jamf.ring() if not (device.missing or device.failing or device.late)][:2]
    kept = await jamf.logs(other)
    assert len(kept) == len(await jamf.logs(mac)) == 2
    assert (await flush(jamf, request_for(computers=(mac,)))).status_code == 200
    assert await jamf.logs(mac) == []
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert len(await jamf.logs(mac)) == 2
    assert await jamf.logs(other) == kept


@pytest.mark.parametrize(("age_days", "left"), [(0.9, 1), (1.1, 0)])
async def test_only_logs_of_that_age_are_flushed(jamf: JamfWorld, age_days: float, left: int) -> None:
    policy_id = await installed_once(jamf, jamf.group_id())
    jamf.clock.advance(age_days * 86_400)
    assert (await flush(jamf, request_for(policy=policy_id, interval="ONE DAYS"))).status_code == 200
    assert len(await jamf.logs(jamf.sound())) == left


async def test_a_run_that_is_still_to_come_is_not_flushed_beforehand(jamf: JamfWorld) -> None:
    policy = install_policy(NAME, await jamf.ready_package(), jamf.group_id(), frequency=ONCE)
    policy_id = await jamf.policy(policy)
    assert (await flush(jamf, request_for(policy=policy_id))).status_code == 200
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert len(await jamf.logs(jamf.sound())) == 1


async def test_a_flush_gives_a_failed_mac_its_tries_again(jamf: JamfWorld) -> None:
    policy_id = await installed_once(jamf, jamf.group_id())
    failing = next(device for device in jamf.ring() if device.failing)
    [before] = await jamf.logs(failing)
    await flush(jamf, request_for(policy=policy_id))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [again] = await jamf.logs(failing)
    assert before["status"] == again["status"] == "Failed"
    assert again != before


async def test_a_policy_that_is_off_runs_again_once_it_is_on(jamf: JamfWorld) -> None:
    policy_id = await installed_once(jamf, jamf.group_id())
    switch = "<policy><general><enabled>{}</enabled></general></policy>"
    await jamf.change(policy_id, switch.format("false"))
    jamf.clock.advance(1)
    await flush(jamf, request_for(policy=policy_id))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []
    await jamf.change(policy_id, switch.format("true"))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert len(await jamf.logs(jamf.sound())) == 1


async def test_a_round_of_a_release_is_about_the_same_release(jamf: JamfWorld) -> None:
    await installed_once(jamf, jamf.group_id())
    await jamf.policy(uninstall_policy(NAME, jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    mac = jamf.sound()
    [removed] = jamf.store.histories(mac)
    assert removed.installed == ()
    await jamf.policy(install_policy(f"{NAME} round 2", "1", jamf.group_id(), frequency=ONCE))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [again] = jamf.store.histories(mac)
    assert (again.release, again.installed, len(again.runs)) == (NAME, ("1",), 3)


async def test_what_cannot_be_flushed_is_refused_in_html_and_nothing_is_forgotten(jamf: JamfWorld) -> None:
    policy_id = await installed_once(jamf, jamf.group_id())
    mac = jamf.sound()
    kept = await jamf.logs(mac)
    stranger = request_for(computers=(mac,)).replace(f"<id>{mac.jamf_id}</id>", "<id>99999</id>")
    for content, status in (
        (request_for(policy="99"), 404),
        (request_for(policy="x"), 404),
        (stranger, 404),
        (request_for(policy=policy_id, computers=(mac,)), 400),  # Jamf does not support the combination
        (request_for(), 400),
        (request_for(policy=policy_id, log="audit"), 400),
        (request_for(policy=policy_id, interval="Zero"), 400),
        (request_for(policy=policy_id, interval="Four Days"), 400),
        ("<policy/>", 400),
        ("<logflush>", 400),
        ('<!DOCTYPE a [<!ENTITY b "c">]><logflush><log>&b;</log></logflush>', 400),
        (f"<logflush><log>{'x' * (2 << 20)}</log></logflush>", 413),
    ):
        answer = await flush(jamf, content)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), content[
            :99
        ]
    assert (await flush(jamf, "{}", {"Content-Type": "application/json"})).status_code == 415
    assert await jamf.logs(mac) == kept
