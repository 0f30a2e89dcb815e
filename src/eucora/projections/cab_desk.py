"""Read model ``cab_desk``: open and decided CAB reviews with their votes."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Text

from eucora.application.ports import Recorded
from eucora.domain import cab_review as e
from eucora.domain.conditions import Condition
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page

OPEN = "open"


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
    votes: tuple[e.CabVoteCast, ...] = ()
    refused_votes: tuple[e.CabVoteRefused, ...] = ()
    reminders: int = 0
    reason: str = ""  # of the decision, or of the revocation after it
    conditions: tuple[Condition, ...] = ()
    decided_at: datetime | None = None
    approval_expires_at: datetime | None = None
    revoked_by: str = ""
    revoked_at: datetime | None = None

    @property
    def approvals(self) -> int:
        """Approving votes; the quorum is met at ``quorum`` of them."""
        return sum(vote.vote is e.Vote.APPROVE for vote in self.votes)


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
            view = replace(
                view, status=e.Outcome.REVOKED, reason=event.reason, revoked_by=event.by, revoked_at=event.at
            )
    return replace(view, position=recorded.position, version=recorded.version)


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
    )


def _values(view: ReviewView) -> dict[str, object]:
    return {
        "state": OPEN if view.status == OPEN else "decided",
        "status": str(view.status),
        "intent_id": view.intent_id,
        "due_at": view.due_at,
    }


CAB_DESK = DocumentShape(
    name="cab_desk",
    table="cab_review",
    version=1,
    view=ReviewView,
    key=lambda recorded: stream_id(recorded, "cab_review"),
    evolve=evolve,
    columns={"state": Text(), "status": Text(), "intent_id": Text(), "due_at": DateTime(timezone=True)},
    values=_values,
    indexes=(("state", "created", "id"), ("intent_id", "created", "id")),
)


class CabDesk:
    """Queries on CAB reviews."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, CAB_DESK)

    async def get(self, review_id: str) -> ReviewView | None:
        return await self._documents.get(review_id)

    async def page(
        self,
        *,
        open: bool | None = None,
        status: str | None = None,
        intent_id: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[ReviewView]:
        """Newest first. ``open``: True for those that wait for votes, False for the decided. Raises BadCursor."""
        state = None if open is None else OPEN if open else "decided"
        return await self._documents.page({"state": state, "status": status, "intent_id": intent_id}, after, limit)
