"""Who asks too often waits: each principal has a quota, and each address a quota of refused sign-ins."""

import hashlib
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import Headers, adding, header, refuse
from eucora.api.limits import WINDOW_S, HttpLimits
from eucora.api.lines import Line, LineFull
from eucora.api.problems import Problem, Refused, Row
from eucora.api.quotas import Policy, Quotas, Standing
from eucora.api.traffic import Kind
from eucora.domain.people import Person

EXCEEDED: Final = Row(429, "quota-exceeded", "The caller asks too often")
GUESSING: Final = Row(429, "abnormal-usage-detected", "Too many sign-ins from this address were refused")
KNOWN_MAX: Final = 10_000  # credentials that were good here a moment ago
# Of what stops harm, from addresses that are barred: how many credentials are judged at once, and how many wait for it.
JUDGED_AT_ONCE: Final = 4
JUDGED_LATER: Final = 64
_UNAUTHENTICATED: Final = 401


class Throttle:
    """Quotas of principals and addresses. Urgent requests have one of their own, so that no script stops a halt."""

    def __init__(self, limits: HttpLimits, quotas: Quotas) -> None:
        self.quotas = quotas
        self._of_kind = {
            kind: Policy("urgent" if kind is Kind.URGENT else "default", limits.rate, WINDOW_S) for kind in Kind
        }
        self._guesses = Policy("refused-sign-ins", limits.guesses, WINDOW_S, of_anybody=True)
        self._known: dict[bytes, str] = {}  # whose it was
        self._judging = Line(JUDGED_AT_ONCE, JUDGED_LATER)

    def admit(self, state: MutableMapping[str, Any], actor: str) -> None:
        """Count a request of the principal; ``state`` is the request's. Raises Refused (429)."""
        policy = self._of_kind[state.get("kind", Kind.ORDINARY)]
        standing = self.quotas.take(f"{policy.name}:{actor}", policy)
        state["quota"] = standing
        if not standing.admitted:
            detail = (
                f"{policy.quota:,} requests in {policy.window_s} s are the quota; ask again in {standing.more_in_s} s."
            )
            raise Refused(Problem(EXCEEDED, detail, _violated(policy), headers=_later(standing)))

    async def judged(self, state: MutableMapping[str, Any], judge: Callable[[], Awaitable[Person]]) -> Person:
        """Who calls, by ``judge``, also from an address that is barred.

        There what stops harm is judged all the same, a few at a time: a guesser behind one address with others must
        not keep them from stopping a rollout. Who is refused is told no more than that the address is barred.

        Raises what ``judge`` raises; Refused (429): barred, and not believed or one too many.
        """
        problem = state.get("barred")
        if not isinstance(problem, Problem):
            return await judge()
        try:
            await self._judging.enter()
        except LineFull:
            raise Refused(problem) from None
        try:
            return await judge()
        except Refused as refused:
            if refused.problem.row.status == _UNAUTHENTICATED:
                raise Refused(problem) from refused
            raise
        finally:
            self._judging.leave()

    def shown_in_body(self, scope: Scope) -> None:
        """Say that the request signs in with what is in its body, before that is judged: a refusal (401) is a guess.

        Whatever its headers show: whose own token is good may guess somebody else's. Raises Refused (429): barred.
        """
        scope["state"]["shown_in_body"] = True
        if (problem := self.barred(address_of(scope), None)) is not None:
            raise Refused(problem)

    def barred(self, address: str, credential: bytes | None) -> Problem | None:
        """Why nobody is signed in from there now; None when there is no reason.

        Whoever shows what was good a moment ago is no guesser, whatever his neighbours behind one address do.
        """
        standing = self.quotas.look(f"address:{address}", self._guesses)
        if standing.admitted or credential in self._known:
            return None
        detail = f"Wait {standing.more_in_s} s, then sign in with a token that is accepted."
        return Problem(GUESSING, detail, _violated(self._guesses), headers=_later(standing))

    def refused(self, address: str, credential: bytes | None) -> None:
        """A sign-in from there was refused. What was good before has expired, which is no guess."""
        if credential not in self._known:
            self.quotas.take(f"address:{address}", self._guesses)

    def accepted(self, credential: bytes, actor: str) -> None:
        """A sign-in with it was good: it is that principal's."""
        if credential not in self._known:
            while len(self._known) >= KNOWN_MAX:
                self._known.pop(next(iter(self._known)))
            self._known[credential] = actor

    def whose(self, scope: Scope) -> str:
        """Whose request it is, as far as its head tells: of whom its credential was a moment ago, else its address's.

        Nothing is let in by this; it says only who are counted together.
        """
        return self._known.get(_credential(scope)) or address_of(scope)


class Throttling:
    """Slows down guessing before a route is asked, and tells every principal how his quota stands."""

    def __init__(self, app: ASGIApp, throttle: Throttle) -> None:
        self._app, self._throttle = app, throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"]["kind"] is Kind.HEALTH:
            await self._app(scope, receive, send)
            return
        state, address = scope["state"], address_of(scope)
        credential = _credential(scope)
        if (problem := self._throttle.barred(address, credential)) is not None and state["kind"] is not Kind.URGENT:
            await refuse(scope, send, problem, close=scope["method"] not in ("GET", "HEAD"))
            return
        state["barred"] = problem

        def more(_: Headers) -> Headers:
            standing = state.get("quota")
            if not isinstance(standing, Standing):
                return []
            policy, left = standing.policy.header.encode(), standing.header.encode()
            return [(b"ratelimit-policy", policy), (b"ratelimit", left)]

        status = 0

        async def watching(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, adding(watching, more))
        if state.get("person") is not None:
            self._throttle.accepted(credential, state["person"].actor)
        elif status == _UNAUTHENTICATED and state.get("shown_in_body"):
            self._throttle.refused(address, None)
        elif status == _UNAUTHENTICATED and credential != _NOTHING_SHOWN:  # who shows nothing guesses nothing
            self._throttle.refused(address, credential)


def _credential(scope: Scope) -> bytes:
    """What the request shows, as a digest: a list of working tokens in memory would be a prize."""
    # Spaces between the scheme and the token mean nothing, so they make no second credential of it.
    return hashlib.sha256(b" ".join(header(scope, b"authorization").split())).digest()


_NOTHING_SHOWN: Final = hashlib.sha256(b"").digest()


def address_of(scope: Scope) -> str:
    """Who is counted together: an IPv4 address, or the /64 of an IPv6 one, which one customer has as a whole."""
    client = scope.get("client")
    return _counted(client[0] if client else "")


@lru_cache(maxsize=4_096)
def _counted(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host  # a socket of this machine
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def _violated(policy: Policy) -> dict[str, Any]:
    return {"violated-policies": [policy.name]}


def _later(standing: Standing) -> dict[str, str]:
    """Never earlier than the ``t`` of RateLimit says."""
    return {"Retry-After": str(standing.more_in_s)}
