"""One installation with two business units, the same things in both, and a service token for every role and scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from api_rig import ADMIN, OPERATOR, PACKAGER, Rig, incident_body, intent_body

from eucora.application.ports import Context, Write
from eucora.application.service_tokens import digest_secret, make_secret
from eucora.domain import drift
from eucora.domain.drift_compare import DriftKind, Finding, Remedy
from eucora.domain.people import Grant, Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.service_token import ServiceTokenIssued

EVERYWHERE, RETAIL, LOGISTICS = Scope(), Scope("retail"), Scope("logistics")
UNITS = {"retail": Scope("retail", "emea"), "logistics": Scope("logistics", "apac")}


def asked(scope: Scope) -> dict[str, str]:
    return {"business_unit": scope.business_unit, "boundary": scope.boundary, "site": scope.site}


async def token(rig: Rig, *grants: Grant, by: str = "") -> str:
    """A token on record, by somebody who is nobody else; good for a day."""
    token_id, now = str(uuid4()), rig.clock.now()
    secret = make_secret(token_id)
    event = ServiceTokenIssued(
        token_id=token_id,
        name="cell",
        grants=grants,
        secret_sha256=digest_secret(secret),
        expires_at=now + timedelta(days=1),
        by=by or f"test|{token_id}",
        at=now,
    )
    write = Write(f"service_token-{token_id}", 0, [event])
    await rig.world.store.append([write], context=Context("test", "cells"), at=now)
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@dataclass(frozen=True)
class Unit:
    """What stands in one business unit, by the path parameter that names it."""

    scope: Scope
    ids: Mapping[str, str]


async def seeded(rig: Rig) -> dict[str, Unit]:
    """In each unit: an intent before CAB with its review, an incident, an exception, drift, a session, a window."""
    pack = await rig.made("/evidence-packs", PACKAGER, await rig.pack_body(category="vpn"))
    return {name: await _unit(rig, pack, scope) for name, scope in UNITS.items()}


async def _unit(rig: Rig, pack: str, scope: Scope) -> Unit:
    intent = await rig.made("/deployment-intents", PACKAGER, intent_body(pack, (0, 1, 2)) | {"scope": asked(scope)})
    review = await rig.made(f"/deployment-intents/{intent}/submissions", PACKAGER, {})
    incident = await rig.made("/incidents", OPERATOR, incident_body(intent_id=intent))
    exception = await rig.made("/policy-exceptions", PACKAGER, exception_body(rig, intent))
    session = await rig.made("/break-glass", OPERATOR, session_body(scope))
    window = await rig.made("/change-windows", ADMIN, window_body(scope))
    finding = f"{intent}.1"
    found = Finding(Plane.JAMF, DriftKind.WRONG_VERSION, Ring.LAB, "ring-0", "1.0", "0.9", Remedy.NONE)
    now = rig.clock.now()
    event = drift.DriftFound(finding, intent, found, drift.DriftSeverity.LOW, False, now)
    context = Context("eucora|service", "seed", intent_id=intent)
    await rig.world.store.append([Write(f"drift-{intent}", 0, [event])], context=context, at=now)
    ids = {
        "intent_id": intent,
        "review_id": review,
        "incident_id": incident,
        "exception_id": exception,
        "session_id": session,
        "window_id": window,
        "finding_id": finding,
    }
    return Unit(scope, ids)


def exception_body(rig: Rig, intent: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "kind": "vulnerability",
        "title": "zlib in Notes",
        "justification": "The vendor ships the fix next month",
        "controls": ["The listener is closed by the host firewall"],
        "owner": "idp|owner",
        "subjects": ["CVE-2026-1"],
        "expires_at": (rig.clock.now() + timedelta(days=30)).isoformat(),
    }
    return body | ({"intent_id": intent} if intent else {"application_id": "notes"})


def session_body(scope: Scope) -> dict[str, Any]:
    return {"reason_code": "incident", "text": "Nobody on call may publish", "scope": asked(scope), "duration_s": 3600}


def window_body(scope: Scope) -> dict[str, Any]:
    return {
        "effect": "deny",
        "name": "Stocktaking",
        "reason": "Nobody is there to look",
        "scope": asked(scope),
        "start": "2026-06-01T08:00:00",
        "end": "2026-06-02T08:00:00",
        "zone": "UTC",
    }
