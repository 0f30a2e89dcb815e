"""Who may do what, where: every route × role × scope × what stands there, asserted cell by cell.

The routes are the app's own. What is expected of them is declared once, below: a route that is not there fails.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from access_world import EVERYWHERE, LOGISTICS, RETAIL, Unit, bearer, seeded, token
from api_rig import NOBODY, OPERATOR, Rig

from eucora.api.app import ROUTERS
from eucora.api.problems import BASE
from eucora.api.routes import GuardedRoute
from eucora.application.service_tokens import make_secret
from eucora.domain.people import Grant, Role, Scope

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

LETTERS: Final = dict(
    zip("APUCSOXB", Role, strict=True)
)  # Admin, Packager, pUblisher, Cab, Security, Operator, auditor
ALL: Final = "APUCSOXB"
NO_ROLE, PUBLIC = "-", ""
# Where: "all" needs the role for the whole installation, "any" in some scope, "in" in one that covers what is named.
DECLARED: Final = {
    "register_artifact": ("P", "any"),
    "list_artifacts": (ALL, "any"),
    "get_artifact": (ALL, "any"),
    "upload_evidence_document": ("PS", "any"),
    "assemble_evidence_pack": ("P", "any"),
    "list_evidence_packs": (ALL, "any"),
    "get_evidence_pack": (ALL, "any"),
    "list_evidence_findings": (ALL, "any"),
    "derive_evidence_pack": (ALL, "any"),
    "rescan_evidence_pack": ("PS", "all"),
    "get_evidence_content": (ALL, "any"),
    "diff_evidence_packs": (ALL, "any"),
    "propose_deployment_intent": ("P", "any"),
    "list_deployment_intents": (ALL, "any"),
    "get_deployment_intent": (ALL, "in"),
    "get_timeline": (ALL, "in"),
    "stream_timeline": (ALL, "in"),
    "list_devices": (ALL, "in"),
    "list_plane_operations": (ALL, "in"),
    "get_blockers": (ALL, "in"),
    "submit_to_cab": ("P", "in"),
    "start_rollout": ("U", "in"),
    "promote_ring": ("U", "in"),
    "pause_rollout": ("UO", "in"),
    "halt_rollout": ("UOS", "in"),
    "resume_rollout": ("U", "in"),
    "abort_rollout": ("U", "in"),
    "roll_back": ("U", "in"),
    "end_rollback": ("U", "in"),
    "rehearse_rollback": ("UP", "in"),
    "preview_rollout_plan": ("P", "any"),
    "get_rollout_plan": (ALL, "in"),
    "get_ring_board": (ALL, "any"),
    "list_cab_reviews": (ALL, "any"),
    "list_cab_queue": (ALL, "any"),
    "get_cab_review": (ALL, "in"),
    "cast_vote": ("CS", "in"),
    "withdraw_review": ("PA", "in"),
    "revoke_approval": ("C", "in"),
    "close_retrospective": ("C", "in"),
    "delegate_cab_vote": ("C", "all"),
    "list_cab_delegations": (ALL, "any"),
    "get_cab_delegation": (ALL, "any"),
    "revoke_cab_delegation": ("CSA", "all"),
    "report_incident": ("OS", "any"),
    "list_incidents": (ALL, "any"),
    "get_incident": (ALL, "in"),
    "reclassify_incident": ("OS", "in"),
    "resolve_incident": ("OS", "in"),
    "reopen_incident": ("OS", "in"),
    "add_incident_note": ("OSUC", "in"),
    "assess_blast_radius": ("OS", "in"),
    "list_drift_findings": (ALL, "any"),
    "get_drift_finding": (ALL, "in"),
    "remediate_drift": ("O", "in"),
    "accept_drift": ("O", "in"),
    "request_policy_exception": ("PU", "any"),
    "list_policy_exceptions": (ALL, "any"),
    "get_policy_exception": (ALL, "in"),
    "amend_policy_exception": ("PU", "in"),
    "decide_policy_exception": ("SC", "in"),
    "request_exception_extension": ("PU", "in"),
    "decide_exception_extension": ("SC", "in"),
    "revoke_policy_exception": ("SC", "in"),
    "request_break_glass": ("BAUSO", "any"),
    "list_break_glass": (ALL, "any"),
    "get_break_glass": (ALL, "in"),
    "list_break_glass_events": (ALL, "in"),
    "confirm_break_glass": ("BAUSO", "in"),
    "close_break_glass": ("BAUSO", "in"),
    "review_break_glass": ("SCA", "in"),
    "create_change_window": ("AC", "any"),
    "list_change_windows": (ALL, "any"),
    "get_change_window": (ALL, "any"),
    "amend_change_window": ("AC", "in"),
    "cancel_change_window": ("AC", "in"),
    "get_calendar_state": (ALL, "any"),
    "list_calendar_occurrences": (ALL, "any"),
    "export_calendar": (ALL, "any"),
    "propose_gate_policy": ("A", "all"),
    "list_gate_policies": (ALL, "any"),
    "get_gate_policy": (ALL, "any"),
    "activate_gate_policy": ("C", "all"),
    "retire_gate_policy": ("C", "all"),
    "backtest_gate_policy": (ALL, "all"),
    "propose_governance_policy": ("A", "all"),
    "list_governance_policies": (ALL, "any"),
    "get_governance_policy": (ALL, "any"),
    "activate_governance_policy": ("C", "all"),
    "retire_governance_policy": ("C", "all"),
    "propose_risk_model": ("A", "all"),
    "list_risk_models": (ALL, "any"),
    "get_risk_model": (ALL, "any"),
    "approve_risk_model": ("CS", "all"),
    "retire_risk_model": ("CS", "all"),
    "backtest_risk_model": (ALL, "all"),
    "get_trust_maturity": (ALL, "any"),
    "approve_maturity_rise": ("C", "all"),
    "decline_maturity_rise": ("C", "all"),
    "assess_release": (ALL, "any"),
    "get_calibration": (ALL, "any"),
    "propose_role_mapping": ("A", "any"),
    "list_role_mappings": (ALL, "any"),
    "get_role_mapping": (ALL, "any"),
    "activate_role_mapping": ("C", "all"),
    "retire_role_mapping": ("C", "all"),
    "issue_service_token": ("A", "all"),
    "list_service_tokens": ("AX", "all"),
    "get_service_token": ("AX", "all"),
    "revoke_service_token": ("A", "all"),
    "make_workload_trust": ("A", "all"),
    "list_workload_trusts": ("AX", "all"),
    "get_workload_trust": ("AX", "all"),
    "revoke_workload_trust": ("A", "all"),
    "exchange_token": (PUBLIC, "any"),  # its body holds the token that is asked about
    "list_events": ("XA", "all"),
    "stream_events": ("XA", "all"),
    "list_jobs": ("AOX", "all"),
    "retry_job": ("AO", "all"),
    "list_connectors": (ALL, "any"),
    "get_me": (NO_ROLE, "any"),
    "get_sign_in": (PUBLIC, "any"),
    "get_liveness": (PUBLIC, "any"),
    "get_startup": (PUBLIC, "any"),
    "get_readiness": (PUBLIC, "any"),
}
# What nobody tells apart from an id that nobody gave away.
UNKNOWN: Final = {
    "intent_id": "deployment-intent-unknown",
    "review_id": "cab-review-unknown",
    "incident_id": "incident-unknown",
    "exception_id": "policy-exception-unknown",
    "session_id": "break-glass-unknown",
    "window_id": "change-window-unknown",
    "finding_id": "drift-finding-unknown",
}
SHOWN_TO_ALL: Final = "window_id"
FILLED: Final = {"sha256": "0" * 64, "pack": "0" * 64, "other": "1" * 64, "version": "1.7", "job_id": "4711"}
ROUTES: Final = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]


@dataclass(frozen=True)
class Cell:
    """One request. ``unit``: whose things the path names; None: it names an id that nobody gave away, or nothing."""

    operation: str
    method: str
    path: str
    parameter: str
    role: Role
    held: Scope
    unit: Unit | None

    @property
    def expected(self) -> str:
        """allowed, role (403), or hidden (404)."""
        letters, where = DECLARED[self.operation]
        if letters != NO_ROLE and self.role not in {LETTERS[letter] for letter in letters}:
            return "role"
        if where == "all" and self.held != EVERYWHERE:
            return "role"
        if where != "in":
            return "allowed"
        if self.unit is None:
            return "allowed" if self.held == EVERYWHERE else "hidden"
        if self.held.covers(self.unit.scope):
            return "allowed"
        return "role" if self.parameter == SHOWN_TO_ALL else "hidden"


def named(route: GuardedRoute, unit: Unit | None) -> tuple[str, str]:
    """The path with its parameters filled, and the one that names something in a scope."""
    path, scoped = route.path, ""
    for name in route.param_convertors:
        if name in UNKNOWN:
            scoped = name
            value = unit.ids[name] if unit else f"{NOBODY}.1" if name == "finding_id" else NOBODY
        else:
            value = FILLED.get(name, NOBODY)
        path = path.replace(f"{{{name}}}", value)
    return path, scoped


def cells(units: dict[str, Unit]) -> Iterator[Cell]:
    for route in ROUTES:
        if DECLARED[route.name][0] == PUBLIC:
            continue
        (method,) = route.methods
        places = [*units.values(), None] if UNKNOWN.keys() & route.param_convertors.keys() else [None]
        for unit in places:
            path, parameter = named(route, unit)
            for role in Role:
                for held in (EVERYWHERE, RETAIL, LOGISTICS):
                    yield Cell(route.name, method, path, parameter, role, held, unit)


async def send(rig: Rig, cell: Cell, secret: str) -> Any:
    """Without a body and without an Idempotency-Key: what gets past the guard is refused for that, and writes nothing.

    A stream whose Accept is plain ends by itself.
    """
    content = b"{}" if cell.method == "POST" else None
    headers = bearer(secret) | ({"Content-Type": "application/json"} if content else {})
    params = {"ring": "0"} if cell.operation == "list_devices" else {}
    return await rig.ask(
        cell.method, cell.path, headers=headers, key="", caught_up=False, content=content, params=params
    )


def told(answer: Any) -> str:
    """What the answer says about access."""
    slug = ""
    if answer.headers.get("content-type") == "application/problem+json":
        slug = str(answer.json()["type"]).removeprefix(BASE)
    if answer.status_code == 401:
        return "nobody"
    if (answer.status_code, slug) == (403, "role-missing"):
        return "role"
    return slug


def test_every_route_is_declared_here_and_nothing_else_is() -> None:
    names = Counter(route.name for route in ROUTES)
    assert max(names.values()) == 1
    assert names.keys() == DECLARED.keys(), "declare the new route: its roles, and where they must be held"


def test_the_description_tells_the_same_roles_and_scopes() -> None:
    wheres = {"installation": "all", "target": "in", "seen": "in", "shown": "any", "anywhere": "any"}
    for route in ROUTES:
        letters, where = DECLARED[route.name]
        if letters == PUBLIC:
            assert route.permission.public
            continue
        extra = route.openapi_extra or {}
        assert (
            extra["x-roles"] == [] if letters == NO_ROLE else {*extra["x-roles"]} == {LETTERS[one] for one in letters}
        )
        if route.name == "get_change_window":
            assert extra["x-scope"] == "target"  # and shown to everybody
        else:
            assert wheres[extra["x-scope"]] == where, route.name


async def test_every_cell_of_role_route_and_scope(rig: Rig) -> None:
    units = await seeded(rig)
    held = {
        (role, scope): await token(rig, Grant(role, scope))
        for role in Role
        for scope in (EVERYWHERE, RETAIL, LOGISTICS)
    }
    await rig.runner.catch_up_all()
    before, asked, wrong = await rig.world.store.head(), Counter[str](), []
    hidden: dict[tuple[str, str, Role, Scope], set[tuple[str, ...]]] = {}
    for cell in sorted(cells(units), key=lambda one: one.expected == "allowed"):  # those that are denied first
        if cell.expected == "allowed" and not asked["allowed"]:
            assert await rig.world.store.head() == before, "something was written by who may not"
        answer = await send(rig, cell, held[cell.role, cell.held])
        asked[cell.expected] += 1
        said, secret = told(answer), UNKNOWN.get(cell.parameter, "")
        right = {
            "role": said == "role",
            "hidden": answer.status_code == 404 and said == secret,
            "allowed": said not in ("role", "nobody")
            and not (said == secret and cell.unit)
            and answer.status_code < 429,
        }[cell.expected]
        if not right:
            wrong.append(
                (cell.operation, cell.role.value, cell.held.business_unit, cell.unit, answer.status_code, said)
            )
        if cell.expected == "hidden":
            body = answer.json()
            same = tuple(str(body[name]) for name in ("type", "title", "status")) + tuple(sorted(body))
            hidden.setdefault((cell.operation, cell.parameter, cell.role, cell.held), set()).add(same)
    assert not wrong, (len(wrong), wrong[:20])
    assert all(len(answers) == 1 for answers in hidden.values()), "what is hidden can be told from what never was"
    written = await rig.world.store.read_all(before, 1_000)
    assert {one.type for one in written} <= {"audit_access.log-exported"}
    assert sum(asked.values()) > 4_000, asked
    assert min(asked.values()) > 500, asked


async def test_the_auditor_writes_nothing(rig: Rig) -> None:
    """Of the routes that write, none is his; what he may post computes and stores nothing."""
    letters = next(letter for letter, role in LETTERS.items() if role is Role.AUDITOR)
    posts = {route.name for route in ROUTES if "POST" in route.methods and letters in DECLARED[route.name][0]}
    assert posts == {"derive_evidence_pack", "backtest_gate_policy", "backtest_risk_model", "assess_release"}
    auditor = await token(rig, Grant(Role.AUDITOR))
    before = await rig.world.store.head()
    for route in ROUTES:
        if route.name in posts:
            await rig.ask("POST", named(route, None)[0], headers=bearer(auditor), json={})
    assert await rig.world.store.head() == before


async def test_nobody_and_forged_tokens_get_in_nowhere(rig: Rig) -> None:
    nobody = make_secret(NOBODY)
    asked = 0
    for number, route in enumerate(ROUTES):
        if DECLARED[route.name][0] == PUBLIC:
            continue
        (method,) = route.methods
        path, _ = named(route, None)
        # Each from an address of its own: who guesses too often is refused for that.
        transport = httpx.ASGITransport(rig.app, client=(f"192.0.2.{number}", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
            for headers in ({}, bearer(nobody), bearer(nobody[:-1]), bearer("not-a-token")):
                answer = await http.request(method, path, headers=headers)
                assert (answer.status_code, told(answer)) == (401, "nobody"), (route.name, answer.text)
                asked += 1
            if DECLARED[route.name][0] != NO_ROLE:
                lacking = bearer(rig.token(OPERATOR, groups=["staff"]))
                assert told(await http.request(method, path, headers=lacking)) == "role", route.name
                asked += 1
    assert asked > 400
    assert await rig.events() == 0


async def test_a_role_of_one_scope_and_the_sight_of_another_do_not_add_up(rig: Rig) -> None:
    """He sees everything as an auditor, and acts in logistics only."""
    units = await seeded(rig)
    before, asked = await rig.world.store.head(), 0
    for role in Role:
        if role is Role.AUDITOR:
            continue
        secret = await token(rig, Grant(Role.AUDITOR), Grant(role, LOGISTICS))
        before = await rig.world.store.head()
        for route in ROUTES:
            letters, where = DECLARED[route.name]
            wanted = {LETTERS[letter] for letter in letters if letter != NO_ROLE}
            if where != "in" or role not in wanted or Role.AUDITOR in wanted:
                continue
            if role is Role.PUBLISHER and "intent_id" in route.param_convertors:
                continue  # refused by the intent itself, and kept on record
            answers = [
                await rig.ask("POST", named(route, unit)[0], headers=bearer(secret), key="", caught_up=False, json={})
                for unit in (units["retail"], units["logistics"])
            ]
            assert [told(answer) == "role" for answer in answers] == [True, False], (route.name, role)
            asked += 1
        assert await rig.world.store.head() == before
    assert asked > 30
