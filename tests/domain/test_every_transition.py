"""Every command in every status: it leads to events, or is refused with a problem type of its own."""

import importlib
from collections.abc import Iterator
from typing import get_args

import pytest
from every_board_command import delegations, exceptions, reviews
from every_intent_command import Noun, intents
from every_other_command import change_windows, incidents, sessions

from eucora.api.refusals import REFUSALS
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.refusals import IllegalTransition
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.errors import DomainError, RefusedOnRecord

NOUNS = {
    noun.decider.noun: noun
    for noun in (intents(), reviews(), delegations(), exceptions(), incidents(), change_windows(), sessions())
}
FOLDERS = ("break_glass", "cab_review", "deployment_intent", "incident", "policy_exception")
MODULES = (
    *(f"eucora.domain.{folder}.refusals" for folder in FOLDERS),
    "eucora.domain.deployment_intent.grounds_refusals",
    "eucora.domain.deployment_intent.rollback_refusals",
    "eucora.domain.cab_delegation",
    "eucora.domain.change_window",
)
# Refused before a command is decided, by the use case that asks the stream.
BEFORE_THE_DECISION = {
    "BreakGlassNeedsPerson",
    "BreakGlassNotOpen",
    "DelegationNeedsPerson",
    "NoPreviousRelease",
    "NotAnActivator",
    "ReviewNotYours",
}
STARTED = {"rolling_out", "paused", "halted", "rolling_back", "aborted", "rolled_back", "completed"}
UNDER_WAY = {"rolling_out", "paused", "halted"}
NOT_STARTED = {"proposed", "awaiting_cab", "approved"}
# In which statuses a command means something; in every other one it is an illegal transition.
LAWFUL = {
    c.StartRollout: NOT_STARTED | STARTED,  # once it is open, asking again changes nothing
    c.PromoteRing: UNDER_WAY,
    c.PauseRollout: UNDER_WAY - {"halted"},
    c.HaltRollout: UNDER_WAY,
    c.ResumeRollout: UNDER_WAY,
    c.AbortRollout: NOT_STARTED | UNDER_WAY | {"aborted"},
    c.StartRollback: UNDER_WAY | {"aborted", "completed", "rolling_back", "rolled_back"},
    c.GiveUpRollback: {"rolling_back", "rolled_back"},
    c.RequestCabReview: NOT_STARTED | UNDER_WAY,
}


def decide(noun: Noun, status: str, command: object) -> DomainError | list[object]:
    """The refusal, or the events. Any other exception is an error of ours, and fails the test."""
    state = noun.decider.fold(noun.histories[status])
    try:
        return list(noun.decider.decide(state, command))
    except DomainError as refusal:
        return refusal


def everything(noun: Noun) -> Iterator[tuple[str, object, DomainError | list[object]]]:
    for status in noun.histories:
        for command in noun.commands:
            yield status, command, decide(noun, status, command)


@pytest.mark.parametrize("name", NOUNS)
def test_every_command_is_tried_in_every_status(name: str) -> None:
    noun = NOUNS[name]
    assert {type(command) for command in noun.commands} == set(get_args(noun.union))
    # Two histories that leave the same state would try the same thing twice.
    states = [noun.decider.fold(history) for history in noun.histories.values()]
    assert len({repr(state) for state in states}) == len(states), "two of the statuses are one"
    if name == "deployment_intent":
        assert {state.status for state in states} == set(IntentStatus)


@pytest.mark.parametrize("name", NOUNS)
def test_a_command_leads_to_events_or_to_a_refusal_that_has_a_problem_type(name: str) -> None:
    noun, seen = NOUNS[name], 0
    events = get_args(noun.events)
    for status, command, answer in everything(noun):
        seen += 1
        if isinstance(answer, list):
            assert all(isinstance(one, events) for one in answer)
            continue
        assert type(answer) in REFUSALS, f"{command} of one that is {status}: {type(answer).__name__} has no row"
        assert 400 <= REFUSALS[type(answer)].status < 500
        assert answer.message.endswith("."), "a sentence tells what to do"
        if isinstance(answer, RefusedOnRecord):
            assert isinstance(answer.record, events)
    assert seen == len(noun.histories) * len(noun.commands)


def test_no_two_refusals_share_a_problem_type() -> None:
    slugs = [row.slug for row in REFUSALS.values()]
    assert len(slugs) == len({*slugs})


def test_every_refusal_of_the_governed_streams_is_reached() -> None:
    """A refusal that nothing leads to is dead, or its way is not tried here."""
    written = {
        one.__name__
        for module in MODULES
        for one in vars(importlib.import_module(module)).values()
        if isinstance(one, type) and issubclass(one, DomainError) and one.__module__ == module
    }
    told = {type(answer).__name__ for noun in NOUNS.values() for _, _, answer in everything(noun)}
    bases = {name for name in written if name.startswith("_")}
    assert written - bases - told == BEFORE_THE_DECISION


@pytest.mark.parametrize("status", [status for status in NOUNS["deployment_intent"].histories if status != "unknown"])
@pytest.mark.parametrize("kind", LAWFUL, ids=lambda kind: kind.__name__)
def test_a_move_that_the_status_does_not_know_is_an_illegal_transition(kind: type, status: str) -> None:
    noun = NOUNS["deployment_intent"]
    lawful = noun.decider.fold(noun.histories[status]).status in LAWFUL[kind]
    answers = [decide(noun, status, command) for command in noun.commands if type(command) is kind]
    assert answers
    if lawful:
        assert not any(type(answer) is IllegalTransition for answer in answers)
    else:
        assert not any(isinstance(answer, list) and answer for answer in answers)
        assert any(isinstance(answer, DomainError) for answer in answers)
