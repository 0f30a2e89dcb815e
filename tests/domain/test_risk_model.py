"""Risk model: a rubric that leaves nothing open, versions that never change, and two approvals by two people."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from given import given

from eucora.domain import risk_model as rm
from eucora.domain.reasons import ReasonMissing
from eucora.domain.risk_factors import MODEL_1_0, Factor, Line, RiskModel
from eucora.domain.risk_model import DECIDER, Part, active_model, problems_of, recorded_model

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MODEL = replace(MODEL_1_0, version="1.1")
PROPOSE = rm.ProposeRiskModel(MODEL, "exploitability was underrated", "idp|ada", NOON)
FOR_CAB = rm.ApproveRiskModel(Part.CAB, "idp|bo", NOON)
FOR_SECURITY = rm.ApproveRiskModel(Part.SECURITY, "idp|cy", NOON)
RETIRE = rm.RetireRiskModel("1.1", "it overrates utilities", "idp|bo", NOON)
NOTHING = given(DECIDER)
PROPOSED = NOTHING.and_when(PROPOSE)
ACTIVE = PROPOSED.and_when(FOR_CAB, FOR_SECURITY)


def test_a_model_is_proposed_with_its_reason_and_once() -> None:
    NOTHING.when(PROPOSE).then(rm.RiskModelProposed(MODEL, "exploitability was underrated", "idp|ada", NOON))
    NOTHING.when(replace(PROPOSE, reason=" ")).then_refuses(ReasonMissing)
    PROPOSED.when(PROPOSE).then()


def test_a_version_never_changes_nor_takes_the_place_of_the_products_own() -> None:
    PROPOSED.when(replace(PROPOSE, model=replace(MODEL, critical_devices=Decimal(2)))).then_refuses(
        rm.RiskModelVersionTaken
    )
    NOTHING.when(replace(PROPOSE, model=MODEL_1_0)).then_refuses(rm.RiskModelVersionTaken)


@pytest.mark.parametrize(("first", "second"), [(FOR_CAB, FOR_SECURITY), (FOR_SECURITY, FOR_CAB)])
def test_the_second_of_two_approvals_activates(first: rm.ApproveRiskModel, second: rm.ApproveRiskModel) -> None:
    PROPOSED.when(first).then(rm.RiskModelApproved(first.part, first.by, NOON))
    one = PROPOSED.and_when(first)
    assert not one.state.active
    one.when(second).then(rm.RiskModelApproved(second.part, second.by, NOON), rm.RiskModelActivated(NOON))
    both = one.and_when(second)
    both.when(first).then()
    both.when(second).then()


def test_the_approvals_are_those_of_two_people_and_neither_is_the_proposer() -> None:
    PROPOSED.when(replace(FOR_CAB, by="idp|ada")).then_refuses(rm.ProposerMayNotApproveModel)
    once = PROPOSED.and_when(FOR_CAB)
    once.when(replace(FOR_SECURITY, by="idp|bo")).then_refuses(rm.ModelApprovedByYou)
    once.when(replace(FOR_CAB, by="idp|dee")).then_refuses(rm.ModelPartApproved)
    NOTHING.when(FOR_CAB).then_refuses(rm.RiskModelUnknown)


def test_intents_are_scored_with_an_active_model_only() -> None:
    assert active_model(ACTIVE.state, "1.1") == MODEL
    with pytest.raises(rm.RiskModelNotActive, match="security_reviewer"):
        active_model(PROPOSED.and_when(FOR_CAB).state, "1.1")
    with pytest.raises(rm.RiskModelUnknown):
        active_model(NOTHING.state, "1.1")
    assert active_model(NOTHING.state, "1.0") == MODEL_1_0


def test_a_retired_model_scores_nothing_new_and_can_be_replayed() -> None:
    retired = ACTIVE.and_when(RETIRE)
    ACTIVE.when(RETIRE).then(rm.RiskModelRetired("it overrates utilities", "idp|bo", NOON))
    ACTIVE.when(replace(RETIRE, reason="")).then_refuses(ReasonMissing)
    retired.when(RETIRE).then()
    with pytest.raises(rm.RiskModelOutOfUse):
        active_model(retired.state, "1.1")
    assert recorded_model(retired.state, "1.1") == MODEL
    NOTHING.when(RETIRE).then_refuses(rm.RiskModelUnknown)


def test_a_model_that_was_retired_as_a_proposal_is_never_activated() -> None:
    withdrawn = PROPOSED.and_when(FOR_CAB, RETIRE)
    withdrawn.when(FOR_SECURITY).then_refuses(rm.RiskModelOutOfUse)


def test_the_products_own_model_can_be_retired_too() -> None:
    retired = NOTHING.and_when(replace(RETIRE, version="1.0"))
    with pytest.raises(rm.RiskModelOutOfUse):
        active_model(retired.state, "1.0")
    assert recorded_model(retired.state, "1.0") == MODEL_1_0


def with_first(**changes: object) -> RiskModel:
    return replace(MODEL, factors=(replace(MODEL.factors[0], **changes), *MODEL.factors[1:]))  # type: ignore[arg-type]


def with_value(value: str, rule: str = "made up") -> RiskModel:
    first, *lines = MODEL.factors[0].lines
    return with_first(lines=(Line(first.case, Decimal(value), rule), *lines))


LINES = MODEL.factors[0].lines


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (replace(MODEL, version=" "), "version"),
        (replace(MODEL, factors=MODEL.factors[1:]), "factor privilege_impact is missing"),
        (replace(MODEL, factors=(*MODEL.factors, Factor("luck", 5, ()))), "there is no factor luck"),
        (replace(MODEL, factors=(*MODEL.factors, MODEL.factors[0])), "stands there 2 times"),
        (with_first(weight=0), "the weight is from 1 to 100, not 0"),
        (with_first(weight=101), "the weight is from 1 to 100, not 101"),
        (with_first(lines=LINES[1:]), "case user is missing"),
        (with_first(lines=(*LINES, Line("guest", Decimal(0), "a guest"))), "there is no case guest"),
        (with_first(lines=(*LINES, LINES[0])), "case user stands there twice"),
        (with_value("-0.01"), "the value is from 0 to 1, not -0.01"),
        (with_value("1.01"), "the value is from 0 to 1, not 1.01"),
        (with_value("1", " "), "say the rule in words"),
        (replace(MODEL, devices_max=MODEL.devices_max[1:]), "devices_max has one limit"),
        (replace(MODEL, devices_max=tuple((case, 9) for case, _ in MODEL.devices_max)), "ascends"),
        (replace(MODEL, devices_max=(("tens", -1), *MODEL.devices_max[1:])), "0 or more"),
        (replace(MODEL, critical_devices=Decimal("0.99")), "critical_devices is at least 1"),
        (replace(MODEL, failures=(Decimal("0.05"), Decimal("0.05"), Decimal("0.10"))), "failures"),
        (replace(MODEL, failures=(Decimal(0), Decimal("0.05"), Decimal("0.10"))), "failures"),
        (replace(MODEL, failures=(Decimal("0.01"), Decimal("0.05"), Decimal(1))), "failures"),
    ],
)
def test_a_model_that_leaves_something_open_is_refused(bad: RiskModel, told: str) -> None:
    refusal = NOTHING.when(replace(PROPOSE, model=bad)).then_refuses(rm.RiskModelInvalid)
    assert told in refusal.message


def test_every_problem_is_listed() -> None:
    bad = replace(with_value("2"), devices_max=(), critical_devices=Decimal(0), version="")
    refusal = NOTHING.when(replace(PROPOSE, model=bad)).then_refuses(rm.RiskModelInvalid)
    assert len(refusal.facts["problems"]) == 4  # type: ignore[arg-type]  # facts are objects; this one is a list


def test_the_limits_themselves_are_allowed() -> None:
    assert problems_of(MODEL) == []
    limits = [with_first(weight=1), with_first(weight=100), with_value("0"), with_value("1")]
    assert [problems_of(one) for one in limits] == [[]] * 4
    assert problems_of(replace(MODEL, critical_devices=Decimal(1))) == []
