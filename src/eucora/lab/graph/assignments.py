"""Assignments of applications to groups: ``/assign`` replaces the whole set, as Intune does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from eucora.lab.graph.answers import Body, bad_request
from eucora.lab.graph.state import App, Offer, Tenant

_INTENTS: Final = {"available": 0, "required": 1, "uninstall": 2, "availableWithoutEnrollment": 3}
_PREFIX: Final = "#microsoft.graph."
_GROUP: Final = "groupAssignmentTarget"
_EXCLUSION: Final = "exclusionGroupAssignmentTarget"
_EVERYONE: Final = ("allDevicesAssignmentTarget", "allLicensedUsersAssignmentTarget")
_SETTINGS_TYPES: Final = {
    f"{_PREFIX}win32LobApp": f"{_PREFIX}win32LobAppAssignmentSettings",
    f"{_PREFIX}macOSLobApp": f"{_PREFIX}macOsLobAppAssignmentSettings",
}


def replace_assignments(tenant: Tenant, app: App, wanted: Sequence[Any]) -> None:
    """Make ``wanted`` the assignments of ``app``; what is not among them is gone.

    Raises:
        GraphError: 400 when the application is not published, a group does not exist, or an assignment is malformed.
    """
    _set(tenant, app, [_checked(tenant, app, body) for body in wanted])


def add_assignment(tenant: Tenant, app: App, body: Body) -> Body:
    """Add one assignment beside the others. Raises GraphError 400 as above, or when the target has one."""
    added = _checked(tenant, app, body)
    _set(tenant, app, [*app.assignments, added])
    return added


def remove_assignment(tenant: Tenant, app: App, assignment_id: str) -> None:
    """Take one assignment away; the caller has checked that it is there."""
    _set(tenant, app, [kept for kept in app.assignments if kept["id"] != assignment_id])


def close_offers(app: App, at: datetime) -> None:
    """End every offer that stands."""
    for offer in app.offers:
        offer.ends = offer.ends or at


def _checked(tenant: Tenant, app: App, body: Any) -> Body:
    now = tenant.clock.now()
    if app.publishing_state(now) != "published":
        raise bad_request(f"The application is not published yet: it is {app.publishing_state(now)}.")
    if not isinstance(body, Mapping) or not isinstance(body.get("target"), Mapping):
        raise bad_request("An assignment needs a target.")
    intent, target = body.get("intent"), dict(body["target"])
    if intent not in _INTENTS:
        raise bad_request(f"Invalid value '{intent}' for property 'intent'.")
    kind = str(target.get("@odata.type", "")).removeprefix(_PREFIX)
    if kind in (_GROUP, _EXCLUSION):
        group_id = target.get("groupId")
        if not isinstance(group_id, str) or tenant.group(group_id) is None:
            raise bad_request(f"The group '{group_id}' was not found.")
    elif kind not in _EVERYONE:
        raise bad_request(f"'{target.get('@odata.type')}' is no assignment target that this lab knows.")
    settings = body.get("settings")
    wanted = _SETTINGS_TYPES.get(app.type)
    if settings is not None and (not isinstance(settings, Mapping) or settings.get("@odata.type") != wanted):
        raise bad_request(f"Settings of this application are of type {wanted}.")
    return {
        "@odata.type": f"{_PREFIX}mobileAppAssignment",
        "id": f"{target.get('groupId', kind)}_{_INTENTS[intent]}_0",
        "intent": intent,
        "target": target,
        "settings": dict(settings) if settings is not None else None,
    }


def _set(tenant: Tenant, app: App, wanted: list[Body]) -> None:
    targets = [_target(body) for body in wanted]
    if len(set(targets)) < len(targets):
        raise bad_request("The MobileApp Assignment already exists.")
    now = tenant.clock.now()
    standing = {(offer.group, offer.intent): offer for offer in app.offers if offer.ends is None}
    kept = {_offered(body) for body in wanted}
    for key, offer in standing.items():
        if key not in kept:
            offer.ends = now
    # An offer that stood before goes on standing: writing it again gives its devices no second chance.
    app.offers += [Offer(*key, starts=now) for body in wanted if (key := _offered(body)) not in standing]
    app.assignments = wanted


def _target(body: Body) -> tuple[str, str]:
    return str(body["target"]["@odata.type"]), str(body["target"].get("groupId", ""))


def _offered(body: Body) -> tuple[str | None, str]:
    excluded = body["target"]["@odata.type"] == f"{_PREFIX}{_EXCLUSION}"
    return body["target"].get("groupId"), "exclude" if excluded else body["intent"]
