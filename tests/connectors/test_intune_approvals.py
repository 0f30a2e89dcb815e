"""Multi Admin Approval, over the lab's variants: what is queued waits, is completed once, and only as approved."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from guarded_tenant import ASKED, Guarded, asks_for_an_app, assigns, completes, lists, offer, published, refusal
from intune_lab import Killed, package_file, publication

from eucora.application.held_requests import HoldsBack, Purpose, on_behalf_of
from eucora.application.lanes import Lane, lane
from eucora.application.planes import Assignment, PlaneForbidden, PlanePort, PlaneUnavailable, Published, Withdrawal
from eucora.connectors.http import RetrySettings
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.lab.graph.approvals import Status

VARIANTS = [
    {"queued_status": status, "code_in": where, "stub": stub}
    for status, where in ((412, "header"), (412, "neither"), (403, "both"), (403, "message"))
    for stub in (False, True)
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: "-".join(str(value) for value in one.values()))
async def test_a_publication_waits_for_each_of_its_changes_and_leaves_one_app(
    tmp_path: Path, variant: dict[str, object]
) -> None:
    world = Guarded(**variant)
    wanted = publication(package_file(tmp_path))
    done, codes = await world.through(lambda: world.plane.publish(wanted, **ASKED))
    assert len(codes) == len(set(codes)) == 2  # the app, and the content that it publishes
    assert world.statuses() == ["completed", "completed"]
    assert isinstance(done, Published)
    assert [app.id for app in world.lab.tenant.apps.values()] == [done.ref]
    assert world.lab.tenant.apps[done.ref].committed_version == done.content_version
    ended = await world.held.ended(codes)
    assert [(one.outcome, one.decided_by, one.reason) for one in ended] == [
        (Outcome.APPROVED, "Ada Admin (Ada Admin)", "fits the baseline")
    ] * 2


async def test_while_nobody_decides_nothing_is_asked_twice(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    first = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert first.expires_at == world.clock.now() + timedelta(days=3)
    assert first.status == 412
    assert first.request_id
    world.line.heal()
    again = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert (again.code, again.expires_at) == (first.code, first.expires_at)
    assert not any(asks_for_an_app(one) for one in world.line.requests)
    assert world.statuses() == ["needsApproval"]
    assert world.lab.tenant.apps == {}


async def test_a_request_may_be_asked_after_alone(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    first = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert isinstance(world.plane, HoldsBack)
    still = await world.plane.undecided(first.code, **ASKED)
    assert still is not None
    assert (still.code, still.expires_at) == (first.code, first.expires_at)
    assert await world.plane.undecided("another", **ASKED) is None
    world.approvals.decide(first.code, Status.REJECTED, "Ada Admin")
    assert await world.plane.undecided(first.code, **ASKED) is None


async def test_what_is_resent_is_what_was_approved_to_the_byte(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    await world.plane.assign(wish, **ASKED)
    request = world.approvals.requests[waiting.code]
    assert world.approvals.resent == [request.write]
    first, second = world.sent("POST", "/assign")
    assert first.content == second.content
    assert "x-msft-approval-justification" not in second.headers
    assert "x-msft-approval-code" not in first.headers
    assert second.headers["x-msft-approval-code"] == waiting.code


async def test_an_administrator_reads_which_intent_asks_for_what(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    with on_behalf_of(Purpose("0190-demo", "publish", "ring 1 (canary)")):
        waiting = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert waiting.operation == "publish"
    told = world.approvals.requests[waiting.code].justification
    assert told.startswith(
        "EUCORA deployment intent 0190-demo: publish for ring 1 (canary). POST /deviceAppManagement/"
    )


async def test_a_tenant_that_guards_uploads_too_gets_there(tmp_path: Path) -> None:
    world = Guarded(content=True)
    wanted = publication(package_file(tmp_path))
    done, codes = await world.through(lambda: world.plane.publish(wanted, **ASKED))
    assert isinstance(done, Published)
    assert len(codes) == 5  # app, content version, file, commit, and the version in force
    assert world.lab.tenant.apps[done.ref].committed_version == done.content_version


@pytest.mark.parametrize("ending", [Status.REJECTED, Status.CANCELLED, Status.EXPIRED])
async def test_a_no_is_told_with_its_author_and_a_retry_asks_anew(tmp_path: Path, ending: Status) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    waiting = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.approvals.decide(waiting.code, ending, "Ada Admin", "not this week")
    with pytest.raises(PlaneForbidden) as refused:
        await world.plane.publish(wanted, **ASKED)
    verb = "expired" if ending is Status.EXPIRED else f"was {ending.value}"
    assert f"{waiting.code} {verb} in Intune by Ada Admin" in refused.value.detail
    assert "not this week" in refused.value.detail
    assert "retry" in refused.value.detail
    (row,) = await world.held.ended([waiting.code])
    assert row.outcome == ending.value
    anew = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert anew.code != waiting.code


async def test_an_approval_that_came_too_late_is_not_used(tmp_path: Path) -> None:
    world = Guarded(expires_s=3600)
    wanted = publication(package_file(tmp_path))
    waiting = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.clock.advance(3600)
    with pytest.raises(PlaneForbidden, match="expired in Intune"):
        await world.plane.publish(wanted, **ASKED)
    assert world.approvals.resent == []


async def test_when_others_changed_the_assignments_the_old_approval_is_not_used(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    before = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(before.code, Status.APPROVED, "Ada Admin")
    stranger = {"intent": "available", "target": {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}}
    world.lab.tenant.apps[done.ref].assignments.append({"id": "another's", **stranger})
    after = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    assert after.code != before.code
    (row,) = await world.held.ended([before.code])
    assert row.outcome is Outcome.SUPERSEDED
    assert "changed" in row.reason
    assert world.approvals.resent == []
    assert world.approvals.requests[before.code].status is Status.CANCELLED


async def test_another_purpose_waits_behind_and_what_stops_harm_goes_before(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    with on_behalf_of(Purpose("i-1", "assign", "ring 0 (lab)")):
        first = await world.waits(lambda: world.plane.assign(offer(world, wanted, done.ref), **ASKED))
    other = offer(world, wanted, done.ref, "ring-1")
    with on_behalf_of(Purpose("i-1", "assign", "ring 1 (canary)")):
        behind = await world.waits(lambda: world.plane.assign(other, **ASKED))
    assert (behind.code, behind.expires_at) == ("", first.expires_at)
    assert first.code in behind.detail
    assert world.statuses() == ["needsApproval"]
    with on_behalf_of(Purpose("i-1", "withdraw", "ring 1 (canary)")), lane(Lane.HALT):
        urgent = await world.waits(lambda: world.plane.assign(other, **ASKED))
    assert urgent.code not in ("", first.code)
    assert world.statuses() == ["cancelled", "needsApproval"]


async def test_one_that_cannot_be_taken_back_is_named_and_waited_for(tmp_path: Path) -> None:
    world = Guarded(cancellable=False)
    wanted, done = await published(world, tmp_path)
    before = await world.waits(lambda: world.plane.assign(offer(world, wanted, done.ref), **ASKED))
    other = offer(world, wanted, done.ref, "ring-1")
    locked = await world.waits(lambda: world.plane.assign(other, **ASKED))
    assert locked.code == ""
    assert before.code in locked.detail
    world.approvals.decide(before.code, Status.REJECTED, "Ada Admin")
    assert (await world.waits(lambda: world.plane.assign(other, **ASKED))).code not in ("", before.code)


async def test_the_same_wish_in_another_order_uses_the_bytes_that_were_approved(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    world.approvals.switch(on=False)
    for ring in ("ring-1", "ring-2"):
        await world.plane.assign(offer(world, wanted, done.ref, ring), **ASKED)
    world.approvals.switch(on=True)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.lab.tenant.apps[done.ref].assignments.reverse()
    assert (await world.plane.assign(wish, **ASKED)).changed
    assert world.approvals.resent == [world.approvals.requests[waiting.code].write]


async def test_somebody_elses_request_for_the_app_is_waited_for(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    await world.waits(lambda: world.plane.assign(offer(world, wanted, done.ref), **ASKED))
    other = world.stranger()
    locked = await other.waits(lambda: other.plane.assign(offer(world, wanted, done.ref, "ring-1"), **ASKED))
    assert locked.code == ""
    assert "another change" in locked.detail
    assert await other.held.ended([""]) == []


async def test_a_worker_killed_over_the_answer_finds_the_request_by_its_mark(tmp_path: Path) -> None:
    world = Guarded(stub=True)
    wanted = publication(package_file(tmp_path))
    world.line.cut_at, world.line.cut_after = asks_for_an_app, True
    with pytest.raises(Killed):
        await world.plane.publish(wanted, **ASKED)
    assert world.statuses() == ["needsApproval"]
    world.line.heal()
    world.reconnect()
    waiting = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    assert [row["id"] for row in world.approvals.rows()] == [waiting.code]
    assert not any(asks_for_an_app(one) for one in world.line.requests)


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_a_tenant_that_never_held_anything_needs_no_list(tmp_path: Path, status: int) -> None:
    world = Guarded(on=False)
    wanted = publication(package_file(tmp_path))
    world.line.cut_at = asks_for_an_app
    with pytest.raises(Killed):
        await world.plane.publish(wanted, **ASKED)
    world.line.heal()
    world.line.answers = lambda request: refusal(request, status, "no") if lists(request) else None
    assert (await world.plane.publish(wanted, **ASKED)).created
    assert sum(lists(one) for one in world.line.requests) == 1  # in doubt it was asked, and only then


async def test_a_tenant_that_holds_changes_is_not_written_to_in_doubt(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    first = await world.waits(lambda: world.plane.assign(offer(world, wanted, done.ref), **ASKED))
    world.approvals.decide(first.code, Status.REJECTED, "Ada Admin")
    with pytest.raises(PlaneForbidden):
        await world.plane.assign(offer(world, wanted, done.ref), **ASKED)
    world.line.cut_at, world.line.cut_after = assigns, True
    with pytest.raises(Killed):
        await world.plane.assign(offer(world, wanted, done.ref), **ASKED)
    world.line.heal()
    world.line.answers = lambda request: refusal(request, 503, "later") if lists(request) else None
    with pytest.raises(PlaneUnavailable):
        await world.plane.assign(offer(world, wanted, done.ref), **ASKED)
    assert not any(assigns(one) for one in world.line.requests)


async def test_a_worker_killed_before_it_asked_asks(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    world.line.cut_at = asks_for_an_app
    with pytest.raises(Killed):
        await world.plane.publish(wanted, **ASKED)
    world.line.heal()
    world.reconnect()
    _, codes = await world.through(lambda: world.plane.publish(wanted, **ASKED))
    assert world.statuses() == ["completed", "completed"]
    assert len(codes) == 2


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_worker_killed_at_the_resubmission_leaves_one_app(tmp_path: Path, arrives: bool) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    waiting = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.line.cut_at, world.line.cut_after = completes, arrives
    with pytest.raises(Killed):
        await world.plane.publish(wanted, **ASKED)
    assert len(world.approvals.resent) == int(arrives)
    world.line.heal()
    world.reconnect()
    if not arrives:
        with pytest.raises(PlaneUnavailable, match="another worker"):  # its claim has to run out first
            await world.plane.publish(wanted, **ASKED)
        world.clock.advance(301)
    await world.through(lambda: world.plane.publish(wanted, **ASKED))
    assert len(world.lab.tenant.apps) == 1
    assert len(world.approvals.resent) == 2  # the app, and the content


async def test_a_change_completed_by_a_worker_that_died_is_found_on_the_plane(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.line.cut_at, world.line.cut_after = completes, True
    with pytest.raises(Killed):
        await world.plane.assign(wish, **ASKED)
    world.line.heal()
    assert not (await world.plane.assign(wish, **ASKED)).changed
    assert world.statuses() == ["completed"]


async def test_of_two_workers_one_completes(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    one, other = world.connection.plane, world.reconnect().plane
    late: list[PlaneUnavailable] = []

    async def at_the_same_time(plane: PlanePort) -> None:
        with pytest.raises(PlaneUnavailable) as caught:
            await plane.assign(wish, **ASKED)
        late.append(caught.value)

    async def second(request: httpx.Request) -> None:
        if completes(request) and not late:
            await at_the_same_time(other)

    world.line.meanwhile = second
    await one.assign(wish, **ASKED)
    assert len(late) == 1
    assert late[0].retry_after_s
    assert len(world.approvals.resent) == 1


async def test_without_the_right_to_read_the_list_a_person_is_told_which_to_grant(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.line.answers = lambda request: refusal(request, 403, "no") if lists(request) else None
    with pytest.raises(PlaneForbidden, match=r"DeviceManagementRBAC\.Read\.All"):
        await world.plane.publish(wanted, **ASKED)


async def test_a_list_that_is_down_is_an_upstream_that_is_down(tmp_path: Path) -> None:
    world = Guarded()
    wanted = publication(package_file(tmp_path))
    await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.line.answers = lambda request: refusal(request, 503, "later") if lists(request) else None
    with pytest.raises(PlaneUnavailable):
        await world.plane.publish(wanted, **ASKED)


async def test_an_approval_that_intune_does_not_take_is_over(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.line.answers = lambda request: refusal(request, 403, "An error") if completes(request) else None
    with pytest.raises(PlaneForbidden, match="did not take its approval"):
        await world.plane.assign(wish, **ASKED)
    (row,) = await world.held.ended([waiting.code])
    assert row.outcome is Outcome.REFUSED


@pytest.mark.parametrize("arrives", [False, True])
async def test_an_approved_change_whose_answer_was_lost_is_looked_for_before_it_is_sent_again(
    tmp_path: Path, arrives: bool
) -> None:
    world = Guarded(retry=RetrySettings(attempts_max=3))
    wanted = publication(package_file(tmp_path))
    app = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.approvals.decide(app.code, Status.APPROVED, "Ada Admin")
    content = await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    world.approvals.decide(content.code, Status.APPROVED, "Ada Admin", "fits")
    # a PATCH, which the stack below repeats by itself: of an approval it would use up the second what the first did
    world.line.cut_at, world.line.cut_after, world.line.lost = completes, arrives, httpx.ReadError("cut")
    with pytest.raises(PlaneUnavailable):
        await world.plane.publish(wanted, **ASKED)
    assert len(world.approvals.resent) == 1 + arrives
    world.line.heal()
    done = await world.plane.publish(wanted, **ASKED)
    assert len(world.approvals.resent) == 2
    assert world.lab.tenant.apps[done.ref].committed_version == done.content_version
    assert await world.held.carried_out(content.code, world.clock.now()) is arrives  # what the job says at its end
    (row,) = await world.held.ended([content.code])
    assert (row.outcome, row.reason) == (Outcome.APPROVED, "fits")


async def lost_answer(world: Guarded, folder: Path, *, arrives: bool) -> tuple[Assignment, str]:
    """An offer that was approved and sent again, and nobody saw the answer; with the code of its request."""
    wanted, done = await published(world, folder)
    wish = offer(world, wanted, done.ref)
    waiting = await world.waits(lambda: world.plane.assign(wish, **ASKED))
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    world.line.cut_at, world.line.cut_after, world.line.lost = completes, arrives, httpx.ReadError("cut")
    with pytest.raises(PlaneUnavailable):
        await world.plane.assign(wish, **ASKED)
    world.line.heal()
    return wish, waiting.code


async def test_while_intune_does_not_show_yet_what_it_did_nothing_is_given_up(tmp_path: Path) -> None:
    world = Guarded()
    wish, code = await lost_answer(world, tmp_path, arrives=True)
    row = {"id": code, "status": "approved", "approver": None}
    shown = {"operationApprovalRequests": [row], "/assignments": []}  # as before it took effect
    world.line.answers = lambda request: next(
        (
            httpx.Response(200, json={"value": old}, request=request)
            for end, old in shown.items()
            if end in str(request.url)
        ),
        None,
    )
    for _ in range(2):
        with pytest.raises(PlaneUnavailable, match="may have taken effect"):
            await world.plane.assign(wish, **ASKED)
        world.clock.advance(30)
    world.line.heal()
    assert not (await world.plane.assign(wish, **ASKED)).changed
    assert world.statuses() == ["completed"]


async def test_one_that_the_list_shows_as_completed_is_no_refusal(tmp_path: Path) -> None:
    world = Guarded()
    wish, code = await lost_answer(world, tmp_path, arrives=True)
    stale = [httpx.Response(200, json={"value": [{"id": code, "status": "approved", "approver": None}]})]
    old = [httpx.Response(200, json={"value": []})]
    world.line.answers = lambda request: (
        stale.pop() if lists(request) and stale else old.pop() if request.url.path.endswith("ments") and old else None
    )
    with pytest.raises(PlaneUnavailable, match="completed already"):
        await world.plane.assign(wish, **ASKED)
    assert not (await world.plane.assign(wish, **ASKED)).changed
    (row,) = await world.held.ended([code])
    assert row.outcome is Outcome.APPROVED


async def test_doubt_has_an_end(tmp_path: Path) -> None:
    world = Guarded()
    wish, code = await lost_answer(world, tmp_path, arrives=False)
    world.line.answers = lambda request: refusal(request, 403, "An error") if completes(request) else None
    with pytest.raises(PlaneUnavailable, match="may have taken effect"):
        await world.plane.assign(wish, **ASKED)
    world.clock.advance(600)
    with pytest.raises(PlaneForbidden, match="did not take its approval"):
        await world.plane.assign(wish, **ASKED)
    (row,) = await world.held.ended([code])
    assert row.outcome is Outcome.REFUSED


async def test_an_excluded_application_never_waits_and_leaves_no_trace(tmp_path: Path) -> None:
    world = Guarded(excluded=True)
    wanted = publication(package_file(tmp_path))
    done = await world.plane.publish(wanted, **ASKED)
    await world.plane.assign(offer(world, wanted, done.ref), **ASKED)
    assert world.approvals.rows() == []
    tenant = world.lab.directory.credentials.tenant
    assert await world.held.standing(tenant, f"/deviceAppManagement/mobileApps/{done.ref}") == []


async def test_taking_back_an_offer_needs_an_approval_of_its_own(tmp_path: Path) -> None:
    world = Guarded()
    wanted, done = await published(world, tmp_path)
    wish = offer(world, wanted, done.ref)
    await world.through(lambda: world.plane.assign(wish, **ASKED))
    back = Withdrawal(wanted.key, done.ref, wanted.name, wanted.version, [wish.group])
    waiting = await world.waits(lambda: world.plane.withdraw(back, **ASKED))
    assert waiting.code
    assert world.lab.tenant.apps[done.ref].assignments  # approved or not, nothing changes before it is completed
    world.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin")
    assert world.lab.tenant.apps[done.ref].assignments
    await world.plane.withdraw(back, **ASKED)
    assert world.lab.tenant.apps[done.ref].assignments == []


@pytest.mark.parametrize("status", [400, 403])
async def test_a_justification_that_is_not_taken_is_told(tmp_path: Path, status: int) -> None:
    world = Guarded()
    text = "Header 'x-msft-approval-justification' is required to request approval."
    world.line.answers = lambda request: refusal(request, status, text) if asks_for_an_app(request) else None
    with pytest.raises(PlaneForbidden, match="did not take ours"):
        await world.plane.publish(publication(package_file(tmp_path)), **ASKED)


async def test_a_stub_that_nobody_waits_for_is_not_made_twice(tmp_path: Path) -> None:
    world = Guarded(stub=True)
    wanted = publication(package_file(tmp_path))
    await world.waits(lambda: world.plane.publish(wanted, **ASKED))
    stranger = world.stranger()
    with pytest.raises(PlaneUnavailable, match="no approval of ours"):
        await stranger.plane.publish(wanted, **ASKED)
    assert len(world.approvals.rows()) == 1
