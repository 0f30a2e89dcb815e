"""Risk score of a release: a model is data, this file interprets it. The same inputs always give the same score."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Final

from eucora.domain.blast_radius import classify
from eucora.domain.findings import Signature
from eucora.domain.risk_factors import COMPUTED, DECLARED, MODEL_1_0, RiskModel
from eucora.domain.risk_types import (
    ApplicationProfile,
    DeclaredRisk,
    FindingCounts,
    History,
    Provenance,
    RiskAssessment,
    RiskFactor,
)
from eucora.domain.statistics import ARITHMETIC, percent_of, reaches

__all__ = ["MODEL_1_0", "RiskModel", "assess"]

_ONE_DECIMAL: Final = Decimal("0.1")


def assess(
    profile: ApplicationProfile,
    declared: DeclaredRisk,
    signatures: Sequence[Signature],
    findings: FindingCounts,
    history: History,
    devices: int,
    critical: bool,
    model: RiskModel = MODEL_1_0,
) -> RiskAssessment:
    """The score (0..100, one decimal, half up) with every factor that made it, and the blast-radius class.

    ``signatures``: one for each platform's artifact. ``devices``: over all rings and planes. ``critical``: the plan
    holds critical devices. ``blocked`` is set by a critical vulnerability without an approved exception.

    Raises:
        ValueError: a negative count, or more failed than finished devices in the history.
        KeyError: the model has no factor or no line for a case.
    """
    counted = (findings.critical, findings.high, findings.medium, findings.low, findings.unknown, findings.excepted)
    if min(devices, *counted) < 0 or not 0 <= history.devices_failed <= history.devices_finished:
        raise ValueError("devices, findings and history must be counts")
    factors = (
        _declared(model, "privilege_impact", declared.privilege),
        _supply_chain_trust(model, declared, signatures),
        _declared(model, "exploitability", declared.exploitability),
        _declared(model, "data_access", declared.data_access),
        _sbom_vulnerability(model, findings),
        _blast_radius(model, devices, critical),
        _declared(model, "operational_complexity", declared.operational_complexity),
        _history(model, history),
    )
    radius, reason = classify(profile, declared)
    return RiskAssessment(
        model=model.version,
        score=_score(factors),
        factors=factors,
        blast_radius_class=radius,
        class_reason=reason,
        blocked=findings.critical > findings.excepted,
    )


def _score(factors: Sequence[RiskFactor]) -> Decimal:
    with localcontext(ARITHMETIC):
        total = sum((factor.contribution for factor in factors), start=Decimal(0))
        return min(Decimal(100), max(Decimal(0), total)).quantize(_ONE_DECIMAL, rounding=ROUND_HALF_UP)


def _declared(model: RiskModel, name: str, case: str) -> RiskFactor:
    return _rated(model, name, case, provenance=DECLARED)


def _rated(
    model: RiskModel, name: str, case: str, *, provenance: str, seen: str = "", times: Decimal | None = None
) -> RiskFactor:
    """The factor by the model's line for ``case``; ``seen`` is what was counted, ``times`` raises the value up to 1."""
    factor = model.factor(name)
    line = factor.of(case)
    with localcontext(ARITHMETIC):
        value = line.value if times is None else min(Decimal(1), line.value * times)
        contribution = value * factor.weight
    rule = f"{line.rule} ({seen})" if seen else line.rule
    return RiskFactor(name, value, factor.weight, contribution, rule, provenance)


def _supply_chain_trust(model: RiskModel, declared: DeclaredRisk, signatures: Sequence[Signature]) -> RiskFactor:
    """Shown as declared: the signatures are read from the artifacts, but vendor and provenance are somebody's word."""
    signed = bool(signatures) and all(signature is Signature.PRESENT for signature in signatures)
    if not signed:
        case = "unsigned_uncertain" if declared.provenance is Provenance.UNCERTAIN else "unsigned"
    elif not declared.vendor_known or declared.provenance is Provenance.UNCERTAIN:
        case = "signed_unknown"
    else:
        case = f"signed_known_{declared.provenance}"
    return _rated(model, "supply_chain_trust", case, provenance=DECLARED, seen=_signatures_seen(signatures))


def _signatures_seen(signatures: Sequence[Signature]) -> str:
    found = set(signatures)
    if not found:
        return "no artifact tells about a signature, which counts as unsigned"
    if Signature.INVALID in found:
        return "an artifact carries a signature over other bytes, which counts as unsigned"
    if Signature.SELF_SIGNED in found:
        return "an artifact is signed by itself only, which counts as unsigned"
    if found == {Signature.PRESENT}:
        return "every artifact carries a signature"
    if found == {Signature.ABSENT}:
        return "no artifact carries a signature"
    if Signature.UNKNOWN in found:
        return "the signature of an artifact could not be read, which counts as unsigned"
    return "not every artifact carries a signature, which counts as unsigned"


def _sbom_vulnerability(model: RiskModel, findings: FindingCounts) -> RiskFactor:
    if findings.critical > findings.excepted:
        case = "critical"
    elif findings.critical:
        case = "critical_excepted"
    elif findings.high or findings.unknown:
        case = "high"  # a severity that nobody knows may be a high one, and must not lower the score
    elif findings.medium or findings.low:
        case = "low_or_medium"
    else:
        case = "none"
    seen = (
        f"{findings.critical} critical, {findings.excepted} of them excepted, {findings.high} high, "
        f"{findings.medium} medium, {findings.low} low, {findings.unknown} unknown"
    )
    return _rated(model, "sbom_vulnerability", case, provenance=COMPUTED, seen=seen)


def _blast_radius(model: RiskModel, devices: int, critical: bool) -> RiskFactor:
    case = next((case for case, devices_max in model.devices_max if devices <= devices_max), "more")
    if not critical:
        return _rated(model, "blast_radius", case, provenance=COMPUTED, seen=f"{devices:,} devices")
    seen = f"{devices:,} devices; critical devices among them, × {model.critical_devices}, at most 1"
    return _rated(model, "blast_radius", case, provenance=COMPUTED, seen=seen, times=model.critical_devices)


def _history(model: RiskModel, history: History) -> RiskFactor:
    failed, finished = history.devices_failed, history.devices_finished
    proven_below, few_below, some_max = model.failures
    if history.security_incidents:
        case = "security_incident"
    elif history.releases == 0 or finished == 0:
        case = "new"
    elif not reaches(failed, finished, proven_below) and not history.incidents:
        case = "proven"
    elif not reaches(failed, finished, few_below):
        case = "few"
    elif not _exceeds(failed, finished, some_max):
        case = "some"
    else:
        case = "many"
    seen = f"{history.releases} earlier releases, {failed} of {finished} devices failed"
    if finished:
        seen += f" ({percent_of(failed, finished)})"
    seen += f", {history.incidents} incidents, {history.security_incidents} of security"
    return _rated(model, "history", case, provenance=COMPUTED, seen=seen)


def _exceeds(part: int, whole: int, limit: Decimal) -> bool:
    with localcontext(ARITHMETIC):
        return part > limit * whole
