"""Multi Admin Approval as a layer above the stack: what Intune queues is remembered, asked after, and completed.

Every write to Intune carries its justification, whether the tenant wants one or not. One that is queued comes back as
PlaneAwaitingApproval; the same write, made again later, finds its record here and asks for the ruling instead. Once it
is approved it is sent again byte for byte, with its code; an approval serves nothing but the request that it is for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from eucora.application.budgets import BudgetPaused
from eucora.application.held_requests import (
    AskedRequest,
    HeldRequest,
    HeldRequests,
    HeldState,
    PlaneAwaitingApproval,
    purpose_of_write,
)
from eucora.application.lanes import current_lane
from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.breaker import CircuitOpen
from eucora.connectors.correlation import outgoing_correlation
from eucora.connectors.errors import TRANSIENT_STATUSES, report
from eucora.connectors.intune import approval_words as words
from eucora.connectors.intune.approval_list import ApprovalList, Interrupted, Ruling
from eucora.connectors.transports import REPEATABLE
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.domain.planes import Plane

CLAIM: Final = timedelta(minutes=5)  # longer than any deadline of one request
# For so long after a resubmission whose answer was lost, neither Intune's list nor the object need show it yet.
DOUBT: Final = timedelta(minutes=10)
FORGOTTEN_AFTER: Final = timedelta(days=31)  # Intune keeps a request for 30 days at the most
_ENDS: Final = {
    "rejected": Outcome.REJECTED,
    "cancelled": Outcome.CANCELLED,
    "expired": Outcome.EXPIRED,
    "completed": Outcome.APPROVED,
}
_log = structlog.get_logger(__name__)
_only_held: ContextVar[bool] = ContextVar("eucora_only_held", default=False)
_ANEW: Final = "to have it asked for anew, retry the operation"


@contextmanager
def only_what_is_held() -> Iterator[None]:
    """Writes inside go out only to complete what waits for approval; one that does not raises PlaneUnavailable.

    For an object that Intune shows while its creation waits: to make it once more would make a second one.
    """
    token = _only_held.set(True)
    try:
        yield
    finally:
        _only_held.reset(token)


async def is_asked(held: HeldRequests, tenant: str, request: httpx.Request) -> bool:
    """Whether ``request``, to the byte, is on record as asked for or waiting; its body has been read."""
    asked = words.asked(request, tenant)
    return any(row.asked.key == asked.key for row in await held.standing(tenant, asked.entity))


class ApprovalTransport(httpx.AsyncBaseTransport):
    """Sends through ``inner``. ``tenant`` tells installations of the vendor apart, ``now`` is UTC.

    Beside what ``inner`` raises, a guarded write raises PlaneAwaitingApproval, PlaneForbidden when its approval was
    refused or cannot be looked up, and PlaneUnavailable when it must be looked at again.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, held: HeldRequests, *, tenant: str, now: Callable[[], datetime]
    ) -> None:
        self._inner, self._held, self._tenant, self._now = inner, held, tenant, now
        self._list = ApprovalList(inner)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not words.guarded(request):
            return await self._inner.handle_async_request(request)
        await request.aread()
        purpose = purpose_of_write()
        asked = replace(words.asked(request, self._tenant), purpose=str(purpose or ""), lane=current_lane())
        standing = await self._held.standing(self._tenant, asked.entity)
        try:
            row = _same(standing, asked) or await self._held.begin(asked, self._now())
            if row is not None and row.state is HeldState.ASKING:
                row = await self._adopted(request, row)
            if row is not None:
                return await self._go_on(request, row)
            if _only_held.get():
                await self._held.forget(asked.key)
                detail = (
                    "the object is being processed, and no approval of ours is known for it; if it stays so, delete it"
                )
                raise report(PlaneUnavailable(Plane.INTUNE, _operation(asked), detail))
            others = [one for one in standing if one.state is HeldState.OPEN]
            if (before := next((one for one in others if not one.asked.gives_way_to(asked)), None)) is not None:
                await self._held.forget(asked.key)
                raise self._behind(asked, before)
            return await self._ask(request, asked, await self._taken_back(request, others))
        except Interrupted as interrupted:
            return interrupted.answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    # asking

    async def _ask(self, request: httpx.Request, asked: AskedRequest, stuck: Sequence[HeldRequest]) -> httpx.Response:
        """Send it with its justification. ``stuck``: requests of ours for the object that Intune would not cancel."""
        why = words.justification(asked, purpose_of_write(), outgoing_correlation())
        request.headers[words.JUSTIFICATION_HEADER] = why
        try:
            answer = await self._inner.handle_async_request(request)
        except (CircuitOpen, BudgetPaused):
            await self._held.forget(asked.key)  # nothing was sent; after any other failure the next attempt looks first
            raise
        if code := words.code_in(answer):
            await self._held.hold(asked.key, code, None)
            raise self._waiting(asked, code, await self._expiry(request, asked, code), answer)
        if words.is_taken(answer):
            if (found := await self._list.marked(request, _operation(asked), words.marker(asked.key))) is not None:
                await self._held.hold(asked.key, found.code, found.expires_at)
                raise self._waiting(asked, found.code, found.expires_at, answer)
            await self._held.forget(asked.key)
            raise self._locked(asked, stuck, answer)
        if answer.is_success or (400 <= answer.status_code < 500 and answer.status_code != 408):
            await self._held.forget(asked.key)
        if words.is_unjustified(answer):
            detail = f"Intune asks for a justification and did not take ours: {words.said(answer)}"
            raise report(PlaneForbidden(Plane.INTUNE, _operation(asked), detail, status=answer.status_code))
        return answer

    async def _adopted(self, request: httpx.Request, row: HeldRequest) -> HeldRequest | None:
        """The record of a write whose answer nobody saw, with the code that Intune gave it; None: it queued none.

        Without the right to read the list the write is made again, as it would be on a tenant that guards nothing. And
        on one that never held anything, a list that does not answer is no reason to keep a write back.
        """
        try:
            found = await self._list.marked(request, _operation(row.asked), words.marker(row.asked.key))
        except (PlaneForbidden, PlaneRejected):
            return None
        except (Interrupted, httpx.HTTPError) as error:
            stale_token = isinstance(error, Interrupted) and error.answer.status_code == 401
            if stale_token or await self._held.last_held(self._tenant) is not None:
                raise
            return None
        if found is None:
            return None
        await self._held.hold(row.asked.key, found.code, found.expires_at)
        rows = await self._held.standing(self._tenant, row.asked.entity)
        return next((one for one in rows if one.id == row.id), None)

    async def _taken_back(self, request: httpx.Request, others: Sequence[HeldRequest]) -> list[HeldRequest]:
        """Take back what waits for the same object and is not what we want by now; what Intune kept nonetheless."""
        stuck = []
        for row in others:
            detail = "the object was changed, or is to be changed otherwise, since this was asked for"
            if not await self._list.cancel(request, row.code):
                stuck.append(row)
                detail += "; Intune did not take it back"
            await self._held.end(row.id, Outcome.SUPERSEDED, "", detail, self._now())
        return stuck

    async def _expiry(self, request: httpx.Request, asked: AskedRequest, code: str) -> datetime | None:
        """When the request expires, if Intune tells already: to know it is no condition of waiting."""
        try:
            found = await self._list.of(request, _operation(asked), code)
        except (httpx.HTTPError, PlaneError, Interrupted):
            return None
        if found is None or found.expires_at is None:
            return None
        await self._held.hold(asked.key, code, found.expires_at)
        return found.expires_at

    # waiting, and what comes after

    async def _go_on(self, request: httpx.Request, row: HeldRequest) -> httpx.Response:
        ruling = await self._list.of(request, _operation(row.asked), row.code)
        now = self._now()
        if ruling is None:
            if now >= (row.expires_at or row.asked_at + FORGOTTEN_AFTER):
                await self._held.end(row.id, Outcome.EXPIRED, "", "Intune does not list it any more", now)
                raise self._over(row, f"request {row.code} expired unanswered; {_ANEW}")
            raise self._waiting(row.asked, row.code, row.expires_at, None)
        if ruling.status == "approved":
            return await self._complete(request, row, ruling)
        if ruling.status not in _ENDS:
            if ruling.expires_at != row.expires_at:
                await self._held.hold(row.asked.key, row.code, ruling.expires_at)
            raise self._waiting(row.asked, row.code, ruling.expires_at, None)
        await self._held.end(row.id, _ENDS[ruling.status], ruling.by, ruling.reason, now)
        if ruling.status == "completed":
            raise _look_again(row, "was completed already", 1.0)
        by, why = f" by {ruling.by}" if ruling.by else "", f" ({ruling.reason})" if ruling.reason else ""
        verb = "expired" if ruling.status == "expired" else f"was {ruling.status}"
        raise self._over(row, f"request {row.code} {verb} in Intune{by}{why}; {_ANEW}")

    async def _complete(self, request: httpx.Request, row: HeldRequest, ruling: Ruling) -> httpx.Response:
        """Send what was approved, by one worker alone and once: whoever finds it sent looks first what came of it."""
        now = self._now()
        if not await self._held.claim(row.id, now, now + CLAIM, by=ruling.by, reason=ruling.reason):
            raise _look_again(row, "is approved, and another worker completes it", 30.0)
        try:
            answer = await self._inner.handle_async_request(_approved(request, row))
        except (CircuitOpen, BudgetPaused):
            await self._held.release(row.id, row.sent_until)  # nothing was sent
            raise
        except httpx.HTTPError:
            await self._held.release(row.id, row.sent_until or now)
            raise
        if answer.is_success:
            await self._held.end(row.id, Outcome.APPROVED, ruling.by, ruling.reason, self._now())
            return answer
        if answer.status_code in (401, 429):
            await self._held.release(row.id, row.sent_until)
            return answer
        if answer.status_code in TRANSIENT_STATUSES or answer.status_code >= 500:
            await self._held.release(row.id, row.sent_until or now)
            return answer
        raise await self._refused(request, row, answer)

    async def _refused(self, request: httpx.Request, row: HeldRequest, answer: httpx.Response) -> PlaneError:
        """What to say of an approval that Intune did not take: it is used up, or might be, or it is refused for good.

        An earlier resubmission may have taken effect with its answer lost. In doubt the verb begins anew, for it reads
        the object before it writes; only an object that is not as it was wanted leads here again.
        """
        await self._held.release(row.id, row.sent_until)
        try:
            ruling = await self._list.of(request, _operation(row.asked), row.code)
        except (PlaneForbidden, PlaneRejected):
            ruling = None
        if ruling is not None and ruling.status == "completed":
            await self._held.end(row.id, Outcome.APPROVED, ruling.by, ruling.reason, self._now())
            return _look_again(row, "was completed already", 1.0)
        if row.sent_until is not None and self._now() < row.sent_until + DOUBT:
            return _look_again(row, "was sent before, and may have taken effect", 30.0)
        detail = f"Intune did not take its approval {row.code}: {words.said(answer)}"
        by = "" if ruling is None else ruling.by
        await self._held.end(row.id, Outcome.REFUSED, by, detail, self._now())
        return self._over(row, f"{detail}; {_ANEW}", answer.status_code)

    # what is said of it

    def _waiting(
        self, asked: AskedRequest, code: str, expires_at: datetime | None, answer: httpx.Response | None
    ) -> PlaneAwaitingApproval:
        detail = f"{asked.method} {asked.path} is queued; approve request {code}{words.until(expires_at)}"
        return _told(
            PlaneAwaitingApproval(
                Plane.INTUNE,
                _operation(asked),
                detail,
                code=code,
                status=None if answer is None else answer.status_code,
                request_id="" if answer is None else str(answer.headers.get("request-id", "")),
                expires_at=expires_at,
            )
        )

    def _behind(self, asked: AskedRequest, before: HeldRequest) -> PlaneAwaitingApproval:
        detail = f"{asked.method} {asked.path} is asked for once request {before.code} of ours for the object is over"
        return _told(
            PlaneAwaitingApproval(Plane.INTUNE, _operation(asked), detail, code="", expires_at=before.expires_at)
        )

    def _locked(
        self, asked: AskedRequest, stuck: Sequence[HeldRequest], answer: httpx.Response
    ) -> PlaneAwaitingApproval:
        if stuck:
            codes = ", ".join(row.code for row in stuck)
            detail = f"request {codes} of before does not fit any more and still holds the object; reject or cancel it"
        else:
            detail = "another change of the object waits for approval; approve, reject or cancel it"
        return _told(
            PlaneAwaitingApproval(
                Plane.INTUNE,
                _operation(asked),
                f"{asked.method} {asked.path}: {detail} in Intune first",
                code="",
                status=answer.status_code,
                request_id=str(answer.headers.get("request-id", "")),
            )
        )

    def _over(self, row: HeldRequest, detail: str, status: int | None = None) -> PlaneForbidden:
        return report(PlaneForbidden(Plane.INTUNE, _operation(row.asked), detail, status=status))


