"""Use cases of incidents: report, classify, count, note, resolve, reopen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import incident
from eucora.domain.deployment_intent.decide import DECIDER as INTENT
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.errors import DomainError
from eucora.domain.incident import AffectedDevices, Attributable, IncidentKind, IncidentSeverity
from eucora.domain.people import Role, Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.risk_types import BlastRadiusClass

WHO = (Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
NOTE_TAKERS = (*WHO, Role.PUBLISHER, Role.CAB_APPROVER)


class RolloutUnknown(DomainError):
    """An incident is about a rollout that nobody proposed."""

    def __init__(self, intent_id: str) -> None:
        super().__init__(
            f"There is no deployment intent {intent_id}; name one that exists, or none.", intent_id=intent_id
        )


class RolloutOfAnotherApplication(DomainError):
    """The rollout and the application of an incident are not of one piece."""

    def __init__(self, intent_id: str, application_id: str, named: str) -> None:
        super().__init__(
            f"Deployment intent {intent_id} rolls out {application_id}, not {named}; correct one of them.",
            intent_id=intent_id,
            application_id=application_id,
        )


class ApplicationUnknown(DomainError):
    """An incident names no rollout, and no application that was ever brought here: it would stop nothing."""

    def __init__(self, application_id: str, known: Sequence[str]) -> None:
        folded = {one.casefold(): one for one in known}
        close = get_close_matches(application_id.casefold(), folded, 1)
        nearest = folded[close[0]] if close else ""
        name = "Name the application, or the rollout that is suspected"
        wrong = f"No evidence pack or rollout names the application {application_id[:80]!r}" if application_id else name
        hint = f"; did you mean {nearest}?" if nearest else "; give the id of one that was deployed from here."
        super().__init__(f"{wrong}{hint}", application_id=application_id, nearest=nearest)


class DevicesUncounted(DomainError):
    """Nobody says how many devices are hit, and there is no rollout to count them from."""

    def __init__(self) -> None:
        super().__init__("Say how many devices are affected, or name the rollout whose devices are to be counted.")


@dataclass(frozen=True, slots=True)
class IncidentRequest:
    """What went wrong; ``intent_id`` is empty when no rollout is suspected.

    ``affected_devices`` None: as many as have the release by the rollout that is named. ``devices`` by plane and site
    class are counted there as well, unless they are given.
    """

    intent_id: str
    application_id: str
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int | None
    description: str
    app_version: str = ""
    devices: tuple[AffectedDevices, ...] = ()


async def report_incident(world: World, caller: Caller, request: IncidentRequest) -> Receipt:
    """Put an incident on record.

    P1, or a security incident that the release caused, halts every rollout of the release; P2 pauses them. What the
    release may hit is counted now: its class from the risk assessment, its devices from the installs.

    Raises:
        RoleMissing, RolloutUnknown, RolloutOfAnotherApplication, ApplicationUnknown, DevicesUncounted, and what the
        decider refuses.
    """
    require(caller.person, "report_incident", *WHO)
    now, incident_id = world.clock.now(), str(world.ids.new())
    radius, version, devices = None, request.app_version, request.devices
    if request.intent_id:
        state = await load(world.store, INTENT, request.intent_id)
        if state.proposed is None or not caller.person.sees(state.proposed.scope):
            raise RolloutUnknown(request.intent_id)
        require(caller.person, "report_incident", *WHO, scope=state.proposed.scope)
        application = state.proposed.release.application
        if application.application_id != request.application_id:
            raise RolloutOfAnotherApplication(request.intent_id, application.application_id, request.application_id)
        radius, version = state.proposed.risk.blast_radius_class, application.version
        devices = devices or await installed(world, state, now)
    else:
        require(caller.person, "report_incident", *WHO, scope=Scope())  # it stops the application's rollouts everywhere
        await _require_known(world, request.application_id)
        if request.affected_devices is None and not devices:
            raise DevicesUncounted
    affected = request.affected_devices
    command = incident.ReportIncident(
        incident_id=incident_id,
        intent_id=request.intent_id,
        application_id=request.application_id,
        severity=request.severity,
        kind=request.kind,
        attributable=request.attributable,
        affected_devices=sum(one.devices for one in devices) if affected is None else affected,
        description=request.description,
        by=caller.person.id,
        at=now,
        app_version=version,
        blast_radius_class=radius,
        devices=devices,
    )
    return await _run(world, caller, incident_id, command, now, request.intent_id)


async def _require_known(world: World, application_id: str) -> None:
    """An incident about an application that is spelt wrong would be on record and halt nobody."""
    known = await world.facts.applications()
    if application_id not in known:
        raise ApplicationUnknown(application_id, known)


async def installed(world: World, state: DeploymentIntent, now: datetime) -> tuple[AffectedDevices, ...]:
    """The devices of a rollout, over all its rings, that report the release as installed; no line for none."""
    if state.proposed is None:
        return ()
    found: Counter[tuple[Plane, SiteClass]] = Counter()
    for ring, progress in sorted(state.rings.items()):
        started: Mapping[Plane, datetime] = progress.measured_from
        if not started:
            continue
        measured = await world.devices.measure(
            state.proposed.intent_id,
            ring,
            started_at=started,
            now=now,
            reachable_within_s=state.proposed.policy.reachable_within_s,
        )
        for count in measured.counts:
            found[count.plane, count.site_class] += count.installed
    return tuple(AffectedDevices(*where, devices) for where, devices in sorted(found.items()) if devices)


async def reclassify_incident(
    world: World,
    caller: Caller,
    incident_id: str,
    *,
    severity: IncidentSeverity,
    kind: IncidentKind,
    attributable: Attributable,
    reason: str,
) -> Receipt:
    """Say anew how bad it is, what kind, and whether the release did it. Security incidents: a security reviewer."""
    now = world.clock.now()
    known = await load(world.store, incident.DECIDER, incident_id)
    security = IncidentKind.SECURITY in (kind, known.kind)
    roles = (Role.SECURITY_REVIEWER,) if security else WHO
    require(caller.person, "reclassify_incident", *roles)
    command = incident.ReclassifyIncident(severity, kind, attributable, reason, caller.person.id, now)
    return await _run(world, caller, incident_id, command, now)


async def assess_blast_radius(
    world: World,
    caller: Caller,
    incident_id: str,
    *,
    devices: tuple[AffectedDevices, ...] | None = None,
    blast_radius_class: BlastRadiusClass | None = None,
) -> Receipt:
    """Say anew who is hit; ``devices`` None: counted from the installs of the rollout. Raises DevicesUncounted."""
    require(caller.person, "assess_blast_radius", *WHO)
    now = world.clock.now()
    if devices is None:
        reported = (await load(world.store, incident.DECIDER, incident_id)).reported
        if reported is not None and not reported.intent_id:
            raise DevicesUncounted
        intent_id = "" if reported is None else reported.intent_id
        devices = await installed(world, await load(world.store, INTENT, intent_id), now)
    command = incident.AssessBlastRadius(devices, blast_radius_class, caller.person.id, now)
    return await _run(world, caller, incident_id, command, now)


async def add_note(world: World, caller: Caller, incident_id: str, text: str) -> Receipt:
    """Add to the communication log; also after the resolution."""
    require(caller.person, "add_incident_note", *NOTE_TAKERS)
    now = world.clock.now()
    return await _run(world, caller, incident_id, incident.AddIncidentNote(text, caller.person.id, now), now)


async def resolve_incident(
    world: World, caller: Caller, incident_id: str, root_cause: str, corrective_action: str = ""
) -> Receipt:
    """Close an incident with its root cause."""
    require(caller.person, "resolve_incident", *WHO)
    now = world.clock.now()
    command = incident.ResolveIncident(root_cause, caller.person.id, now, corrective_action)
    return await _run(world, caller, incident_id, command, now)


async def reopen_incident(world: World, caller: Caller, incident_id: str, reason: str) -> Receipt:
    """Open a resolved incident again; it stops the rollouts of its release as on the first day."""
    require(caller.person, "reopen_incident", *WHO)
    now = world.clock.now()
    return await _run(world, caller, incident_id, incident.ReopenIncident(reason, caller.person.id, now), now)


async def _run(
    world: World, caller: Caller, incident_id: str, command: incident.Command, now: datetime, intent_id: str = ""
) -> Receipt:
    def about(state: incident.Incident) -> str:
        return intent_id or (state.reported.intent_id if state.reported else "")

    return await carry_out(world, caller, incident.DECIDER, incident_id, command, at=now, intent_id=about)
