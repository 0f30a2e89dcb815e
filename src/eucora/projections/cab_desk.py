"""Read model ``cab_desk``: open and decided CAB reviews with their votes, and the debts of emergency changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Integer, Text, bindparam, func, or_, select, tuple_
from sqlalchemy.types import TypeEngine

from eucora.application.ports import Recorded
from eucora.domain import cab_review as e
from eucora.domain.cab_review.refusals import conflict
from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.governance_types import ReviewRules
from eucora.domain.people import Scope
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import LIMIT_MAX, Documents
from eucora.projections.intent_reach import of_seen_intent
from eucora.projections.paging import BadCursor, Page, decode_cursor, encode_cursor
from eucora.projections.reach import held
from eucora.projections.sql import Statement, compiled

OPEN: Final = "open"
_RANK: Final = {radius: rank for rank, radius in enumerate(BlastRadiusClass)}  # the most dangerous class first


@dataclass(frozen=True, slots=True)
class Conflict:
    """A person who may not vote, and why: ``why`` completes "the person …"."""

    person: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class RetrospectiveView:
    """What is owed for an approved emergency change. ``status``: open, overdue or closed; the first two are debts."""

    status: str
    opened_at: datetime
    due_at: datetime
    reminders: int = 0
    refused: tuple[e.CabRetrospectiveRefused, ...] = ()
    verdict: str = ""
    findings: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReviewView:
    """``status`` is open or the outcome; ``version`` the stream's, which a voter names as seen (If-Match)."""

    id: str
    position: int
    created: int
    version: int
    status: str
    intent_id: str
    binding: str
    application: str
    app_version: str
    score: str
    blast_radius_class: BlastRadiusClass
    quorum: int
    ineligible: tuple[e.Ineligible, ...]
    urgency: e.Urgency
    justification: str
    opened_by: str
    opened_at: datetime
    due_at: datetime
    change_kind: str = "normal"
    ring: Ring | None = None
    rules: ReviewRules = field(default_factory=ReviewRules)
    grounds: str = ""
    changes: tuple[str, ...] = ()
    declared_scope: str = ""
    precedents: tuple[str, ...] = ()
    asked_for_changes: tuple[str, ...] = ()
    votes: tuple[e.CabVoteCast, ...] = ()
    refused_votes: tuple[e.CabVoteRefused, ...] = ()
    reminders: int = 0
    escalated_at: datetime | None = None
    reason: str = ""  # of the decision, or of the revocation after it
    conditions: tuple[Condition, ...] = ()
    decided_at: datetime | None = None
    approval_expires_at: datetime | None = None
    revoked_by: str = ""
    revoked_at: datetime | None = None
    retrospective: RetrospectiveView | None = None

    @property
    def approvals(self) -> int:
        """Approving votes; see :attr:`votes_missing` for how many there must be."""
        return sum(vote.vote is e.Vote.APPROVE for vote in self.votes)

    @property
    def votes_missing(self) -> int:
        """Approving votes that an open review still needs; 0 for one that ended."""
        needed = e.votes_needed(self.quorum, self.asked_for_changes, self.votes)
        return max(0, needed - self.approvals) if self.status == OPEN else 0

    @property
    def escalated(self) -> bool:
        return self.escalated_at is not None

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Who may not vote, and why."""
        return tuple(Conflict(one.person, one.rule, conflict(one.rule).deed) for one in self.ineligible)


def evolve(view: ReviewView | None, recorded: Recorded) -> ReviewView | None:
    """The review after an event of its stream."""
    event = recorded.event
    if isinstance(event, e.CabReviewOpened):
        return _opened(event, recorded)
    if view is None:
        return None
    match event:
        case e.CabVoteCast():
            view = replace(view, votes=(*view.votes, event))
        case e.CabVoteRefused():
            view = replace(view, refused_votes=(*view.refused_votes, event))
        case e.CabReviewReminded():
            view = replace(view, reminders=view.reminders + 1)
        case e.CabReviewEscalated(at=at):
            view = replace(view, escalated_at=at)
        case e.CabReviewDecided():
            view = replace(
                view,
                status=event.outcome,
                reason=event.reason,
                conditions=event.conditions,
                decided_at=event.at,
                approval_expires_at=event.approval_expires_at,
            )
        case e.CabApprovalRevoked():
            view = _revoked(view, event.reason, event.by, event.at)
        case e.CabRetrospectiveOpened(due_at=due_at, at=at):
            view = replace(view, retrospective=RetrospectiveView("open", at, due_at))
        case _ if view.retrospective is not None:
            view = _judged(replace(view, retrospective=_debt(view.retrospective, event)), event)
    return replace(view, position=recorded.position, version=recorded.version)


def _judged(view: ReviewView, event: object) -> ReviewView:
    """What was approved in haste is approved no more, once it was found not justified or nobody judged it in time."""
    reason = e.taken_back(event)
    if reason is None or view.status == e.Outcome.REVOKED:
        return view
    match event:
        case e.CabRetrospectiveClosed(by=by, at=at):
            return _revoked(view, reason, by, at)
        case e.CabRetrospectiveOverdue(at=at):
            return _revoked(view, reason, SERVICE, at)
    return view


def _revoked(view: ReviewView, reason: str, by: str, at: datetime) -> ReviewView:
    return replace(view, status=e.Outcome.REVOKED, reason=reason, revoked_by=by, revoked_at=at)


def _debt(debt: RetrospectiveView, event: object) -> RetrospectiveView:
    match event:
        case e.CabRetrospectiveReminded():
            return replace(debt, reminders=debt.reminders + 1)
        case e.CabRetrospectiveOverdue():
            return replace(debt, status="overdue")
        case e.CabRetrospectiveRefused():
            return replace(debt, refused=(*debt.refused, event))
        case e.CabRetrospectiveClosed(verdict=verdict, findings=findings, by=by, at=at):
            return replace(debt, status="closed", verdict=verdict, findings=findings, closed_by=by, closed_at=at)
    return debt


def _opened(event: e.CabReviewOpened, recorded: Recorded) -> ReviewView:
    return ReviewView(
        id=event.review_id,
        position=recorded.position,
        created=recorded.position,
        version=recorded.version,
        status=OPEN,
        intent_id=event.intent_id,
        binding=event.binding,
        application=event.application,
        app_version=event.version,
        score=event.score,
        blast_radius_class=event.blast_radius_class,
        quorum=event.quorum,
        ineligible=event.ineligible,
        urgency=event.urgency,
        justification=event.justification,
        opened_by=event.opened_by,
        opened_at=event.at,
        due_at=event.due_at,
        change_kind=event.change_kind,
        ring=event.ring,
        rules=event.rules,
        grounds=event.grounds,
        changes=event.changes,
        declared_scope=event.declared_scope,
        precedents=event.precedents,
        asked_for_changes=event.asked_for_changes,
    )


def _values(view: ReviewView) -> dict[str, object]:
    debt = view.retrospective
    return {
        "state": OPEN if view.status == OPEN else "decided",
        "status": str(view.status),
        "intent_id": view.intent_id,
        "application": view.application,
        "blast_radius_class": str(view.blast_radius_class),
        "class_rank": _RANK[view.blast_radius_class],
        "due_at": view.due_at,
        "retrospective": "" if debt is None else debt.status,
        "debt": "" if debt is None else "paid" if debt.status == "closed" else "owed",
        "debt_due_at": None if debt is None else debt.due_at,
    }


_COLUMNS: Final[dict[str, TypeEngine[Any]]] = {
    "state": Text(),
    "status": Text(),
    "intent_id": Text(),
    "application": Text(),
    "blast_radius_class": Text(),
    "class_rank": Integer(),
    "due_at": DateTime(timezone=True),
    "retrospective": Text(),  # open, overdue or closed; empty for all but approved emergency changes
    "debt": Text(),  # owed or paid
    "debt_due_at": DateTime(timezone=True),
}

CAB_DESK = DocumentShape(
    name="cab_desk",
    table="cab_review",
    version=3,
    view=ReviewView,
    key=lambda recorded: stream_id(recorded, "cab_review"),
    evolve=evolve,
    columns=_COLUMNS,
    values=_values,
    indexes=(
        ("state", "created", "id"),
        ("state", "due_at", "class_rank", "id"),
        ("intent_id", "created", "id"),
        ("debt", "created", "id"),
        ("application", "debt"),
    ),
    reach=of_seen_intent,
)


class CabDesk:
    """Queries on CAB reviews."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, CAB_DESK)
        self._queues: dict[tuple[bool, bool, bool], Statement] = {}
        table = CAB_DESK.live
        lapsed = or_(table.c.retrospective == "overdue", table.c.debt_due_at <= bindparam("at", type_=DateTime(True)))
        owed = (table.c.application == bindparam("application"), table.c.debt == "owed")
        self._overdue = compiled(select(func.count()).select_from(table).where(*owed, lapsed))

    async def get(self, review_id: str) -> ReviewView | None:
        return await self._documents.get(review_id)

    async def page(
        self,
        *,
        open: bool | None = None,
        status: str | None = None,
        intent_id: str | None = None,
        retrospective: str | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[ReviewView]:
        """Newest first. ``open``: True for those that wait for votes, False for the decided.

        ``retrospective``: open (every debt that is owed, overdue ones too), overdue or closed.

        Raises:
            BadCursor: ``after`` is not of this list.
        """
        state = None if open is None else OPEN if open else "decided"
        where: dict[str, object] = {"state": state, "status": status, "intent_id": intent_id}
        column = "debt" if retrospective == "open" else "retrospective"
        where[column] = "owed" if retrospective == "open" else retrospective
        return await self._documents.page(where, after, limit, within)

    async def queue(
        self,
        *,
        blast_radius_class: BlastRadiusClass | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[ReviewView]:
        """Open reviews, the one that is due first first; of those due at once the most dangerous class.

        Raises:
            BadCursor: ``after`` is not of this list.
        """
        limit = max(1, min(limit, LIMIT_MAX))
        asked: dict[str, object] = {} if blast_radius_class is None else {"radius": str(blast_radius_class)}
        statement = self._queue(blast_radius_class is not None, after is not None, within is not None)
        found = await statement.fetch(self._pool, limit=limit + 1, **asked, **_place(after), **held(within))
        views = [self._documents.view(row["doc"]) for row in found[:limit]]
        if len(found) <= limit:
            return Page(views, None)
        last = views[-1]
        return Page(views, encode_cursor(last.due_at.isoformat(), _RANK[last.blast_radius_class], last.id))

    async def overdue_retrospectives(self, application_id: str, at: datetime | None = None) -> int:
        """Debts of the application that are overdue: on record as such, or due by ``at`` where it is named."""
        return int(await self._overdue.fetchval(self._pool, application=application_id, at=at))

    def _queue(self, by_class: bool, later: bool, bounded: bool) -> Statement:
        if (by_class, later, bounded) not in self._queues:
            table = CAB_DESK.live
            query = select(table.c.doc).where(table.c.state == OPEN)
            if by_class:
                query = query.where(table.c.blast_radius_class == bindparam("radius", type_=Text))
            if bounded:
                query = query.where(of_seen_intent(table))
            place = tuple_(table.c.due_at, table.c.class_rank, table.c.id)
            if later:
                due_at = bindparam("after_due", type_=DateTime(timezone=True))
                rank, id = bindparam("after_rank", type_=Integer), bindparam("after_id", type_=Text)
                query = query.where(place > tuple_(due_at, rank, id))
            query = query.order_by(table.c.due_at, table.c.class_rank, table.c.id)
            self._queues[by_class, later, bounded] = compiled(query.limit(bindparam("limit", type_=Integer)))
        return self._queues[by_class, later, bounded]


def _place(after: str | None) -> Mapping[str, object]:
    if after is None:
        return {}
    due_at, rank, id = decode_cursor(after, str, int, str)
    try:
        return {"after_due": datetime.fromisoformat(str(due_at)), "after_rank": rank, "after_id": id}
    except ValueError as error:
        raise BadCursor(after) from error
