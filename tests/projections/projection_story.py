"""A log made by hand, and the events of a story: one release on both planes, its review, its incident."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from policy_story import POLICY_STORY
from waiver_story import DEED, WAIVER_STORY, asked_for

from eucora.application.ports import Recorded
from eucora.domain import (
    artifact,
    cab_review,
    change_window,
    drift,
    evidence_pack,
    gate_policy,
    incident,
    service_token,
    workload_trust,
)
from eucora.domain.cab_delegation import CabVoteDelegated
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.connector import CircuitClosed, CircuitOpened
from eucora.domain.deployment_intent import events as e
from eucora.domain.drift_compare import DriftKind, Finding, Remedy
from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature
from eucora.domain.gate_types import GatePolicy, GateResult, GateRun, RingRule, Verdict
from eucora.domain.people import Grant, Role, Scope
from eucora.domain.planes import Plane, Platform, SiteClass
from eucora.domain.rings import CohortCount, Counts, Measurement, Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import (
    ApplicationProfile,
    ApprovalRoute,
    BlastRadiusClass,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
    RiskAssessment,
    RiskFactor,
)

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PACKAGER, PUBLISHER, VOTER, OPERATOR = "idp|pat", "idp|pia", "idp|cora", "idp|olaf"
WINDOWS, MACOS, CONTENT, PACK, DIGEST = "a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


class Log:
    """The reading half of the event store, in memory."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []

    def add(
        self, stream: str, *events: object, intent_id: str = "", actor: str = PACKAGER, break_glass: str = ""
    ) -> int:
        """Append to a stream; the position of the last event."""
        for event in events:
            position = len(self.events)
            version = 1 + sum(known.stream == stream for known in self.events)
            self.events.append(
                Recorded(
                    position=position,
                    stream=stream,
                    version=version,
                    id=UUID(int=position),
                    type=f"{stream.partition('-')[0]}.{type(event).__name__}",
                    at=getattr(event, "at", T0),
                    event=event,
                    actor=actor,
                    correlation_id="c-1",
                    causation_id=None,
                    intent_id=intent_id,
                    break_glass=break_glass,
                )
            )
        return len(self.events) - 1

    def intent(self, intent_id: str, *events: object) -> int:
        return self.add(f"deployment_intent-{intent_id}", *events, intent_id=intent_id)

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        return self.events[after + 1 : after + 1 + limit]

    async def head(self) -> int:
        return len(self.events) - 1


def application(slug: str = "edge-tunnel", version: str = "4.2.0") -> ApplicationProfile:
    return ApplicationProfile(slug, slug.replace("-", " ").title(), version, "Acme", Category.VPN)


def plan(*planes: Plane, rings: int = 3) -> RingPlan:
    on = planes or (Plane.INTUNE, Plane.JAMF)
    return RingPlan(
        tuple(
            RingSpec(Ring(ring), tuple(RingTarget(plane, f"{plane}-{ring}", 10 * 10**ring) for plane in on))
            for ring in range(rings)
        )
    )


def policy(version: str = "1.0") -> GatePolicy:
    rules = tuple(RingRule(ring, Decimal("0.95"), 60) for ring in Ring)
    return GatePolicy(version, rules, ((SiteClass.ONLINE, 86_400),))


def proposed(
    intent_id: str,
    *,
    slug: str = "edge-tunnel",
    version: str = "4.2.0",
    planes: tuple[Plane, ...] = (),
    by: str = PACKAGER,
) -> e.DeploymentIntentProposed:
    factor = RiskFactor("privilege_impact", Decimal("1.0"), 20, Decimal("20.0"), "service or elevated", "declared")
    risk = RiskAssessment(
        "1.0", Decimal("62.5"), (factor,), BlastRadiusClass.CRITICAL_INFRASTRUCTURE, "category vpn", blocked=False
    )
    artifacts = (e.ReleaseArtifact(Plane.INTUNE, WINDOWS, CONTENT), e.ReleaseArtifact(Plane.JAMF, MACOS, MACOS))
    return e.DeploymentIntentProposed(
        intent_id=intent_id,
        release=e.Release(application(slug, version), PACK, artifacts),
        ring_plan=plan(*planes),
        scope=Scope("sales"),
        change_kind=e.ChangeKind.NORMAL,
        policy=policy(),
        risk=risk,
        route=ApprovalRoute(1, 3, ("critical infrastructure",)),
        binding=e.Binding(PACK, (WINDOWS, MACOS), "f" * 64, "1.0", "1.0", DIGEST),
        packagers=(PACKAGER,),
        requested_by=by,
        at=at(0),
    )


