"""Use cases of the smaller nouns: incidents, gate policies, service tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from eucora.application.execute import execute, load
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import gate_policy, incident, service_token
from eucora.domain.gate_types import GatePolicy
from eucora.domain.incident import Attributable, IncidentKind, Severity
from eucora.domain.people import Grant, Role

TOKEN_PREFIX = "eucora_"  # what a leaked token is recognised by, not a secret


@dataclass(frozen=True, slots=True)
class IncidentRequest:
    """What went wrong; ``intent_id`` is empty when no rollout is suspected."""

    intent_id: str
    application_id: str
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str


async def report_incident(world: World, caller: Caller, request: IncidentRequest) -> Receipt:
    """Put an incident on record; a P1 or an attributable security incident halts its rollout, a P2 pauses it."""
    require(caller.person, "report_incident", Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
    now, incident_id = world.clock.now(), str(world.ids.new())
    command = incident.ReportIncident(
        incident_id=incident_id,
        intent_id=request.intent_id,
        application_id=request.application_id,
        severity=request.severity,
        kind=request.kind,
        attributable=request.attributable,
        affected_devices=request.affected_devices,
        description=request.description,
        by=caller.person.id,
        at=now,
    )
    return await _incident(world, caller, incident_id, command, now)


async def reclassify_incident(
    world: World,
    caller: Caller,
    incident_id: str,
    *,
    severity: Severity,
    kind: IncidentKind,
    attributable: Attributable,
    reason: str,
) -> Receipt:
    """Say anew how bad it is, what kind, and whether the release did it. Security incidents: a security reviewer."""
    now = world.clock.now()
    known = await load(world.store, incident.DECIDER, incident_id)
    security = IncidentKind.SECURITY in (kind, known.kind)
    roles = (Role.SECURITY_REVIEWER,) if security else (Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
    require(caller.person, "reclassify_incident", *roles)
    command = incident.ReclassifyIncident(severity, kind, attributable, reason, caller.person.id, now)
    return await _incident(world, caller, incident_id, command, now)


async def resolve_incident(world: World, caller: Caller, incident_id: str, root_cause: str) -> Receipt:
    """Close an incident with its root cause."""
    require(caller.person, "resolve_incident", Role.ENDPOINT_OPERATOR, Role.SECURITY_REVIEWER)
    now = world.clock.now()
    return await _incident(world, caller, incident_id, incident.ResolveIncident(root_cause, caller.person.id, now), now)


async def _incident(
    world: World, caller: Caller, incident_id: str, command: incident.Command, now: datetime
) -> Receipt:
    intent_id = command.intent_id if isinstance(command, incident.ReportIncident) else ""
    if not intent_id:
        known = (await load(world.store, incident.DECIDER, incident_id)).reported
        intent_id = known.intent_id if known else ""
    done = await execute(
        world.store, incident.DECIDER, incident_id, command,
        context=caller.context(intent_id), at=now, react=react,
        expected_version=caller.expected_version, reply=caller.reply_for(incident_id),
    )  # fmt: skip
    return Receipt(incident_id, done.version, done.position)


async def propose_gate_policy(world: World, caller: Caller, policy: GatePolicy, reason: str) -> Receipt:
    """Propose a version of the thresholds."""
    require(caller.person, "propose_gate_policy", Role.PLATFORM_ADMIN)
    now = world.clock.now()
    return await _policy(
        world, caller, policy.version, gate_policy.ProposeGatePolicy(policy, reason, caller.person.id, now), now
    )


async def activate_gate_policy(world: World, caller: Caller, version: str) -> Receipt:
    """Approve a proposed version; intents may name it from now on."""
    require(caller.person, "activate_gate_policy", Role.CAB_APPROVER)
    now = world.clock.now()
    return await _policy(world, caller, version, gate_policy.ActivateGatePolicy(caller.person.id, now), now)


async def _policy(world: World, caller: Caller, version: str, command: gate_policy.Command, now: datetime) -> Receipt:
    done = await execute(
        world.store, gate_policy.DECIDER, version, command,
        context=caller.context(), at=now, react=react, reply=caller.reply_for(version),
    )  # fmt: skip
    return Receipt(version, done.version, done.position)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new service token. ``secret`` is shown here and nowhere again."""

    receipt: Receipt
    secret: str


async def issue_token(
    world: World, caller: Caller, *, name: str, grants: tuple[Grant, ...], expires_at: datetime
) -> IssuedToken:
    """Issue a service token; nobody grants what he does not hold."""
    require(caller.person, "issue_token", Role.PLATFORM_ADMIN)
    return await issue_token_as(
        world, caller, name=name, grants=grants, expires_at=expires_at, held=caller.person.grants
    )


async def issue_token_as(
    world: World,
    caller: Caller,
    *,
    name: str,
    grants: tuple[Grant, ...],
    expires_at: datetime,
    held: tuple[Grant, ...],
) -> IssuedToken:
    """The same for a caller who needs no role: the operator at the machine's own command line."""
    now, token_id = world.clock.now(), str(world.ids.new())
    secret = make_secret()
    command = service_token.IssueToken(
        token_id=token_id,
        name=name,
        grants=grants,
        secret_sha256=digest_secret(secret),
        expires_at=expires_at,
        held=held,
        by=caller.person.id,
        at=now,
    )
    done = await execute(
        world.store, service_token.DECIDER, token_id, command, context=caller.context(), at=now, react=react
    )
    return IssuedToken(Receipt(token_id, done.version, done.position), secret)


async def revoke_token(world: World, caller: Caller, token_id: str, reason: str) -> Receipt:
    """Revoke a token; the next call that shows it is refused."""
    require(caller.person, "revoke_token", Role.PLATFORM_ADMIN)
    now = world.clock.now()
    command = service_token.RevokeToken(caller.person.id, reason, now)
    done = await execute(
        world.store, service_token.DECIDER, token_id, command,
        context=caller.context(), at=now, react=react, reply=caller.reply_for(token_id),
    )  # fmt: skip
    return Receipt(token_id, done.version, done.position)


def make_secret() -> str:
    """A new token: recognisable prefix, 32 random bytes, and a checksum that catches a mistyped or cut one offline."""
    body = secrets.token_urlsafe(32)
    return f"{TOKEN_PREFIX}{body}_{_checksum(body)}"


def well_formed(secret: str) -> bool:
    """Whether the text can be a token at all; asks no database."""
    body, _, checksum = secret.removeprefix(TOKEN_PREFIX).rpartition("_")
    return secret.startswith(TOKEN_PREFIX) and secrets.compare_digest(checksum.encode(), _checksum(body).encode())


def digest_secret(secret: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough for 256 random bits; a slow hash protects short secrets."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:8]
