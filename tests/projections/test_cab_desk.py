"""The CAB desk and the delegations: the queue, the debts of emergency changes, and lent votes that have not ended."""

from dataclasses import replace
from datetime import timedelta

import pytest
from projection_story import OPERATOR, VOTER, Log, at, review_opened

from eucora.domain import cab_delegation, cab_review
from eucora.domain.cab_review import CabReviewOpened
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.base import DocumentProjection
from eucora.projections.cab_delegations import CAB_DELEGATIONS, CabDelegations
from eucora.projections.cab_desk import CAB_DESK, CabDesk
from eucora.projections.cab_sentences import sentence
from eucora.projections.paging import BadCursor, encode_cursor
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool


@pytest.fixture
async def log() -> Log:
    return Log()


async def desk(pool: Pool, log: Log) -> CabDesk:
    runner = ProjectionRunner(pool, log, [DocumentProjection(CAB_DESK), DocumentProjection(CAB_DELEGATIONS)])
    await runner.ensure()
    await runner.catch_up_all()
    return CabDesk(pool)


def opened(id: str, due_min: int, radius: BlastRadiusClass) -> CabReviewOpened:
    return replace(review_opened(id, "i-1"), due_at=at(due_min), blast_radius_class=radius)


def emergency(log: Log, id: str, application: str, *then: object) -> None:
    first = replace(review_opened(id, "i-1"), application=application, change_kind=cab_review.EMERGENCY)
    log.add(f"cab_review-{id}", first, cab_review.CabRetrospectiveOpened(at(60), at(0)), *then)


async def test_the_queue_is_by_due_time_and_then_by_class(pool: Pool, log: Log) -> None:
    first, *_, last = BlastRadiusClass
    log.add("cab_review-late", opened("late", 90, first))
    log.add("cab_review-mild", opened("mild", 60, last))
    log.add("cab_review-grave", opened("grave", 60, first))
    over = cab_review.CabReviewDecided(cab_review.Outcome.EXPIRED, (), "no decision", at(30))
    log.add("cab_review-over", opened("over", 30, first), over)
    queries = await desk(pool, log)
    found, cursor = [], None
    while True:
        page = await queries.queue(after=cursor, limit=1)
        found += [view.id for view in page.items]
        if (cursor := page.next) is None:
            break
    assert found == ["grave", "mild", "late"]
    assert [view.id for view in (await queries.queue(blast_radius_class=last)).items] == ["mild"]


@pytest.mark.parametrize("cursor", ["x", encode_cursor("yesterday", 0, "r-1"), encode_cursor(1, "r-1")])
async def test_a_cursor_of_another_list_is_refused(pool: Pool, log: Log, cursor: str) -> None:
    queries = await desk(pool, log)
    with pytest.raises(BadCursor):
        await queries.queue(after=cursor)


async def test_a_debt_is_overdue_when_a_job_said_so_or_its_time_is_up(pool: Pool, log: Log) -> None:
    emergency(log, "open", "vpn")
    emergency(log, "lapsed", "mail", cab_review.CabRetrospectiveOverdue(at(60), at(60)))
    verdict = cab_review.RetrospectiveVerdict.JUSTIFIED
    emergency(log, "paid", "notes", cab_review.CabRetrospectiveClosed(verdict, "it was real", VOTER, at(50)))
    log.add("cab_review-normal", review_opened("normal", "i-1"))
    queries = await desk(pool, log)
    assert await queries.overdue_retrospectives("vpn") == 0
    assert await queries.overdue_retrospectives("vpn", at(60) - timedelta(microseconds=1)) == 0
    assert await queries.overdue_retrospectives("vpn", at(60)) == 1
    assert await queries.overdue_retrospectives("mail") == 1
    assert await queries.overdue_retrospectives("notes", at(99)) == 0
    listed = {name: await queries.page(retrospective=name) for name in ("open", "overdue", "closed")}
    assert {name: [view.id for view in page.items] for name, page in listed.items()} == {
        "open": ["lapsed", "open"],
        "overdue": ["lapsed"],
        "closed": ["paid"],
    }
    assert len((await queries.page()).items) == 4


