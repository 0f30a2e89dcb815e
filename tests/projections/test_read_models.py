"""Each read model answers from the story that the log tells."""

from dataclasses import replace

import pytest
from projection_story import (
    CANARY_RUN,
    CONTENT,
    MACOS,
    PACK,
    PACKAGER,
    PUBLISHER,
    VOTER,
    WINDOWS,
    Log,
    assembled,
    at,
    policy,
    proposed,
    registered,
    reported,
    tell,
    token_issued,
)
from projection_tables import set_up

from eucora.domain import gate_policy, service_token
from eucora.domain import incident as inc
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.gate_types import IncidentFacts, Verdict
from eucora.domain.planes import Plane, Platform
from eucora.domain.rings import Ring
from eucora.domain.risk_types import History
from eucora.projections.artifacts import Artifacts, EvidencePacks
from eucora.projections.cab_desk import CabDesk
from eucora.projections.gate_policies import GatePolicies
from eucora.projections.history import CaughtUpFacts
from eucora.projections.incidents import Incidents
from eucora.projections.intent_view import ApprovalStatus, IntentView, evolve
from eucora.projections.intents import Intents
from eucora.projections.operations import Operations
from eucora.projections.paging import BadCursor
from eucora.projections.policy_facts import PolicyFacts
from eucora.projections.ring_board import RingBoard
from eucora.projections.ring_cells import CellStatus
from eucora.projections.runner import ProjectionRunner
from eucora.projections.timeline import Timeline
from eucora.projections.tokens import Tokens
from eucora.store.database import Pool


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def runner(pool: Pool, log: Log) -> ProjectionRunner:
    return await set_up(pool, log)


@pytest.fixture
async def told(log: Log, runner: ProjectionRunner) -> Log:
    tell(log)
    await runner.catch_up_all()
    return log


async def test_the_detail_is_the_fold_of_the_stream(pool: Pool, told: Log) -> None:
    view: IntentView | None = None
    for recorded in told.events:
        if recorded.stream == "deployment_intent-i-1":
            view = evolve(view, recorded)
    assert view is not None
    assert await Intents(pool).get("i-1") == view
    assert await Intents(pool).get("i-9") is None


async def test_the_list_shows_the_newest_first_and_filters(pool: Pool, told: Log) -> None:
    intents = Intents(pool)
    newest, oldest = (await intents.page()).items
    assert (newest.id, oldest.id) == ("i-2", "i-1")
    assert (oldest.status, oldest.approval, oldest.ring) == (
        IntentStatus.ROLLED_BACK,
        ApprovalStatus.APPROVED,
        Ring.CANARY,
    )
    assert (oldest.verdict, oldest.planes, oldest.devices) == (Verdict.FAILED, (Plane.INTUNE, Plane.JAMF), 2_220)
    for filters, found in (
        ({"status": IntentStatus.PROPOSED}, ["i-2"]),
        ({"application": "edge-tunnel"}, ["i-1"]),
        ({"plane": Plane.INTUNE}, ["i-1"]),
        ({"plane": Plane.JAMF}, ["i-2", "i-1"]),
        ({"requested_by": PACKAGER}, ["i-1"]),
        ({"approval": ApprovalStatus.NONE}, ["i-2"]),
        ({"plane": Plane.JAMF, "requested_by": PUBLISHER, "status": IntentStatus.HALTED}, []),
    ):
        assert [row.id for row in (await intents.page(**filters)).items] == found, filters


