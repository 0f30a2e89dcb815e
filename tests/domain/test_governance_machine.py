"""The whole of governance under random commands: intents, CAB, lent votes, exceptions, incidents, freezes, break-glass.

No divergence between decisions and a reference model written from the rules, and at no time an intent in a ring without
what policy asked for. ``make test-long`` takes 100,000 steps at random, ``make test`` the same 2,000 in every run.
"""

import os

import pytest
from governance_cast import HOUR, NOON
from governance_stretches import Governance
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from intents import LOW, decision, halt, in_lab, proposed, request, resume

from eucora.domain.deployment_intent.events import RolloutHalted, RolloutResumed
from eucora.domain.deployment_intent.refusals import CabMustDecide

LONG = bool(os.environ.get("EUCORA_TEST_LONG"))
EXAMPLES, STEPS, STEPS_MIN = (2_600, 50, 100_000) if LONG else (150, 50, 2_000)
REACHED = (
    "to ring 2 or further",
    "RolloutHalted",
    "RolloutPaused",
    "RolloutResumed",
    "under conditions",
    "ApprovalRevoked",
    "ApprovalGroundsChanged",
    "ExceptionApproved",
    "ExceptionExpired",
    "frozen out",
    "override used",
    "BreakGlassActivated",
    "in break-glass",
    "DeploymentCompleted",
    "RollbackStarted",
    "CabVoteRefused",
    "PublishRefused",
)


@pytest.mark.machine
@pytest.mark.timeout(3_500 if LONG else 300)
def test_governance_holds_whatever_anybody_asks_for() -> None:
    """Random commands that never get anywhere would prove nothing: the run must come past everything that matters."""
    Governance.steps = 0
    Governance.met.clear()
    run_state_machine_as_test(
        Governance,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not LONG,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Governance.steps >= STEPS_MIN
    assert not [what for what in REACHED if not Governance.met[what]]


def test_an_incident_that_comes_back_after_cab_decided_is_put_before_cab_again() -> None:
    """The machine found it: what CAB decided knew nothing of the second time, and the rollout went on without it."""
    story = in_lab(proposed(LOW))
    first = story.and_when(halt("incident", "incident 1", NOON + HOUR)).and_when(request(at=NOON + 2 * HOUR))
    decided = first.and_when(decision(first, at=NOON + 3 * HOUR))
    back = halt("incident", "incident 1", NOON + 4 * HOUR)
    assert [type(event) for event in decided.when(back).events()] == [RolloutHalted]
    again = decided.and_when(back)
    again.when(resume(at=NOON + 5 * HOUR)).then_refuses(CabMustDecide)
    second = again.and_when(request("r-2", NOON + 5 * HOUR))
    allowed = second.and_when(decision(second, review="r-2", at=NOON + 6 * HOUR))
    assert isinstance(allowed.when(resume(at=NOON + 7 * HOUR)).events()[-1], RolloutResumed)
