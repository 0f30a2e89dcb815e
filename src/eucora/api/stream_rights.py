"""Whether who was let into a stream may still be told what it tells."""

from fastapi import Request

from eucora.api.event_stream import Streams
from eucora.api.handlers import problem_of
from eucora.api.house import house_of
from eucora.api.problems import Refused
from eucora.api.routes import admitted_again
from eucora.domain.errors import DomainError
from eucora.domain.people import Person


class StandingRights:
    """The caller of one request that stays open, judged again and again as if he asked anew.

    What he may is decided by the log (the token was revoked, the mapping replaced, a session closed), by time and by
    the provider's keys. So while the log stands still only the latter two are looked at, which costs no query.
    """

    def __init__(self, request: Request, streams: Streams) -> None:
        self._request, self._streams, self._house = request, streams, house_of(request)
        self._person: Person | None = None
        self._head: int | None = None
        self._settled = False

    async def hold(self, *, sending: bool) -> None:
        """Return when he may go on. Raises Refused: with what a new request would be told."""
        head = None if self._streams.reached is None else self._streams.reached.log
        if self._settled and not sending and head == self._head and await self._in_time():
            return
        try:
            person = await admitted_again(self._request)
        except DomainError as lost:
            raise Refused(problem_of(lost)) from lost
        # The mapping that he was judged by may be a second old. So one judgement after the log moved is not the last:
        # the next in silence is, seconds later.
        self._settled = not sending and head is not None and head == self._head
        self._person, self._head = person, head

    async def _in_time(self) -> bool:
        """Whether nothing that he holds has ended since. Raises Refused when a token of the provider has."""
        person = self._person
        if person is None or person.lent:  # a break-glass session ends at a time that only its stream knows
            return False
        now = self._house.deps.world.clock.now()
        ends = [end for _, end in person.ends]
        if person.until is not None:
            ends.append(person.until)
        if any(end <= now for end in ends):
            return False
        if not person.credential:
            await self._house.authenticator.still_believed(self._request.headers.get("authorization"))
        return True
