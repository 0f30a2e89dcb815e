"""The plane against the simulated Jamf Pro server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring

import httpx
import pytest
import uvicorn
from http_fakes import form_of
from jamf_rig import (
    CLIENT_SECRET,
    COMMAND,
    CORRELATION,
    Rig,
    a_publication,
    a_watch,
    a_withdrawal,
    an_assignment,
    looked_at,
    offered,
    plane_over,
)

from eucora.application.planes import (
    GroupNotFound,
    Inspection,
    Offer,
    PlaneForbidden,
    PlaneRejected,
)
from eucora.connectors.jamf.names import content_name, release_name
from eucora.domain.planes import InstallState


async def test_a_group_resolves_to_its_computers_by_id_and_by_name() -> None:
    rig = Rig()
    lab = rig.groups[2]
    by_id = await rig.plane().resolve(lab.id, correlation_id=CORRELATION)
    by_name = await rig.plane().resolve(lab.name, correlation_id=CORRELATION)
    assert by_id == by_name
    assert (by_id.ref, by_id.name, by_id.unenrolled) == (lab.id, lab.name, 0)
    expected = {device.jamf_id: (device.name, device.serial, device.os_version) for device in rig.fleet.members(lab)}
    assert {device.id: (device.name, device.serial, device.os_version) for device in by_id.devices} == expected
    assert len(expected) > 200  # more than one page of the inventory has to be read for it
    heard = {device.id: device.last_check_in for device in by_id.devices}
    for device in rig.fleet.members(lab):
        said = heard[device.jamf_id]
        assert said is not None
        assert abs(said - rig.fleet.last_check_in(device, rig.clock.now())) < timedelta(milliseconds=1)


async def test_an_empty_group_is_a_group() -> None:
    rig = Rig(macs=60)
    group = await rig.plane().resolve(rig.groups[-1].name, correlation_id=CORRELATION)
    assert (list(group.devices), group.unenrolled) == ([], 0)


@pytest.mark.parametrize("group", ["999999", "no such ring", "a/b;c", " "])
async def test_a_group_that_is_not_there_is_named_in_the_error(group: str) -> None:
    rig = Rig(macs=60)
    with pytest.raises(GroupNotFound) as missing:
        await rig.plane().resolve(group, correlation_id=CORRELATION)
    assert missing.value.group == group


async def test_a_package_is_published_once_whatever_happens_to_the_plane(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    first = await rig.plane().publish(publication, correlation_id=CORRELATION)
    wire = rig.wire()
    second = await rig.plane(wire).publish(publication, correlation_id=CORRELATION)
    assert (first.created, second.created) == (True, False)
    assert first.content_version == second.content_version == publication.content_sha256
    assert [call for call in wire.calls if not call.startswith("GET")] == ["POST /api/v1/oauth/token"]
    [package] = rig.store.packages
    assert package.fields["fileName"] == content_name(publication.file_name, publication.key)
    assert rig.stored() == [(publication.content_sha256, publication.content_size)]


async def test_the_same_release_of_another_intent_is_a_package_of_its_own(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    other = replace(publication, key=publication.key.replace("intent-7", "intent-8"))
    first = await rig.plane().publish(publication, correlation_id=CORRELATION)
    second = await rig.plane().publish(other, correlation_id=CORRELATION)
    assert first.ref != second.ref
    assert len({package.fields["fileName"] for package in rig.store.packages}) == 2


async def test_the_key_is_found_among_a_persons_notes_and_their_words_stay(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    first = await rig.plane().publish(publication, correlation_id=CORRELATION)
    [package] = rig.store.packages
    package.fields["notes"] = f"{publication.key}\nAsk Ada before deleting."  # a filter on the key alone misses it now
    second = await rig.plane().publish(publication, correlation_id=CORRELATION)
    assert (second.ref, second.created) == (first.ref, False)
    assert [one.fields["notes"] for one in rig.store.packages] == [package.fields["notes"]]


async def test_a_package_of_our_name_without_our_key_is_nobody_we_know(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    await rig.plane().publish(publication, correlation_id=CORRELATION)
    [package] = rig.store.packages
    package.fields["notes"] = "mine now"
    with pytest.raises(PlaneRejected, match="not our key"):
        await rig.plane().publish(publication, correlation_id=CORRELATION)


async def test_content_that_others_replaced_is_put_right(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"something else")
    with wrong.open("rb") as file:
        rig.store.packages.attach(published.ref, rig.store.packages.keep(file))
    again = await rig.plane().publish(publication, correlation_id=CORRELATION)
    assert again.ref == published.ref
    assert rig.stored() == [(publication.content_sha256, publication.content_size)]


async def test_content_that_is_gone_from_our_disk_is_said_to_be(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = replace(a_publication(tmp_path), content=tmp_path / "gone.pkg")
    with pytest.raises(PlaneRejected, match="cannot read the content"):
        await rig.plane().publish(publication, correlation_id=CORRELATION)


async def test_an_assignment_makes_a_policy_that_runs_once_at_a_check_in_and_tries_again(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    policy = rig.policy("]")
    general = policy["general"]
    assert general["name"] == release_name("Editor", "2.1", publication.key)
    assert general["enabled"] is general["trigger_checkin"] is True
    assert (general["frequency"], general["retry_event"], general["retry_attempts"]) == (
        "Once per computer",
        "check-in",
        3,
    )
    assert [(package["id"], package["action"]) for package in policy["package_configuration"]["packages"]] == [
        (int(ref), "Install")
    ]
    assert policy["scope"]["all_computers"] is False


async def test_an_assignment_that_stands_is_left_alone(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    wire = rig.wire()
    again = await rig.plane(wire).assign(
        an_assignment(publication, ref, rig.groups[0].name), correlation_id=CORRELATION
    )
    assert again.changed is False
    assert [call for call in wire.calls if not call.startswith("GET")] == ["POST /api/v1/oauth/token"]


async def test_install_and_uninstall_never_reach_one_group_together(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    plane = rig.plane()
    policies = ["]"]
    for offer, reached in (
        (Offer.UNINSTALL, "] uninstall"),
        (Offer.INSTALL, "] round 2"),
        (Offer.UNINSTALL, "] round 2 uninstall"),
    ):
        assigned = await plane.assign(
            an_assignment(publication, ref, rig.groups[0].id, offer), correlation_id=CORRELATION
        )
        assert assigned.changed
        assert rig.group_ids(reached) == [rig.groups[0].id]
        assert rig.policy(reached)["general"]["enabled"] is True
        for left in policies:
            assert rig.group_ids(left) == []
            assert rig.policy(left)["general"]["enabled"] is False
        policies.append(reached)
        if offer is Offer.UNINSTALL:
            assert rig.policy(reached)["files_processes"]["run_command"] == COMMAND


async def test_an_uninstall_without_a_command_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    assignment = replace(
        an_assignment(a_publication(tmp_path), "1", rig.groups[0].id, Offer.UNINSTALL), uninstall_command=" "
    )
    with pytest.raises(PlaneRejected, match="command"):
        await rig.plane(wire).assign(assignment, correlation_id=CORRELATION)
    assert wire.requests == []


async def test_an_assignment_to_a_group_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    with pytest.raises(GroupNotFound):
        await rig.plane().assign(an_assignment(a_publication(tmp_path), "1", "424242"), correlation_id=CORRELATION)
    assert list(rig.store.policies) == []


async def test_a_group_that_bears_the_number_of_one_that_is_gone_is_not_taken_for_it(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    other = rig.groups[1]
    renamed = fromstring("<computer_group><name>424242</name></computer_group>")
    rig.store.groups.update(other.id, renamed)
    with pytest.raises(GroupNotFound):
        await rig.plane().assign(an_assignment(a_publication(tmp_path), "1", "424242"), correlation_id=CORRELATION)
    assert list(rig.store.policies) == []


async def test_a_withdrawal_answers_in_the_callers_words_and_says_nothing_twice(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    await offered(rig, publication, 1)
    plane = rig.plane()
    named = await plane.withdraw(
        a_withdrawal(publication, ref, rig.groups[0].name, rig.groups[2].id), correlation_id=CORRELATION
    )
    assert list(named.groups) == [rig.groups[0].name]
    rest = await plane.withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
    assert list(rest.groups) == [rig.groups[1].id]
    none = await plane.withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
    assert list(none.groups) == []
    assert len(list(rig.store.packages)) == 1


async def test_inspection_tells_what_is_really_there(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    key, plane = publication.key, rig.plane()
    assert await plane.inspect(key, "Editor", "2.1", correlation_id=CORRELATION) == Inspection(None, "", "", [])
    ref = await offered(rig, publication, 0)
    await offered(rig, publication, 1, Offer.UNINSTALL)
    found = await plane.inspect(key, "Editor", "2.1", correlation_id=CORRELATION)
    assert (found.ref, found.version, found.content_version) == (ref, "2.1", publication.content_sha256)
    assert list(found.groups) == [(rig.groups[0].id, Offer.INSTALL), (rig.groups[1].id, Offer.UNINSTALL)]
    rig.policy("]")["general"]["enabled"] = False
    off = await plane.inspect(key, "Editor", "2.1", correlation_id=CORRELATION)
    assert list(off.groups) == [(rig.groups[1].id, Offer.UNINSTALL)]


async def test_a_wrong_secret_is_for_a_person_and_stays_secret() -> None:
    rig = Rig(macs=60)
    plane = plane_over(rig.wire(), rig.clock, client_secret="wrong-horse")
    with pytest.raises(PlaneForbidden, match="invalid_client") as refused:
        await plane.resolve("1", correlation_id=CORRELATION)
    assert "wrong-horse" not in str(refused.value)


async def test_tokens_that_end_in_the_middle_of_a_verb_are_renewed(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    plane = rig.plane(wire)
    publication = a_publication(tmp_path)
    published = await plane.publish(publication, correlation_id=CORRELATION)
    rig.clock.advance(61)
    await plane.assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)
    tokens = [request for request in wire.requests if request.url.path.endswith("/oauth/token")]
    assert len(tokens) == 2
    assert {form_of(request)["client_secret"] for request in tokens} == {CLIENT_SECRET}


async def test_every_request_carries_the_correlation_id(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    wire = rig.wire()
    plane = rig.plane(wire)
    publication = a_publication(tmp_path)
    published = await plane.publish(publication, correlation_id=CORRELATION)
    await plane.assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[0])]
    await looked_at(plane, a_watch(publication, published.ref, devices))
    assert {request.headers.get("X-Correlation-ID") for request in wire.requests} == {CORRELATION}


@asynccontextmanager
async def served(rig: Rig) -> AsyncIterator[str]:
    """The simulated server on loopback."""
    server = uvicorn.Server(uvicorn.Config(rig.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_the_whole_way_over_real_http(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path, content=b"xar!" + bytes(3_000_000))
    async with served(rig) as base_url:
        plane = plane_over(None, rig.clock, base_url=base_url)
        published = await plane.publish(publication, correlation_id=CORRELATION)
        await plane.assign(an_assignment(publication, published.ref, rig.groups[0].name), correlation_id=CORRELATION)
        group = await plane.resolve(rig.groups[0].id, correlation_id=CORRELATION)
        rig.clock.advance(6 * 3600)
        seen = await looked_at(plane, a_watch(publication, published.ref, [device.id for device in group.devices]))
        withdrawn = await plane.withdraw(a_withdrawal(publication, published.ref), correlation_id=CORRELATION)
        await plane.aclose()
    assert rig.stored() == [(publication.content_sha256, publication.content_size)]
    assert {observation.state for observation in seen.values()} == {InstallState.INSTALLED}
    assert sorted(seen) == sorted(device.id for device in group.devices)
    assert list(withdrawn.groups) == [rig.groups[0].id]


async def test_an_upload_that_is_cut_in_the_middle_is_made_again(tmp_path: Path) -> None:
    class Cut(httpx.AsyncBaseTransport):
        """Real HTTP that breaks an upload off after its first half-megabyte."""

        def __init__(self) -> None:
            self.inner = httpx.AsyncHTTPTransport()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/upload"):
                whole = request.stream
                assert isinstance(whole, httpx.AsyncByteStream)

                class Half(httpx.AsyncByteStream):
                    async def __aiter__(self) -> AsyncIterator[bytes]:
                        sent = 0
                        async for chunk in whole:
                            yield chunk
                            sent += len(chunk)
                            if sent > 500_000:
                                raise httpx.WriteError("the line went dead", request=request)

                request = httpx.Request(request.method, request.url, headers=request.headers, stream=Half())
            return await self.inner.handle_async_request(request)

        async def aclose(self) -> None:
            await self.inner.aclose()

    rig = Rig(macs=60)
    publication = a_publication(tmp_path, content=b"xar!" + bytes(3_000_000))
    async with served(rig) as base_url:
        first = plane_over(Cut(), rig.clock, base_url=base_url)
        with pytest.raises(Exception, match="the line went dead") as broken:
            await first.publish(publication, correlation_id=CORRELATION)
        assert getattr(broken.value, "kind", "") == "transient"
        await first.aclose()
        assert rig.stored() == []
        second = plane_over(None, rig.clock, base_url=base_url)
        await second.publish(publication, correlation_id=CORRELATION)
        await second.aclose()
    assert rig.stored() == [(publication.content_sha256, publication.content_size)]
    assert len(list(rig.store.packages)) == 1