async def test_delegations_that_have_not_ended_are_found_by_either_person(pool: Pool, log: Log) -> None:
    granted = cab_delegation.CabVoteDelegated("d-1", VOTER, OPERATOR, at(0), at(60), "leave", at(0))
    log.add("cab_delegation-d-1", granted)
    log.add("cab_delegation-d-2", replace(granted, delegation_id="d-2"), cab_delegation.CabDelegationExpired(at(60)))
    back = cab_delegation.CabDelegationRevoked(VOTER, "back", at(5))
    log.add("cab_delegation-d-3", replace(granted, delegation_id="d-3"), back)
    await desk(pool, log)
    queries = CabDelegations(pool)
    standing = (cab_delegation.Delegated("d-1", VOTER, OPERATOR, at(0), at(60)),)
    assert await queries.of(VOTER, "nobody") == standing
    assert await queries.of(OPERATOR) == standing
    assert await queries.of("nobody") == ()
    views = {view.id: view for view in (await queries.page()).items}
    assert {id: view.status for id, view in views.items()} == {"d-1": "granted", "d-2": "expired", "d-3": "revoked"}
    assert [views["d-1"].in_force(at(minute)) for minute in (-1, 0, 59, 60)] == [False, True, True, False]
    assert not views["d-3"].in_force(at(1))
    assert (views["d-3"].ended_by, views["d-3"].end_reason) == (VOTER, "back")


def test_a_delegation_is_told_in_sentences() -> None:
    granted = cab_delegation.CabVoteDelegated("d-1", VOTER, OPERATOR, at(0), at(60), "leave", at(0))
    assert sentence(granted) == ("A CAB vote was delegated from 2026-03-02 08:00 UTC to 2026-03-02 09:00 UTC: leave")
    assert (
        sentence(cab_delegation.CabDelegationRevoked(VOTER, "back", at(5)))
        == "A delegated CAB vote was taken back: back"
    )
    assert sentence(cab_delegation.CabDelegationExpired(at(60))) == "A delegation of a CAB vote expired"
    assert sentence(object()) == ""


@pytest.mark.parametrize(
    ("end", "reason", "by"),
    [
        (
            cab_review.CabRetrospectiveClosed(
                cab_review.RetrospectiveVerdict.NOT_JUSTIFIED, "nobody attacked", VOTER, at(50)
            ),
            "the emergency change was found not justified: nobody attacked",
            VOTER,
        ),
        (
            cab_review.CabRetrospectiveOverdue(at(60), at(60)),
            "the emergency change was not reviewed in retrospect in time",
            SERVICE,
        ),
    ],
)
async def test_an_approval_in_haste_that_is_gone_reads_revoked(
    pool: Pool, log: Log, end: cab_review.Event, reason: str, by: str
) -> None:
    yes = cab_review.CabReviewDecided(cab_review.Outcome.APPROVED, (), "2 of 2 approving votes", at(0), at(60))
    first = replace(review_opened("r-1", "i-1"), change_kind=cab_review.EMERGENCY)
    log.add("cab_review-r-1", first, yes, cab_review.CabRetrospectiveOpened(at(60), at(0)))
    before = await (await desk(pool, log)).get("r-1")
    assert before is not None
    assert (before.status, before.revoked_by) == ("approved", "")
    late = cab_review.CabRetrospectiveClosed(cab_review.RetrospectiveVerdict.JUSTIFIED, "it was real", VOTER, at(70))
    log.add("cab_review-r-1", end, late)  # a debt that is paid late is paid, and brings no approval back
    after = await (await desk(pool, log)).get("r-1")
    assert after is not None
    assert (after.status, after.reason, after.revoked_by, after.revoked_at) == ("revoked", reason, by, end.at)
    assert after.retrospective is not None
    assert after.retrospective.status == "closed"
