"""A CAB review to tell stories with: people, times, and the commands about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from given import Given, given

from eucora.domain import cab_review as cab
from eucora.domain.cab_review import DECIDER, CabReview, Urgency, Vote, ineligible_persons
from eucora.domain.conditions import Condition
from eucora.domain.risk_types import BlastRadiusClass

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = NOON + timedelta(hours=1)
DUE = NOON + timedelta(hours=48)
TICK = timedelta(microseconds=1)
ANN, BEN, CLEO, DAN = "idp|ann", "idp|ben", "idp|cleo", "idp|dan"  # may vote
ROSA, PAT, ERIK, PAUL, EVE = "idp|rosa", "idp|pat", "idp|erik", "idp|paul", "idp|eve"  # have a part in the release

OPEN = cab.OpenReview(
    review_id="r-1",
    intent_id="i-1",
    binding="a" * 64,
    application="vpn-client",
    version="7.0",
    score="63.5",
    blast_radius_class=BlastRadiusClass.BUSINESS_CRITICAL,
    quorum=2,
    ineligible=ineligible_persons(ROSA, PAT, [ERIK, PAT], publishers=[PAUL], exception_requesters=[EVE]),
    urgency=Urgency.STANDARD,
    justification="",
    by=ROSA,
    at=NOON,
    grounds="d" * 64,
)
URGENT = replace(OPEN, urgency=Urgency.URGENT, justification="exploited in the wild")
EMERGENCY = replace(
    OPEN,
    change_kind=cab.EMERGENCY,
    justification="exploited in the wild",
    blast_radius_class=BlastRadiusClass.PRODUCTIVITY_TOOLS,
)
Review = Given[CabReview, cab.Command, cab.Event]


def opened(command: cab.OpenReview = OPEN) -> Review:
    return given(DECIDER).and_when(command)


def vote(
    voter: str,
    vote: Vote = Vote.APPROVE,
    *conditions: Condition,
    saw: int = 1,
    at: datetime = SOON,
    reason: str = "sound",
    **more: Any,
) -> cab.CastVote:
    return cab.CastVote(voter, vote, reason, conditions, saw, at, **more)


def lent(voter: str, whose: str, vote_: Vote = Vote.APPROVE, *, saw: int = 1, at: datetime = SOON) -> cab.CastVote:
    """``voter`` casts the vote of ``whose``."""
    return vote(voter, vote_, saw=saw, at=at, on_behalf_of=whose, delegation_id="d-1")
