"""A vote that is lent: to whom, from when until when, taken back by whom, and never further."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cab_people import ANN, BEN, CLEO, DAN, NOON, TICK
from given import Given, given

from eucora.domain import cab_delegation as d
from eucora.domain.cab_delegation import DECIDER
from eucora.domain.reasons import ReasonMissing

DAY = timedelta(days=1)
END = NOON + 14 * DAY
LEND = d.DelegateVote("d-1", ANN, BEN, NOON, END, "parental leave", NOON)
GRANTED = d.CabVoteDelegated("d-1", ANN, BEN, NOON, END, "parental leave", NOON)
BACK = d.RevokeDelegation(ANN, "back early", NOON + DAY)
Story = Given[d.CabDelegation, d.Command, d.Event]


def lent() -> Story:
    return given(DECIDER, GRANTED)


def test_a_vote_is_lent_for_a_time_with_a_reason() -> None:
    given(DECIDER).when(LEND).then(GRANTED)
    given(DECIDER).when(replace(LEND, delegate=f" {BEN} ")).then(GRANTED)
    given(DECIDER).when(replace(LEND, reason=" ")).then_refuses(ReasonMissing)
    lent().when(replace(LEND, at=NOON + TICK)).then()
    lent().when(replace(LEND, delegate=CLEO)).then_refuses(d.DelegationIdTaken)


@pytest.mark.parametrize("delegate", ["", " ", ANN])
def test_a_vote_is_lent_to_another_person(delegate: str) -> None:
    given(DECIDER).when(replace(LEND, delegate=delegate)).then_refuses(d.DelegateMissing)


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "said"),
    [
        (NOON - TICK, END, "begins in the past"),
        (NOON + 365 * DAY + TICK, NOON + 366 * DAY, "ahead"),
        (NOON + DAY, NOON + DAY, "ends before it begins"),
        (NOON + DAY, NOON, "ends before it begins"),
        (NOON + DAY, NOON + 31 * DAY + TICK, "longer than the policy allows"),
    ],
)
def test_times_that_cannot_be_are_refused_where_they_are_set(starts_at: object, ends_at: object, said: str) -> None:
    command = replace(LEND, starts_at=starts_at, ends_at=ends_at)
    assert said in given(DECIDER).when(command).then_refuses(d.DelegationTimesInvalid).message


@pytest.mark.parametrize("span", [(0, 30), (1, 31), (365, 395)])
def test_times_at_their_bounds_are_accepted(span: tuple[int, int]) -> None:
    begin, end = span
    assert given(DECIDER).when(replace(LEND, starts_at=NOON + begin * DAY, ends_at=NOON + end * DAY)).events()


def test_only_the_delegate_votes_under_it_and_only_while_it_holds() -> None:
    state = lent().state
    assert state.lends(BEN, NOON)
    assert not state.lends(ANN, NOON)
    assert not state.lends(CLEO, NOON)
    assert not state.lends(BEN, END)
    assert not lent().and_when(BACK).state.lends(BEN, NOON + DAY)
    assert not lent().and_when(d.ExpireDelegation(END)).state.lends(BEN, NOON)
    assert not DECIDER.initial.lends(BEN, NOON)


def test_it_is_ended_by_its_two_people_or_an_admin() -> None:
    lent().when(BACK).then(d.CabDelegationRevoked(ANN, "back early", NOON + DAY))
    assert lent().when(replace(BACK, by=BEN)).events()
    assert lent().when(replace(BACK, by=DAN, as_admin=True)).events()
    lent().when(replace(BACK, by=DAN)).then_refuses(d.DelegationNotYours)
    lent().when(replace(BACK, reason="")).then_refuses(ReasonMissing)
    lent().and_when(BACK).when(BACK).then()
    given(DECIDER).when(BACK).then_refuses(d.DelegationUnknown)


def test_it_expires_at_its_end_and_not_before() -> None:
    lent().when(d.ExpireDelegation(END - TICK)).then()
    lent().when(d.ExpireDelegation(END)).then(d.CabDelegationExpired(END))
    lent().and_when(d.ExpireDelegation(END)).when(d.ExpireDelegation(END)).then()
    lent().and_when(BACK).when(d.ExpireDelegation(END)).then()
    lent().and_when(d.ExpireDelegation(END)).when(replace(BACK, at=END)).then_refuses(d.DelegationOver)
    lent().when(replace(BACK, at=END)).then_refuses(d.DelegationOver)
    given(DECIDER).when(d.ExpireDelegation(END)).then_refuses(d.DelegationUnknown)


def test_a_chain_is_refused_from_both_of_its_ends() -> None:
    to_me = d.Delegated("d-2", CLEO, ANN, NOON + DAY, NOON + 2 * DAY)
    refused = given(DECIDER).when(replace(LEND, others=(to_me,))).then_refuses(d.DelegateMayNotDelegate)
    assert refused.facts == {"delegation_id": "d-2", "delegator": CLEO}
    away = d.Delegated("d-3", BEN, CLEO, NOON + DAY, NOON + 2 * DAY)
    refused_too = given(DECIDER).when(replace(LEND, others=(away,))).then_refuses(d.DelegateHasDelegated)
    assert refused_too.facts == {"delegation_id": "d-3", "delegate": BEN}
    assert to_me.in_force(NOON + DAY)
    assert not to_me.in_force(NOON + 2 * DAY)


def test_a_vote_is_lent_for_no_longer_than_it_is_held() -> None:
    given(DECIDER).when(replace(LEND, held_until=END)).then(GRANTED)
    told = given(DECIDER).when(replace(LEND, held_until=END - timedelta(seconds=1)))
    assert "the delegator's own vote" in told.then_refuses(d.DelegationTimesInvalid).message