async def test_pages_hold_every_row_once_while_new_ones_arrive(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    for number in range(7):
        log.intent(f"i-{number}", proposed(f"i-{number}"))
    await runner.catch_up("intents")
    intents, seen, after = Intents(pool), [], None
    while True:
        page = await intents.page(after=after, limit=3, application="edge-tunnel")
        seen += [row.id for row in page.items]
        log.intent(f"late-{len(seen)}", proposed(f"late-{len(seen)}"))
        await runner.catch_up("intents")
        if page.next is None:
            break
        after = page.next
    assert seen == [f"i-{number}" for number in reversed(range(7))]


@pytest.mark.parametrize("cursor", ["", "%%%", "bm90IGpzb24", "WzEsMl0", "WyJhIiwxXQ", "eyJhIjoxfQ", "é"])
async def test_a_cursor_from_elsewhere_is_refused(pool: Pool, told: Log, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await Intents(pool).page(after=cursor)
    with pytest.raises(BadCursor):
        await Timeline(pool).page("i-1", after=cursor)


async def test_the_timeline_tells_intent_review_and_incident_in_order(pool: Pool, told: Log) -> None:
    timeline = Timeline(pool)
    first = await timeline.page("i-1", limit=20)
    rest = await timeline.page("i-1", after=first.next, limit=500)
    entries = [*first.items, *rest.items]
    assert rest.next is None
    assert [entry.position for entry in entries] == [
        recorded.position for recorded in told.events if recorded.intent_id == "i-1"
    ]
    said = [entry.summary for entry in entries]
    assert said[0] == "Edge Tunnel 4.2.0 was proposed up to ring pilot: risk 62.5, CAB from ring 1"
    assert "A CAB member voted approve: fine to pilot" in said
    assert "Gates of ring 1 (canary): failed (success_rate)" in said
    assert "Publish on jamf gave up after 8 attempts: 503" in said
    assert "P1 stability incident on 12 devices: tunnel drops" in said
    assert said[-1] == "Rollback complete: 150 devices came back"
    vote = next(entry for entry in entries if entry.type == "cab_review.CabVoteCast")
    assert (vote.actor, vote.data["voter"], vote.data["at"]) == (VOTER, VOTER, "2026-03-02T08:05:00Z")


async def test_every_event_of_the_story_has_a_sentence(pool: Pool, told: Log) -> None:
    entries = (await Timeline(pool).page("i-1", limit=500)).items
    assert len(entries) > 25
    assert [entry.type for entry in entries if entry.summary == entry.type] == []


async def test_the_board_shows_what_stands_in_each_ring(pool: Pool, told: Log, runner: ProjectionRunner) -> None:
    board = RingBoard(pool)
    tunnel, viewer = (await board.page()).items
    assert (tunnel.application_id, tunnel.newest_intent) == ("edge-tunnel", "i-1")
    assert [(one.ring, one.status, one.verdict, one.devices) for one in tunnel.cells] == [
        (Ring.LAB, CellStatus.ROLLED_BACK, Verdict.PASSED, 20),
        (Ring.CANARY, CellStatus.ROLLED_BACK, Verdict.FAILED, 200),
    ]
    assert [(row.plane, row.installed, row.failed) for row in tunnel.cells[1].counts] == [
        ("intune", 60, 20),
        ("jamf", 90, 0),
    ]
    assert (viewer.cells, [one.ring for one in viewer.planned]) == ((), [Ring.LAB, Ring.CANARY, Ring.PILOT])

    told.intent("i-3", proposed("i-3", version="4.3.0"), *CANARY_RUN[1:4])
    await runner.catch_up("intents")
    (tunnel,) = (await board.page(limit=1)).items
    assert [(one.ring, one.app_version, one.status) for one in tunnel.cells] == [
        (Ring.LAB, "4.3.0", CellStatus.OPEN),
        (Ring.CANARY, "4.2.0", CellStatus.ROLLED_BACK),
    ]
    assert [one.status for one in await board.of_intent("i-3")] == ["open", "planned", "planned"]


async def test_the_board_is_paged_by_application(pool: Pool, told: Log) -> None:
    first = await RingBoard(pool).page(limit=1)
    second = await RingBoard(pool).page(limit=1, after=first.next)
    assert [row.application_id for row in (*first.items, *second.items)] == ["edge-tunnel", "pdf-viewer"]
    assert second.next is None


async def test_the_desk_shows_votes_quorum_and_who_may_not_vote(pool: Pool, told: Log) -> None:
    desk = CabDesk(pool)
    review = await desk.get("r-1")
    assert review is not None
    assert (review.status, review.quorum, review.approvals, review.version) == ("approved_with_conditions", 1, 1, 5)
    assert [one.person for one in review.ineligible] == [PACKAGER]
    assert [one.rule for one in review.refused_votes] == ["requester"]
    assert (review.reminders, review.decided_at, review.approval_expires_at) == (1, at(14), at(9_000))
    assert (await desk.page(open=True)).items == []
    assert [one.id for one in (await desk.page(open=False, intent_id="i-1")).items] == ["r-1"]


async def test_an_open_review_waits_on_the_desk(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    opened = next(n for n, recorded in enumerate(log.events) if recorded.stream == "cab_review-r-1")
    del log.events[opened + 1 :]
    await runner.catch_up("cab_desk")
    (review,) = (await CabDesk(pool).page(open=True)).items
    assert (review.id, review.votes, review.due_at) == ("r-1", (), at(2 + 48 * 60))


async def test_operations_keep_failures_references_and_digests(pool: Pool, told: Log) -> None:
    operations = Operations(pool)
    published = (await operations.page(intent_id="i-1", plane=Plane.JAMF, ring=Ring.LAB)).items
    assert [(one.operation, one.outcome, one.ref, one.content) for one in published] == [
        ("assign", "done", "pol-3", ""),
        ("publish", "done", "pkg-7", MACOS),
        ("publish", "failed", "", ""),
    ]
    (failed,) = (await operations.page(outcome="failed")).items
    assert (failed.detail, failed.attempts) == ("transient: 503", 8)
    first = await operations.page(limit=1)
    assert first.items[0].operation == "withdraw"
    assert first.items[0].ring is None
    assert len((await operations.page(after=first.next)).items) == 5


async def test_artifacts_and_packs_are_found_by_digest(pool: Pool, told: Log, runner: ProjectionRunner) -> None:
    incomplete = assembled("7" * 64, missing=("scan",))
    told.add(f"evidence_pack-{incomplete.pack}", incomplete)
    await runner.catch_up("evidence_packs")
    artifacts, packs = Artifacts(pool), EvidencePacks(pool)
    found = await artifacts.get(WINDOWS)
    assert found is not None
    assert found.artifact == registered()
    assert [*await artifacts.get_many([WINDOWS, MACOS])] == [WINDOWS]
    assert [one.id for one in (await artifacts.page(content=CONTENT)).items] == [WINDOWS]
    assert (await artifacts.page(platform=Platform.MACOS)).items == []
    pack = await packs.get(PACK)
    assert pack is not None
    assert pack.pack == assembled()
    assert [one.id for one in (await packs.page(artifact=WINDOWS)).items] == ["7" * 64, PACK]
    assert [one.id for one in (await packs.page(complete=True, application="edge-tunnel")).items] == [PACK]


async def test_an_incident_is_open_until_it_is_resolved(pool: Pool, told: Log, runner: ProjectionRunner) -> None:
    incidents = Incidents(pool)
    assert [one.id for one in (await incidents.page(status="open", intent_id="i-1")).items] == ["n-1"]
    told.add(
        "incident-n-1",
        inc.IncidentReclassified(
            inc.IncidentSeverity.P3, inc.IncidentKind.SECURITY, inc.Attributable.YES, "seen again", VOTER, at(50)
        ),
        inc.IncidentResolved("bad MTU", VOTER, at(60)),
    )
    await runner.catch_up("incidents")
    assert (await incidents.page(status="open")).items == []
    (resolved,) = (await incidents.page(severity=inc.IncidentSeverity.P3, application="edge-tunnel")).items
    assert (resolved.kind, resolved.attributable, resolved.root_cause) == ("security", "yes", "bad MTU")
    assert (resolved.resolved_at, resolved.version) == (at(60), 3)


async def test_the_policy_in_force_is_the_one_activated_last(pool: Pool, told: Log, runner: ProjectionRunner) -> None:
    policies, facts = GatePolicies(pool), PolicyFacts(pool, runner)
    told.add("gate_policy-2.0", gate_policy.GatePolicyProposed(policy("2.0"), "stricter", PACKAGER, at(70)))
    assert await facts.newest_version("gate_policy") == "1.0"
    in_force = await policies.get("1.0")
    assert in_force is not None
    assert (in_force.status, in_force.policy, in_force.activated_by) == ("active", policy("1.0"), VOTER)
    assert [one.id for one in (await policies.page(status="proposed")).items] == ["2.0"]
    told.add("gate_policy-2.0", gate_policy.GatePolicyActivated(VOTER, at(80)))
    assert await facts.newest_version("gate_policy") == "2.0"
    assert [one.id for one in (await policies.page(status="active")).items] == ["2.0", "1.0"]


async def test_a_token_is_found_by_its_digest_and_ends_when_revoked(
    pool: Pool, told: Log, runner: ProjectionRunner
) -> None:
    tokens, issued = Tokens(pool), token_issued("t-1", "9" * 64)
    token = await tokens.by_secret("9" * 64)
    assert token is not None
    assert (token.id, token.grants, token.name) == ("t-1", issued.grants, "pipeline")
    assert token.valid(at(59))
    assert not token.valid(at(60))
    assert await tokens.by_secret("8" * 64) is None
    told.add("service_token-t-1", service_token.ServiceTokenRevoked(VOTER, "left", at(5)))
    await runner.catch_up("tokens")
    revoked = await tokens.get("t-1")
    assert revoked is not None
    assert not revoked.valid(at(6))
    assert (revoked.revoked_by, revoked.revoke_reason) == (VOTER, "left")
    assert [one.id for one in (await tokens.page()).items] == ["t-1"]


async def test_history_counts_rollouts_devices_and_incidents(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    facts = CaughtUpFacts(pool, runner)
    assert await facts.history("edge-tunnel") == History()
    tell(log)  # nobody folds: the facts catch up by themselves
    assert await facts.history("edge-tunnel") == History(
        releases=1, devices_finished=20 + 170, devices_failed=1 + 20, incidents=1, security_incidents=0
    )
    assert await facts.history("pdf-viewer") == History()  # proposed only: it never rolled out
    security = reported("n-2", "", kind=inc.IncidentKind.SECURITY)
    log.add("incident-n-2", security)
    log.add("incident-n-3", replace(security, incident_id="n-3", attributable=inc.Attributable.NO))
    history = await facts.history("edge-tunnel")
    assert (history.incidents, history.security_incidents) == (2, 1)


async def test_open_incidents_count_against_the_release_until_cleared(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    facts = CaughtUpFacts(pool, runner)
    tell(log)
    assert await facts.incidents("i-1") == IncidentFacts(attributable_security=0, p1_p2=1)
    assert await facts.incidents("i-2") == IncidentFacts()
    blamed = {
        "kind": inc.IncidentKind.SECURITY,
        "attributable": inc.Attributable.YES,
        "severity": inc.IncidentSeverity.P3,
    }
    log.add("incident-n-2", reported("n-2", "", **blamed))  # about the application, no rollout named
    log.add("incident-n-3", reported("n-3", "", **(blamed | {"application_id": "pdf-viewer"})))
    assert await facts.incidents("i-1") == IncidentFacts(attributable_security=1, p1_p2=1)
    log.add("incident-n-1", inc.IncidentResolved("bad MTU", VOTER, at(60)))
    log.add(
        "incident-n-2",
        inc.IncidentReclassified(
            inc.IncidentSeverity.P3, inc.IncidentKind.SECURITY, inc.Attributable.NO, "the proxy did it", VOTER, at(61)
        ),
    )
    assert await facts.incidents("i-1") == IncidentFacts()
    assert await facts.incidents("i-2") == IncidentFacts(attributable_security=1)
