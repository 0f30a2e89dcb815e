"""A release that is offered again after it was removed installs again, once, and only where it is offered."""

from pathlib import Path

import httpx
import pytest
from jamf_rig import (
    CORRELATION,
    Distorting,
    Rig,
    a_publication,
    a_watch,
    a_withdrawal,
    an_assignment,
    looked_at,
    offered,
    plane_over,
)

from eucora.application.planes import Offer, PlaneRejected, Publication
from eucora.connectors.jamf.policy import Policy, PolicySpec, ScopedGroup, new_policy
from eucora.connectors.jamf.rounds import RoundPolicy, Rounds
from eucora.domain.planes import InstallState

LONG = 6 * 3600  # seconds in which every Mac that is not missing has checked in and finished
INSTALL, UNINSTALL = Offer.INSTALL, Offer.UNINSTALL


async def offered_in_turn(rig: Rig, publication: Publication, ring: int, *offers: Offer) -> str:
    """The package's id, once each offer stood long enough for every Mac."""
    for offer in offers:
        ref = await offered(rig, publication, ring, offer)
        rig.clock.advance(LONG)
    return ref


def ids(rig: Rig, ring: int) -> list[str]:
    return [device.jamf_id for device in rig.fleet.members(rig.groups[ring])]


def run_counts(rig: Rig, ring: int) -> set[int]:
    """How many runs the Macs of a ring completed; those that are missing or fail ran none and are left out."""
    macs = [mac for mac in rig.fleet.members(rig.groups[ring]) if not (mac.missing or mac.failing)]
    assert macs
    return {len(rig.runs(mac)) for mac in macs}


async def test_an_install_after_an_uninstall_installs_again(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL)
    watch = a_watch(publication, ref, ids(rig, 0))
    offered_again_at = rig.clock.now()
    await offered(rig, publication, 0)
    waiting = await looked_at(rig.plane(), watch)
    assert {seen.state for seen in waiting.values()} == {InstallState.NOT_INSTALLED}  # the first install counts no more
    rig.clock.advance(LONG)
    done = await looked_at(rig.plane(), watch)
    assert sorted(done) == sorted(ids(rig, 0))
    assert {seen.state for seen in done.values()} == {InstallState.INSTALLED}
    assert all(seen.observed_at and seen.observed_at > offered_again_at for seen in done.values())
    assert run_counts(rig, 0) == {3}


async def test_every_further_change_of_mind_is_carried_out(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, *[INSTALL, UNINSTALL] * 3)
    seen = await looked_at(rig.plane(), a_watch(publication, ref, ids(rig, 0), UNINSTALL))
    assert {observation.state for observation in seen.values()} == {InstallState.NOT_INSTALLED}
    assert run_counts(rig, 0) == {6}
    assert len(list(rig.store.policies)) == 6


async def test_other_groups_keep_their_policy_and_run_it_once(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    await offered_in_turn(rig, publication, 1, INSTALL)
    await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL, INSTALL)
    assert rig.group_ids("]") == [rig.groups[1].id]
    await offered_in_turn(rig, publication, 1, INSTALL)
    assert rig.group_ids("]") == [rig.groups[1].id]
    assert run_counts(rig, 1) == {1}
    assert run_counts(rig, 0) == {3}


async def test_a_first_offer_after_anothers_rehearsal_installs_once(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL, INSTALL)
    await offered_in_turn(rig, publication, 1, INSTALL)
    assert rig.group_ids("] round 2") == [rig.groups[0].id, rig.groups[1].id]
    assert run_counts(rig, 1) == {1}
    assert run_counts(rig, 0) == {3}


async def test_an_offer_again_that_stands_is_left_alone_and_runs_nowhere_twice(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL, INSTALL)
    wire = rig.wire()
    repeated = await rig.plane(wire).assign(
        an_assignment(publication, ref, rig.groups[0].id), correlation_id=CORRELATION
    )
    assert repeated.changed is False
    assert [call for call in wire.calls if not call.startswith("GET")] == ["POST /api/v1/oauth/token"]
    rig.clock.advance(LONG)
    assert run_counts(rig, 0) == {3}