def _look_again(row: HeldRequest, why: str, wait_s: float) -> PlaneUnavailable:
    detail = f"request {row.code} {why}; looking again what stands"
    return report(PlaneUnavailable(Plane.INTUNE, _operation(row.asked), detail, retry_after_s=wait_s))


def _told(waiting: PlaneAwaitingApproval) -> PlaneAwaitingApproval:
    """``waiting``, after one record of it; none of a failure."""
    _log.info(
        "plane.awaiting_approval",
        plane=waiting.plane.value,
        operation=waiting.operation,
        code=waiting.code,
        status=waiting.status,
        detail=waiting.detail,
        request_id=waiting.request_id,
        correlation_id=outgoing_correlation(),
    )
    return waiting


def _same(standing: Sequence[HeldRequest], asked: AskedRequest) -> HeldRequest | None:
    """The record of this very request or, while it waits, of one that asks for the same in other bytes."""
    exact = next((row for row in standing if row.asked.key == asked.key), None)
    waiting = (row for row in standing if row.state is HeldState.OPEN and words.same_wish(row.asked, asked))
    return exact or next(waiting, None)


def _approved(request: httpx.Request, row: HeldRequest) -> httpx.Request:
    """The request as it was approved: its own bytes, and the code in place of the justification.

    It is not repeated below us: an approval serves once, so a second one would be refused for the first one's success.
    """
    dropped = {words.JUSTIFICATION_HEADER, "content-length", "content-type", "transfer-encoding"}
    headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
    if row.asked.content_type:
        headers["content-type"] = row.asked.content_type
    content = request.content if row.asked.body is None else row.asked.body
    headers[words.CODE_HEADER] = row.code
    extensions = {name: value for name, value in request.extensions.items() if name != "retry"}
    extensions[REPEATABLE] = False
    # None where there was none: an empty body would be announced as one
    return httpx.Request(request.method, request.url, headers=headers, content=content or None, extensions=extensions)


def _operation(asked: AskedRequest) -> str:
    purpose = purpose_of_write()
    return purpose.operation if purpose else asked.method.lower()