def counts(plane: Plane, installed: int, failed: int, unknown: int = 0) -> Counts:
    targeted = installed + failed + unknown
    reached = installed + failed
    return Counts(
        plane, SiteClass.ONLINE, targeted, 0, installed, failed, 0, 0, unknown, reached, reached, compliance_p90_s=600
    )


def measured(ring: Ring, minute: int, *rows: Counts) -> e.RingMeasured:
    return e.RingMeasured(ring, Measurement(rows, (("0x87D1041C", 1),)), at(minute))


def gate_run(ring: Ring, verdict: Verdict, minute: int) -> e.GateRunCompleted:
    results = (
        GateResult("coverage", Verdict.PASSED, "1.00", "0.90", "20 of 20 reachable devices reported"),
        GateResult("success_rate", verdict, "0.95", "0.95", "19 of 20 devices"),
    )
    return e.GateRunCompleted(GateRun(ring, at(minute), verdict, results))


def frozen(ring: Ring, plane: Plane, minute: int, devices: int = 10) -> e.CohortFrozen:
    return e.CohortFrozen(ring, plane, DIGEST, (CohortCount(plane, SiteClass.ONLINE, devices),), at(minute))


def review_opened(review_id: str, intent_id: str) -> cab_review.CabReviewOpened:
    return cab_review.CabReviewOpened(
        review_id=review_id,
        intent_id=intent_id,
        binding=DIGEST,
        application="Edge Tunnel",
        version="4.2.0",
        score="62.5",
        blast_radius_class=BlastRadiusClass.CRITICAL_INFRASTRUCTURE,
        quorum=1,
        ineligible=(cab_review.Ineligible(PACKAGER, "requester"),),
        urgency=cab_review.Urgency.STANDARD,
        justification="",
        opened_by=PACKAGER,
        at=at(2),
        due_at=at(2 + 48 * 60),
    )


def reported(incident_id: str, intent_id: str, **changes: object) -> incident.IncidentReported:
    fields: dict[str, object] = {
        "incident_id": incident_id,
        "intent_id": intent_id,
        "application_id": "edge-tunnel",
        "severity": incident.IncidentSeverity.P1,
        "kind": incident.IncidentKind.STABILITY,
        "attributable": incident.Attributable.UNKNOWN,
        "affected_devices": 12,
        "description": "tunnel drops",
        "by": OPERATOR,
        "at": at(40),
    }
    return incident.IncidentReported(**fields | changes)  # type: ignore[arg-type]  # the fields are named above


def registered() -> artifact.ArtifactRegistered:
    facts = ArtifactFacts(ArtifactFormat.EXE, Signature.PRESENT, "x64")
    return artifact.ArtifactRegistered(
        WINDOWS, 1_000, "tunnel.exe", Platform.WINDOWS, facts, CONTENT, 1_200, "tunnel.intunewin", PACKAGER, at(-20)
    )


