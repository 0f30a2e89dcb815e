"""Risk model: a version of the rubric, proposed by one person and approved by two others, for CAB and for security.

Stream: ``risk_model-<version>``. Version 1.0 comes with the product and has a stream only once it is retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.reasons import require_reason
from eucora.domain.risk_factors import MODEL_1_0, Factor, RiskModel

WEIGHT_MAX: Final = 100
MORE: Final = "more"  # the case of the blast radius that has no upper end


class Part(StrEnum):
    """For whom somebody approves a model; the words are those of the roles."""

    CAB = "cab_approver"
    SECURITY = "security_reviewer"


@dataclass(frozen=True, slots=True)
class ProposeRiskModel:
    model: RiskModel
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApproveRiskModel:
    part: Part
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RetireRiskModel:
    version: str
    reason: str
    by: str
    at: datetime


Command = ProposeRiskModel | ApproveRiskModel | RetireRiskModel


@dataclass(frozen=True, slots=True)
class RiskModelProposed:
    model: RiskModel
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RiskModelApproved:
    """One of the two approvals that a model needs."""

    part: Part
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RiskModelActivated:
    """Both approvals are there: intents may be scored with it from now on."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RiskModelRetired:
    """No new intent is scored with it; those that were keep it."""

    reason: str
    by: str
    at: datetime


Event = RiskModelProposed | RiskModelApproved | RiskModelActivated | RiskModelRetired


class RiskModelUnknown(DomainError):
    """The stream is empty: no model was proposed under this version."""

    def __init__(self, version: str = "") -> None:
        named = f" {version}" if version else ""
        super().__init__(f"No risk model{named} was proposed under this version; propose it first.", version=version)


class RiskModelVersionTaken(DomainError):
    """A version never changes, because intents were scored with it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Risk model {version} stands with other content, and a version never changes; propose a new version.",
            version=version,
        )


class RiskModelInvalid(DomainError):
    """The model leaves a case open or contradicts itself."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Correct the risk model: {'; '.join(problems)}.", problems=list(problems))


class ProposerMayNotApproveModel(DomainError):
    """Separation of duties: a model is approved by others than its proposer."""

    def __init__(self, person: str) -> None:
        super().__init__(
            "You proposed this risk model and may not approve it; ask a CAB approver and a security reviewer.",
            person=person,
        )


class ModelApprovedByYou(DomainError):
    """The two approvals are those of two people."""

    def __init__(self, person: str, part: Part) -> None:
        super().__init__(
            f"You approved this risk model already, as {part}; the other approval has to come from another person.",
            person=person,
            part=str(part),
        )


class ModelPartApproved(DomainError):
    """Somebody else gave this approval."""

    def __init__(self, part: Part) -> None:
        super().__init__(
            f"The approval as {part} was given by somebody else; nothing is left to do for this part.", part=str(part)
        )


class RiskModelNotActive(DomainError):
    """Approvals are missing, so no intent may be scored with it."""

    def __init__(self, version: str, missing: Sequence[Part]) -> None:
        super().__init__(
            f"Risk model {version} is proposed and not active; have it approved by a {' and a '.join(missing)} first.",
            version=version,
            missing=[str(part) for part in missing],
        )