async def test_a_pause_makes_nobody_install_twice(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    for rounds, runs in (([INSTALL], 1), ([UNINSTALL, INSTALL], 3)):
        ref = await offered_in_turn(rig, publication, 0, *rounds)
        await rig.plane().withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
        rig.clock.advance(LONG)
        await offered_in_turn(rig, publication, 0, INSTALL)
        assert run_counts(rig, 0) == {runs}


async def test_an_uninstall_that_was_withdrawn_still_counts_as_run(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL)
    taken = await rig.plane().withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
    assert list(taken.groups) == [rig.groups[0].id]
    await offered_in_turn(rig, publication, 0, INSTALL)
    assert run_counts(rig, 0) == {3}
    seen = await looked_at(rig.plane(), a_watch(publication, ref, ids(rig, 0)))
    assert {observation.state for observation in seen.values()} == {InstallState.INSTALLED}


async def test_a_withdrawal_and_an_inspection_reach_every_round(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 1)
    for offer in (INSTALL, UNINSTALL, INSTALL):
        await offered(rig, publication, 0, offer)
    plane, (zero, one) = rig.plane(), (rig.groups[0].id, rig.groups[1].id)
    found = await plane.inspect(publication.key, "Editor", "2.1", correlation_id=CORRELATION)
    assert list(found.groups) == [(one, INSTALL), (zero, INSTALL)]
    taken = await plane.withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
    assert list(taken.groups) == [one, zero]
    assert not any(policy.value["general"]["enabled"] for policy in rig.store.policies)


async def test_rounds_are_found_when_people_cleared_the_earlier_ones_away(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, INSTALL, UNINSTALL, INSTALL)
    for policy in [policy for policy in rig.store.policies if "round" not in policy.name]:
        rig.store.policies.delete(policy.id)
    await offered_in_turn(rig, publication, 0, UNINSTALL)
    assert rig.group_ids("] round 2 uninstall") == [rig.groups[0].id]
    assert rig.group_ids("] round 2") == []
    seen = await looked_at(rig.plane(), a_watch(publication, ref, ids(rig, 0), UNINSTALL))
    assert {observation.state for observation in seen.values()} == {InstallState.NOT_INSTALLED}


async def test_policies_of_others_are_no_rounds_of_ours(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    name, group = rig.policy("]")["general"]["name"], rig.groups[0]
    for policy_id, ending in enumerate((" round 0", " round two", " round 2 of 3", " (copy)", "x"), start=50):
        entry = f"<policy><id>{policy_id}</id><name>{name}{ending}</name></policy>"

        def listed(request: httpx.Request, _: int, entry: str = entry) -> httpx.Response | None:
            if request.url.path != "/JSSResource/policies":
                return None
            return httpx.Response(200, text=f"<policies><size>1</size>{entry}</policies>")

        network = Distorting(rig, listed)
        await plane_over(network, rig.clock).withdraw(
            a_withdrawal(publication, ref, group.id), correlation_id=CORRELATION
        )
        assert network.calls[-1] == "GET /JSSResource/policies"  # nothing more to do
    assert rig.group_ids("]") == [group.id]


@pytest.mark.parametrize("answer", [httpx.Response(404, text="<html/>"), httpx.Response(200, text="<policy/>")])
async def test_a_server_that_does_not_list_its_policies_is_not_taken_for_an_empty_one(
    tmp_path: Path, answer: httpx.Response
) -> None:
    rig = Rig(macs=60)

    def unlisted(request: httpx.Request, _: int) -> httpx.Response | None:
        return answer if request.url.path == "/JSSResource/policies" else None

    plane = plane_over(Distorting(rig, unlisted), rig.clock)
    with pytest.raises(PlaneRejected, match="schema"):
        await plane.assign(an_assignment(a_publication(tmp_path), "1", rig.groups[0].id), correlation_id=CORRELATION)
    assert list(rig.store.policies) == []


async def test_where_people_flushed_the_log_the_receipt_has_the_word_until_the_policy_ran_again(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered_in_turn(rig, publication, 0, INSTALL)
    watch = a_watch(publication, ref, ids(rig, 0))
    assert sorted(await looked_at(rig.plane(), watch)) == sorted(ids(rig, 0))
    flushed, *rest = ids(rig, 0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app), base_url="https://jamf.test") as console:
        answer = await console.request(
            "DELETE",
            "/JSSResource/logflush",
            headers={"Authorization": f"Bearer {rig.store.tokens.issue()}", "Content-Type": "application/xml"},
            content="<logflush><log>policy</log><interval>Zero Days</interval><computers>"
            f"<computer><id>{flushed}</id></computer></computers></logflush>",
        )
    assert answer.status_code == 200, answer.text
    seen = await looked_at(rig.plane(), watch)
    assert sorted(seen) == sorted([flushed, *rest])
    assert seen[flushed].state is InstallState.INSTALLED
    [history] = rig.store.histories(rig.fleet.devices[int(flushed) - 1])
    assert history.runs == ()
    rig.clock.advance(LONG)
    assert sorted(await looked_at(rig.plane(), watch)) == sorted(ids(rig, 0))


def test_a_new_release_starts_in_the_first_round() -> None:
    assert Rounds({}).home(INSTALL, "4") == Rounds({}).home(UNINSTALL, "4") == 1


def standing(*scopes: tuple[Offer, int, str]) -> Rounds:
    """Rounds with these policies (offer, round, group), each of them named so."""
    read = {}
    for offer, number, group in scopes:
        document = new_policy(PolicySpec(f"{offer} {number}", command="x"), ScopedGroup(group, group))
        read[RoundPolicy(offer, number, f"{number}")] = Policy(document)
    return Rounds(read)


@pytest.mark.parametrize(
    ("scopes", "offer", "home"),
    [
        ([(INSTALL, 1, "4")], INSTALL, 1),
        ([(INSTALL, 1, "9")], INSTALL, 1),
        ([(INSTALL, 1, "4")], UNINSTALL, 1),
        ([(UNINSTALL, 1, "9")], INSTALL, 2),
        ([(INSTALL, 1, "4"), (UNINSTALL, 1, "9")], INSTALL, 1),  # it stands, whatever others do
        ([(INSTALL, 1, "4"), (UNINSTALL, 1, "4")], INSTALL, 2),  # both stand, so the first may have run already
        ([(INSTALL, 1, "9"), (UNINSTALL, 1, "4"), (INSTALL, 2, "9")], INSTALL, 2),
        ([(INSTALL, 1, "4"), (UNINSTALL, 1, "9"), (INSTALL, 2, "9")], UNINSTALL, 2),
        ([(UNINSTALL, 1, "4"), (INSTALL, 2, "9")], UNINSTALL, 1),
        ([(INSTALL, 3, "9")], INSTALL, 3),
        ([(INSTALL, 3, "9")], UNINSTALL, 3),
    ],
)
def test_the_home_of_an_offer_follows_from_the_policies_there_are(
    scopes: list[tuple[Offer, int, str]], offer: Offer, home: int
) -> None:
    assert standing(*scopes).home(offer, "4") == home


def test_the_opposite_offer_is_left_last_so_that_a_kill_forgets_nothing() -> None:
    rounds = standing((INSTALL, 1, "4"), (UNINSTALL, 1, "4"), (INSTALL, 2, "9"), (UNINSTALL, 2, "9"), (INSTALL, 3, "4"))
    left = [policy.name for policy in rounds.in_the_way(INSTALL, "4", 3)]
    assert left == ["install 1", "uninstall 1"]
    left = [policy.name for policy in rounds.in_the_way(UNINSTALL, "4", 3)]
    assert left == ["uninstall 1", "install 1", "install 3"]


def test_policies_come_in_the_order_in_which_a_group_goes_through_them() -> None:
    ranks = [RoundPolicy(offer, number, "1").rank for number in (1, 2, 10) for offer in (INSTALL, UNINSTALL)]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 6