def assembled(pack: str = PACK, missing: tuple[str, ...] = ()) -> evidence_pack.EvidencePackAssembled:
    declared = DeclaredRisk(
        PrivilegeImpact.SERVICE_OR_ELEVATED,
        vendor_known=True,
        provenance=Provenance.CONSISTENT,
        exploitability=Exploitability.NONE,
        data_access=DataAccess.OWN,
        operational_complexity=OperationalComplexity.SHORT,
    )
    install = evidence_pack.InstallPlan(
        Plane.INTUNE,
        WINDOWS,
        CONTENT,
        Signature.PRESENT,
        "tunnel.exe /S",
        "uninstall.exe /S",
        evidence_pack.Detection("file", "C:\\Program Files\\Tunnel", "tunnel.exe"),
        ((0, "success"),),
    )
    return evidence_pack.EvidencePackAssembled(
        pack,
        application(),
        declared,
        (install,),
        (evidence_pack.Document("sbom", "1" * 64, "CycloneDX 1.5, 201 components"),),
        FindingCounts(high=2),
        "lab, canary, pilot",
        missing,
        (PACKAGER,),
        PACKAGER,
        at(-10),
    )


def token_issued(token_id: str, secret: str) -> service_token.ServiceTokenIssued:
    grants = (Grant(Role.PUBLISHER, Scope("sales")), Grant(Role.AUDITOR))
    return service_token.ServiceTokenIssued(token_id, "pipeline", grants, secret, at(60), OPERATOR, at(0))


def trust_made(trust_id: str) -> workload_trust.WorkloadTrustMade:
    grants = (Grant(Role.PACKAGING_ENGINEER, Scope("sales")),)
    ours = (workload_trust.ClaimCondition("repository", "acme/notes"),)
    terms = workload_trust.Terms("pipeline", "https://ci.example", "eucora", ours, grants, 900)
    return workload_trust.WorkloadTrustMade(trust_id, terms, OPERATOR, at(0))


CANARY_RUN: tuple[object, ...] = (
    e.CabReviewRequested("r-1", DIGEST, PACKAGER, at(2)),
    e.RolloutStarted(PUBLISHER, at(3)),
    frozen(Ring.LAB, Plane.INTUNE, 4),
    frozen(Ring.LAB, Plane.JAMF, 4),
    e.ContentPublished(Ring.LAB, Plane.INTUNE, "app-1", "1", CONTENT, at(5)),
    e.PlaneOperationFailed(Ring.LAB, Plane.JAMF, "publish", "transient", "503", 8, at(6)),
    e.ContentPublished(Ring.LAB, Plane.JAMF, "pkg-7", MACOS, MACOS, at(7)),
    e.GroupAssigned(Ring.LAB, Plane.INTUNE, "intune-0", "app-1", "install", at(8)),
    e.GroupAssigned(Ring.LAB, Plane.JAMF, "jamf-0", "pol-3", "install", at(9)),
    measured(Ring.LAB, 10, counts(Plane.INTUNE, 10, 0), counts(Plane.JAMF, 9, 1)),
    e.RollbackRehearsalStarted(PUBLISHER, at(11)),
    e.RollbackRehearsed(True, 19, 19, at(12)),
    gate_run(Ring.LAB, Verdict.PASSED, 13),
    e.CabApprovalRecorded("r-1", DIGEST, (Condition(ConditionKind.MAX_RING, "2"),), at(14), at(9_000)),
    e.RingPromoted(Ring.LAB, Ring.CANARY, PUBLISHER, False, at(15), ("read the runbook",)),
    frozen(Ring.CANARY, Plane.INTUNE, 16, 100),
    frozen(Ring.CANARY, Plane.JAMF, 16, 100),
    measured(Ring.CANARY, 20, counts(Plane.INTUNE, 60, 20, 20), counts(Plane.JAMF, 90, 0, 10)),
    gate_run(Ring.CANARY, Verdict.FAILED, 21),
    e.RolloutHalted(Ring.CANARY, "failure_rule", "25 % failed", e.SERVICE, at(22)),
)
ROLLED_BACK: tuple[object, ...] = (
    e.OffersWithdrawn(Plane.INTUNE, ("intune-0", "intune-1"), at(23)),
    e.RollbackStarted(PUBLISHER, "broken", at(24)),
    e.RollbackMeasured(100, 50, at(25)),
    e.RollbackCompleted(150, 0, e.SERVICE, at(26)),
)
DRIFT: tuple[object, ...] = (
    drift.DriftFound(
        "i-1.1",
        "i-1",
        Finding(Plane.JAMF, DriftKind.MISSING_ASSIGNMENT, Ring.LAB, "jamf-0", "install", "nothing", Remedy.ASSIGN),
        drift.DriftSeverity.LOW,
        True,
        at(16),
    ),
    drift.DriftRemediationRequested("i-1.1", 1, e.SERVICE, at(16), at(76)),
    drift.DriftCleared("i-1.1", at(17)),
)
VOTES: tuple[object, ...] = (
    cab_review.CabVoteRefused(PACKAGER, "requester", at(3)),
    cab_review.CabReviewReminded(at(2 + 48 * 60), 0, at(4)),
    cab_review.CabVoteCast(
        VOTER, cab_review.Vote.APPROVE, "fine to pilot", (Condition(ConditionKind.MAX_RING, "2"),), 3, at(5)
    ),
    cab_review.CabReviewDecided(
        cab_review.Outcome.APPROVED_WITH_CONDITIONS,
        (Condition(ConditionKind.MAX_RING, "2"),),
        "quorum met",
        at(14),
        at(9_000),
    ),
)