class RiskModelOutOfUse(DomainError):
    """The version was retired: it neither scores new intents nor comes back."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Risk model {version} was retired and scores no new intent; name another version, or propose one.",
            version=version,
        )


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """``approvals``: (part, person), in the order in which they came."""

    proposed: RiskModelProposed | None = None
    approvals: tuple[tuple[Part, str], ...] = ()
    active: bool = False
    retired: bool = False

    @property
    def missing(self) -> tuple[Part, ...]:
        given = {part for part, _ in self.approvals}
        return tuple(part for part in Part if part not in given)


def active_model(state: ModelVersion, version: str) -> RiskModel:
    """The model, for a new intent to be scored with.

    Raises:
        RiskModelUnknown, RiskModelNotActive, RiskModelOutOfUse: no new intent may name it.
    """
    if state.retired:
        raise RiskModelOutOfUse(version)
    if version == MODEL_1_0.version:
        return MODEL_1_0
    model = recorded_model(state, version)
    if not state.active:
        raise RiskModelNotActive(version, state.missing)
    return model


def recorded_model(state: ModelVersion, version: str) -> RiskModel:
    """The model in whatever status, to replay with it. Raises RiskModelUnknown."""
    if version == MODEL_1_0.version:
        return MODEL_1_0
    if state.proposed is None:
        raise RiskModelUnknown(version)
    return state.proposed.model


def problems_of(model: RiskModel) -> list[str]:
    """What is wrong with the model, one sentence each; empty when it may be proposed.

    Its factors and cases are those of model 1.0: they are what the facts are told apart by.
    """
    problems = [] if model.version.strip() else ["give it a version"]
    known = {factor.name: {line.case for line in factor.lines} for factor in MODEL_1_0.factors}
    names = [factor.name for factor in model.factors]
    problems += [f"factor {name} is missing" for name in known if name not in names]
    problems += [f"there is no factor {name}" for name in names if name not in known]
    problems += [f"factor {name} stands there {names.count(name)} times" for name in known if names.count(name) > 1]
    for factor in model.factors:
        problems += _problems_of_factor(factor, known.get(factor.name, set()))
    return [*problems, *_problems_of_limits(model)]


def _problems_of_factor(factor: Factor, known: set[str]) -> list[str]:
    name, cases = factor.name, [line.case for line in factor.lines]
    problems = []
    if not 1 <= factor.weight <= WEIGHT_MAX:
        problems.append(f"{name}: the weight is from 1 to {WEIGHT_MAX}, not {factor.weight}")
    problems += [f"{name}: case {case} is missing" for case in sorted(known - set(cases))]
    problems += [f"{name}: there is no case {case}" for case in sorted(set(cases) - known)]
    problems += [f"{name}: case {case} stands there twice" for case in sorted(known) if cases.count(case) > 1]
    for line in factor.lines:
        if not 0 <= line.value <= 1:
            problems.append(f"{name}, case {line.case}: the value is from 0 to 1, not {line.value}")
        if not line.rule.strip():
            problems.append(f"{name}, case {line.case}: say the rule in words")
    return problems


def _problems_of_limits(model: RiskModel) -> list[str]:
    problems = []
    expected = [case for case, _ in MODEL_1_0.devices_max]
    if [case for case, _ in model.devices_max] != expected:
        problems.append(f"devices_max has one limit for each of {', '.join(expected)}, in this order")
    limits = [devices for _, devices in model.devices_max]
    if any(low >= high for low, high in zip([-1, *limits], limits, strict=False)):
        problems.append(f"devices_max is 0 or more and ascends, not {', '.join(map(str, limits))}")
    if model.critical_devices < 1:
        problems.append(f"critical_devices is at least 1, or critical devices would lower it: {model.critical_devices}")
    proven, few, some = model.failures
    if not 0 < proven < few < some < 1:
        problems.append(f"failures are shares between 0 and 1 and ascend, not {proven}, {few}, {some}")
    return problems


def decide(state: ModelVersion, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        RiskModelInvalid, RiskModelVersionTaken, ReasonMissing: about a proposal or a retirement.
        RiskModelUnknown, RiskModelOutOfUse, ProposerMayNotApproveModel, ModelApprovedByYou, ModelPartApproved: about an
        approval.
    """
    match command:
        case ProposeRiskModel(model=model, reason=reason, by=by, at=at):
            if state.proposed is not None and state.proposed.model == model:
                return []
            if state.proposed is not None or model.version == MODEL_1_0.version:
                raise RiskModelVersionTaken(model.version)
            if problems := problems_of(model):
                raise RiskModelInvalid(problems)
            return [RiskModelProposed(model, require_reason(reason, "a new risk model"), by, at)]
        case ApproveRiskModel():
            return _approve(state, command)
        case RetireRiskModel(version=version, reason=reason, by=by, at=at):
            if state.retired:
                return []
            recorded_model(state, version)
            return [RiskModelRetired(require_reason(reason, "the retirement of a risk model"), by, at)]


def _approve(state: ModelVersion, command: ApproveRiskModel) -> Sequence[Event]:
    part, by, at = command.part, command.by, command.at
    if state.proposed is None:
        raise RiskModelUnknown
    if (part, by) in state.approvals:
        return []
    if state.retired:
        raise RiskModelOutOfUse(state.proposed.model.version)
    if state.proposed.by == by:
        raise ProposerMayNotApproveModel(by)
    for given, person in state.approvals:
        if person == by:
            raise ModelApprovedByYou(by, given)
        if given is part:
            raise ModelPartApproved(part)
    approved = RiskModelApproved(part, by, at)
    return [approved, RiskModelActivated(at)] if state.missing == (part,) else [approved]


def evolve(state: ModelVersion, event: Event) -> ModelVersion:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case RiskModelProposed():
            return replace(state, proposed=event)
        case RiskModelApproved(part=part, by=by):
            return replace(state, approvals=(*state.approvals, (part, by)))
        case RiskModelActivated():
            return replace(state, active=True)
        case RiskModelRetired():
            return replace(state, retired=True)


DECIDER: Final[Decider[ModelVersion, Command, Event]] = Decider(
    noun="risk_model", initial=ModelVersion(), decide=decide, evolve=evolve
)
