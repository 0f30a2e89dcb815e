"""Which rings need CAB, with how many votes: by score in mode ``risk_threshold``, by trust in ``trust_maturity``."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from eucora.domain.governance_types import GOVERNANCE_1_0, GovernanceMode, GovernancePolicy, StandardChange
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, ApprovalRoute, BlastRadiusClass, RiskAssessment

STANDARD: Final = "standard"  # the kind of change that a policy may approve beforehand


def route(
    profile: ApplicationProfile,
    risk: RiskAssessment,
    policy: GovernancePolicy = GOVERNANCE_1_0,
    *,
    maturity: int = 0,
    change_kind: str = "normal",
    crosses: str | None = None,
    not_in_force: Sequence[str] = (),
    precedents: Sequence[str] = (),
) -> ApprovalRoute:
    """The first ring that needs CAB (None: automated approval suffices), the quorum, and every rule that applied.

    ``maturity``: the level that the installation holds, 0..4; looked at in mode ``trust_maturity`` only.
    ``change_kind``: standard, normal or emergency. A standard change that the policy lists needs no CAB, unless its
    class or privileged tooling always does; emergency changes nothing here, since CAB decides it by other clocks.
    ``crosses``: the target in words, where it lies outside the application's scope; ``not_in_force``: which versions
    were named instead of those in force, a clause each; ``precedents``: what was decided about the release before, a
    clause each. All of them ask for CAB whatever the score and the kind of change.

    Raises:
        KeyError: the policy has no line for the class.
        ValueError: the policy has no threshold for the maturity level.
    """
    rules = list(_asking_for_cab(profile, risk, policy, maturity))
    reasons = [reason for _, reason in rules] or [_automated(risk, policy, maturity)]
    from_ring = min((ring for ring, _ in rules), default=None)
    if change_kind == STANDARD:
        listed, told = _standard(profile, risk, policy)
        if listed is not None:
            from_ring, reasons = None, []
        reasons.append(told)
    if beyond := list(_beyond_the_policy(policy, crosses, (*not_in_force, *precedents))):
        reasons = [*(reasons if from_ring is not None else ()), *(reason for _, reason in beyond)]
        from_ring = min([ring for ring, _ in beyond] + ([] if from_ring is None else [from_ring]))
    return ApprovalRoute(
        cab_from_ring=None if from_ring is None else int(from_ring),
        quorum=policy.quorum_of(risk.blast_radius_class),
        reasons=tuple(reasons),
        per_ring=policy.approval_per_ring and from_ring is not None,
        mode=policy.mode.value,
    )


def _beyond_the_policy(
    policy: GovernancePolicy, crosses: str | None, clauses: Sequence[str]
) -> Iterator[tuple[Ring, str]]:
    """What CAB has to see although the policy itself would not ask it.

    Whoever names another version than the one in force picks what he is judged by, and so its own ring for CAB, too;
    what CAB said of a release, nobody but CAB unsays.
    """
    always = policy.cab_from_always
    if crosses is not None:
        yield always, f"the target {crosses} crosses the application's boundary: CAB from ring {always:d} on"
    earliest = min(always, Ring.CANARY)
    for clause in clauses:
        yield earliest, f"{clause}: CAB from ring {earliest:d} on"


def trusted_up_to(policy: GovernancePolicy, radius: BlastRadiusClass, maturity: int) -> Decimal | None:
    """The highest score of the class that the level lets through without CAB; None: none at all.

    A threshold of 0 lets nothing through either: everything starts with CAB, and automation is earned.

    Raises:
        KeyError: the policy has no line for the class.
        ValueError: it has no threshold for the level.
    """
    thresholds = dict(policy.auto_approve)[radius]
    if thresholds is None:
        return None
    if not 0 <= maturity < len(thresholds):
        raise ValueError(f"governance policy {policy.version} has no threshold for maturity level {maturity}")
    return thresholds[maturity] or None


def _asking_for_cab(
    profile: ApplicationProfile, risk: RiskAssessment, policy: GovernancePolicy, maturity: int
) -> Iterator[tuple[Ring, str]]:
    """Every rule that asks for CAB: from which ring on, and in words."""
    by_score, always = policy.cab_from_by_score, policy.cab_from_always
    by_trust = policy.mode is GovernanceMode.TRUST_MATURITY
    if not by_trust and risk.score > policy.score_max:
        yield by_score, f"risk score {risk.score} is above {policy.score_max}: CAB from ring {by_score:d} on"
    if profile.privileged_tooling:
        yield always, f"privileged tooling: CAB from ring {always:d} on, whatever the score"
    if by_trust:
        if (reason := _not_trusted(risk, policy, maturity)) is not None:
            yield always, f"{reason}: CAB from ring {always:d} on"
    elif risk.blast_radius_class in policy.always:
        yield always, f"{_class(risk)}: CAB from ring {always:d} on, whatever the score"


def _not_trusted(risk: RiskAssessment, policy: GovernancePolicy, maturity: int) -> str | None:
    trusted = trusted_up_to(policy, risk.blast_radius_class, maturity)
    if trusted is None:
        return f"{_class(risk)} is not automated at trust maturity {maturity}, whatever the score"
    if risk.score > trusted:
        return (
            f"risk score {risk.score} is above {trusted}, up to which trust maturity {maturity} covers {_class(risk)}"
        )
    return None


def _automated(risk: RiskAssessment, policy: GovernancePolicy, maturity: int) -> str:
    if policy.mode is GovernanceMode.TRUST_MATURITY:
        trusted = trusted_up_to(policy, risk.blast_radius_class, maturity)
        covers = f"{trusted}, up to which trust maturity {maturity} covers {_class(risk)}"
        return f"risk score {risk.score} is not above {covers}, no privileged tooling: automated approval"
    return (
        f"risk score {risk.score} is not above {policy.score_max}, no privileged tooling, {_class(risk)}: "
        "automated approval"
    )


def _standard(
    profile: ApplicationProfile, risk: RiskAssessment, policy: GovernancePolicy
) -> tuple[StandardChange | None, str]:
    """The line of the policy that approved this change beforehand, or None; and why, or why not."""
    if profile.privileged_tooling:
        return None, "asked for as a standard change, which privileged tooling never is"
    if risk.blast_radius_class in policy.always or dict(policy.auto_approve)[risk.blast_radius_class] is None:
        return None, f"asked for as a standard change, which {_class(risk)} never is"
    lines = [line for line in policy.standard_changes if line.application_id == profile.application_id]
    if not lines:
        return None, f"asked for as a standard change, and governance policy {policy.version} lists none for it"
    line = max(lines, key=lambda line: line.score_max)
    if risk.score > line.score_max:
        return None, f"asked for as a standard change, which it is up to a score of {line.score_max} only"
    return line, (
        f"standard change: governance policy {policy.version} approved releases of {profile.application_id} up to a "
        f"score of {line.score_max} beforehand ({line.reason}), and this one has {risk.score}"
    )


def _class(risk: RiskAssessment) -> str:
    return f"blast-radius class {risk.blast_radius_class} ({risk.class_reason})"