def window_set(window_id: str, **changes: Any) -> change_window.ChangeWindowCreated:
    """A freeze every weekend, from the first Friday of the story on."""
    friday, monday = datetime.fromisoformat("2026-03-06T22:00"), datetime.fromisoformat("2026-03-09T06:00")
    weekend = change_window.WindowTimes(friday, monday, "Europe/Berlin", "FREQ=WEEKLY")
    event = change_window.ChangeWindowCreated(
        window_id=window_id,
        effect=change_window.Effect.DENY,
        name="Weekend",
        reason="nobody is there",
        scope=Scope("retail"),
        applications=(),
        times=weekend,
        exempt=change_window.ALWAYS_EXEMPT,
        by=OPERATOR,
        at=at(0),
    )
    return replace(event, **changes)


OUTAGE: list[object] = [
    CircuitOpened("graph", "contoso", 5, "503 Service Unavailable", at(700)),
    CircuitClosed("graph", "contoso", at(700), at(701)),
]


def tell(log: Log) -> None:
    """The whole story: intent i-1 is reviewed, halted in canary and rolled back; i-2 of another application is new."""
    log.add(f"artifact-{WINDOWS}", registered())
    log.add(f"evidence_pack-{PACK}", assembled())
    log.add("gate_policy-1.0", gate_policy.GatePolicyProposed(policy(), "first", OPERATOR, at(-60)))
    log.add("gate_policy-1.0", gate_policy.GatePolicyActivated(VOTER, at(-50)))
    log.add("service_token-t-1", token_issued("t-1", "9" * 64))
    log.intent("i-1", proposed("i-1"))
    log.add("cab_review-r-1", review_opened("r-1", "i-1"), *VOTES, intent_id="i-1", actor=VOTER)
    log.intent("i-1", *CANARY_RUN)
    log.add("incident-n-1", reported("n-1", "i-1"), intent_id="i-1", actor=OPERATOR)
    log.add("drift-i-1", *DRIFT, intent_id="i-1", actor=e.SERVICE)
    log.intent("i-1", *ROLLED_BACK)
    log.add("change_window-w-1", window_set("w-1"), actor=OPERATOR)
    log.intent("i-2", proposed("i-2", slug="pdf-viewer", version="1.0", planes=(Plane.JAMF,), by=PUBLISHER))
    log.add("cab_delegation-d-1", CabVoteDelegated("d-1", VOTER, OPERATOR, at(0), at(600), "leave", at(0)))
    for stream, events in (*POLICY_STORY, *WAIVER_STORY):
        log.add(stream, *events)
    log.add("policy_exception-x-2", asked_for("x-2"))
    log.add("policy_exception-x-2", DEED, break_glass="b-1")
    log.add("connector-graph:contoso", *OUTAGE, actor=e.SERVICE)
    log.add("workload_trust-w-1", trust_made("w-1"))
