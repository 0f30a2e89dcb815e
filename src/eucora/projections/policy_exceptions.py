"""Read model ``policy_exceptions``: every exception with who decided what, and what a decision on an intent sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text, and_, bindparam, or_, select, tuple_

from eucora.application.ports import Recorded
from eucora.domain import policy_exception as ex
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.people import Scope
from eucora.domain.rings import Ring
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import LIMIT_MAX, Documents
from eucora.projections.intent_reach import with_seen_intent
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.reach import held
from eucora.projections.sql import Statement, compiled


@dataclass(frozen=True, slots=True)
class ExtensionView:
    """The latest extension that was asked for. ``status``: requested, granted, refused, or void: the end came first."""

    until: datetime
    reason: str
    requested_by: str
    requested_at: datetime
    status: str = "requested"


@dataclass(frozen=True, slots=True)
class PolicyExceptionView:
    """``decisions`` are those on today's terms and on the extension; ``refused_decisions`` counts attempts by people
    who may not decide. ``reason``: of the last denial, request for changes, or revocation.
    """

    id: str
    position: int
    created: int
    version: int
    status: ExceptionStatus
    kind: ExceptionKind
    title: str
    justification: str
    controls: tuple[str, ...]
    owner: str
    subjects: tuple[str, ...]
    intent_id: str
    application_id: str
    ring: Ring | None
    score: Decimal | None
    needs: tuple[ex.Capacity, ...]
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    amended_by: str = ""
    amended_at: datetime | None = None
    decisions: tuple[ex.ExceptionDecisionGiven, ...] = ()
    refused_decisions: int = 0
    approved_at: datetime | None = None
    extension: ExtensionView | None = None
    extensions: int = 0
    reminded_at: datetime | None = None
    reason: str = ""
    revoked_by: str = ""
    ended_at: datetime | None = None

    @property
    def fact(self) -> ExceptionFact:
        """What a decision on an intent needs of it."""
        return ExceptionFact(self.id, self.kind, self.status, self.subjects, self.expires_at, self.ring)


def evolve(view: PolicyExceptionView | None, recorded: Recorded) -> PolicyExceptionView | None:
    """The exception after an event of its stream."""
    event = recorded.event
    if isinstance(event, ex.ExceptionRequested):
        view = _requested(event, recorded)
    elif view is not None:
        view = _asked(_decided(_ended(view, event), event), event)
    return view and replace(view, position=recorded.position, version=recorded.version)


def _requested(event: ex.ExceptionRequested, recorded: Recorded) -> PolicyExceptionView:
    terms = event.terms
    return PolicyExceptionView(
        id=event.exception_id,
        position=recorded.position,
        created=recorded.position,
        version=recorded.version,
        status=ExceptionStatus.REQUESTED,
        kind=terms.kind,
        title=terms.title,
        justification=terms.justification,
        controls=terms.controls,
        owner=terms.owner,
        subjects=terms.subjects,
        intent_id=terms.intent_id,
        application_id=terms.application_id,
        ring=terms.ring,
        score=terms.score,
        needs=event.needs,
        requested_by=event.by,
        requested_at=event.at,
        expires_at=terms.expires_at,
    )


def _asked(view: PolicyExceptionView, event: object) -> PolicyExceptionView:
    match event:
        case ex.ExceptionAmended(terms=terms):
            return replace(
                view,
                status=ExceptionStatus.REQUESTED,
                title=terms.title,
                justification=terms.justification,
                controls=terms.controls,
                owner=terms.owner,
                subjects=terms.subjects,
                intent_id=terms.intent_id,
                application_id=terms.application_id,
                ring=terms.ring,
                score=terms.score,
                needs=event.needs,
                expires_at=terms.expires_at,
                amended_by=event.by,
                amended_at=event.at,
                decisions=(),
                reason="",
            )
        case ex.ExceptionExtensionRequested():
            kept = tuple(one for one in view.decisions if one.question is ex.Question.EXCEPTION)
            asked = ExtensionView(event.until, event.reason, event.by, event.at)
            return replace(view, extension=asked, decisions=kept)
        case ex.ExceptionReminded(at=at):
            return replace(view, reminded_at=at)
    return view


def _decided(view: PolicyExceptionView, event: object) -> PolicyExceptionView:
    match event:
        case ex.ExceptionDecisionGiven():
            return replace(view, decisions=(*view.decisions, event))
        case ex.ExceptionDecisionRefused():
            return replace(view, refused_decisions=view.refused_decisions + 1)
        case ex.ExceptionApproved(at=at):
            return replace(view, status=ExceptionStatus.APPROVED, approved_at=at)
        case ex.ExceptionChangesRequested(reason=reason):
            return replace(view, status=ExceptionStatus.CHANGES_REQUESTED, reason=reason)
        case ex.ExceptionExtended(expires_at=expires_at) if view.extension:
            granted = replace(view.extension, status="granted")
            return replace(view, expires_at=expires_at, extension=granted, extensions=view.extensions + 1)
        case ex.ExceptionExtensionRefused() if view.extension:
            return replace(view, extension=replace(view.extension, status="refused"))
    return view


def _ended(view: PolicyExceptionView, event: object) -> PolicyExceptionView:
    match event:
        case ex.ExceptionDenied(reason=reason, at=at):
            return replace(view, status=ExceptionStatus.DENIED, reason=reason, ended_at=at)
        case ex.ExceptionExpired(at=at):
            view = replace(view, status=ExceptionStatus.EXPIRED, ended_at=at)
        case ex.ExceptionRevoked(reason=reason, by=by, at=at):
            view = replace(view, status=ExceptionStatus.REVOKED, reason=reason, revoked_by=by, ended_at=at)
        case _:
            return view
    if view.extension is None or view.extension.status != "requested":
        return view
    return replace(view, extension=replace(view.extension, status="void"))


POLICY_EXCEPTIONS = DocumentShape(
    name="policy_exceptions",
    table="policy_exception",
    version=1,
    view=PolicyExceptionView,
    key=lambda recorded: stream_id(recorded, "policy_exception"),
    evolve=evolve,
    columns={name: Text() for name in ("status", "kind", "intent_id", "application_id")}
    | {"expires_at": DateTime(timezone=True)},
    values=lambda view: {
        "status": view.status,
        "kind": view.kind,
        "intent_id": view.intent_id,
        "application_id": view.application_id,
        "expires_at": view.expires_at,
    },
    indexes=(
        ("status", "created", "id"),
        ("intent_id", "created", "id"),
        ("application_id", "created", "id"),
        ("expires_at",),
    ),
    reach=with_seen_intent,
)


class PolicyExceptions:
    """Queries on exceptions."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, POLICY_EXCEPTIONS)
        self._pages: dict[frozenset[str], Statement] = {}
        table = POLICY_EXCEPTIONS.live
        of_intent = and_(table.c.intent_id == bindparam("intent"), table.c.intent_id != "")
        of_release = and_(table.c.intent_id == "", table.c.application_id.in_([bindparam("application"), ""]))
        found = select(table.c.doc).where(or_(of_intent, of_release)).order_by(table.c.created, table.c.id)
        self._facts = compiled(found)

    async def get(self, exception_id: str) -> PolicyExceptionView | None:
        return await self._documents.get(exception_id)

    async def facts_for(self, intent_id: str, application_id: str) -> tuple[ExceptionFact, ...]:
        """Every exception that a decision on the intent may rest on, in whatever status, oldest first.

        Those that name the intent; those that name its application and no intent; and those that name neither, which
        hold for whatever bears one of their subjects. One that is for another intent is not among them, even when it
        is of the same application. ``intent_id`` empty: before the intent has an id.
        """
        rows = await self._facts.fetch(self._pool, intent=intent_id, application=application_id)
        return tuple(self._documents.view(row["doc"]).fact for row in rows)

    async def page(
        self,
        *,
        status: ExceptionStatus | None = None,
        kind: ExceptionKind | None = None,
        intent_id: str | None = None,
        expiring_before: datetime | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[PolicyExceptionView]:
        """Newest first. ``expiring_before``: in force by its status, with an end before that. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        wanted = {"status": status, "kind": kind, "intent_id": intent_id, "expiring_before": expiring_before}
        asked: dict[str, object] = {name: value for name, value in wanted.items() if value is not None}
        if after is not None:
            asked["after_created"], asked["after_id"] = decode_cursor(after, int, str)
        asked |= held(within)
        found = await self._page(frozenset(asked)).fetch(self._pool, limit=limit + 1, **asked)
        last = found[limit - 1] if len(found) > limit else None
        views = [self._documents.view(row["doc"]) for row in found[:limit]]
        return Page(views, None if last is None else encode_cursor(last["created"], last["id"]))

    def _page(self, asked: frozenset[str]) -> Statement:
        if asked not in self._pages:
            self._pages[asked] = _page_of(asked)
        return self._pages[asked]


def _page_of(asked: frozenset[str]) -> Statement:
    table = POLICY_EXCEPTIONS.live
    query = select(table.c.created, table.c.id, table.c.doc)
    for name in sorted(asked & {"status", "kind", "intent_id"}):
        query = query.where(table.c[name] == bindparam(name, type_=Text))
    if "expiring_before" in asked:
        before = bindparam("expiring_before", type_=DateTime(timezone=True))
        query = query.where(table.c.status == ExceptionStatus.APPROVED.value, table.c.expires_at < before)
    if held(()).keys() <= asked:
        query = query.where(with_seen_intent(table))
    if "after_id" in asked:
        key = tuple_(bindparam("after_created", type_=BigInteger), bindparam("after_id", type_=Text))
        query = query.where(tuple_(table.c.created, table.c.id) < key)
    query = query.order_by(table.c.created.desc(), table.c.id.desc())
    return compiled(query.limit(bindparam("limit", type_=Integer)))
