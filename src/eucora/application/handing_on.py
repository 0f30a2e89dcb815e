"""What service tokens and workload trusts rest on: the token with which they were made. They are void with it.

Who makes something with a token reads that token's stream and appends only while it stands as it was read; who shows
what was made has it read again, at each call. Nothing is made with what was itself made with a token, so both end after
one more stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.application.execute import folded, load
from eucora.application.ports import EventStore, History
from eucora.domain import service_token, workload_trust
from eucora.domain.people import Person
from eucora.domain.service_token import ServiceToken
from eucora.domain.workload_trust import WorkloadTrustMade

_OURS: Final = "eucora|"


def credential_of(token_id: str) -> str:
    """How the log names who acts by a token, see :class:`eucora.domain.people.Person`."""
    return f"{_OURS}{token_id}"


@dataclass(frozen=True, slots=True)
class Shown:
    """The token that a caller asks with, None for who signed in; and ``read``, the streams that say so."""

    token: ServiceToken | None
    read: Sequence[History]


async def shown_by(store: EventStore, person: Person) -> Shown:
    """The token that the person asks with, as it stands now."""
    if not person.credential:
        return Shown(None, ())
    history = await store.read(service_token.DECIDER.stream(person.credential.removeprefix(_OURS)))
    return Shown(folded(service_token.DECIDER, history), (history,))


@dataclass(frozen=True, slots=True)
class Standing:
    """``trust`` None: there is none, or it or what it was made with is over. ``read``: the streams that say so."""

    trust: WorkloadTrustMade | None
    read: Sequence[History]


async def standing_trust(store: EventStore, trust_id: str, at: datetime) -> Standing:
    """The trust, as long as it stands at ``at``."""
    history = await store.read(workload_trust.DECIDER.stream(trust_id))
    made = folded(workload_trust.DECIDER, history).standing(at)
    if made is None or not made.made_with:
        return Standing(made, (history,))
    parent = await store.read(service_token.DECIDER.stream(made.made_with))
    return Standing(made if folded(service_token.DECIDER, parent).valid(at) else None, (history, parent))


async def void_by(store: EventStore, *, issued_with: str, trust_id: str, at: datetime) -> str:
    """Why a token that is neither revoked nor over is void all the same; empty: it is not.

    ``issued_with``, ``trust_id``: as in its ``ServiceTokenIssued``. A token with neither costs no reading.
    """
    if issued_with and not (await load(store, service_token.DECIDER, issued_with)).valid(at):
        return "the token with which this one was issued was revoked or is over"
    if trust_id and (await standing_trust(store, trust_id, at)).trust is None:
        return "the trust under which the token was exchanged, or what that was made with, was revoked or is over"
    return ""
