"""Classic policies, and what each has offered to whom since it was made."""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from xml.etree.ElementTree import Element

from eucora.lab.clock import Clock
from eucora.lab.fleet import OfferKind
from eucora.lab.jamf.errors import ClassicRefused
from eucora.lab.jamf.nodes import Told
from eucora.lab.jamf.shapes import Listing, ShapeError, blank, merged

UNINSTALL_SUFFIX: Final = " uninstall"
SELF_SERVICE_SUFFIX: Final = " self service"
_ROUND_SUFFIX: Final = re.compile(r" round \d+\Z")
ONCE_PER_COMPUTER: Final = "Once per computer"

NO_CATEGORY: Final = "No category assigned"

_NAMED: Final = {"id": 0, "name": ""}


def _listing(item: str) -> Listing:
    return Listing(item, _NAMED)


_GROUPS: Final = _listing("computer_group")
_COMPUTERS: Final = Listing("computer", _NAMED | {"udid": ""})
_PACKAGES: Final = Listing(
    "package", _NAMED | {"action": "Install", "fut": False, "feu": False, "update_autorun": False}, sized=True
)
_LIMITATIONS: Final = {
    "users": _listing("user"),
    "user_groups": _listing("user_group"),
    "network_segments": _listing("network_segment"),
    "ibeacons": _listing("ibeacon"),
}
# Source: schema ``policy`` of Jamf's Classic API description 11.26.0, cut to what a rollout of a package touches.
POLICY: Final[Mapping[str, Any]] = {
    "general": {
        "id": 0,
        "name": "",
        "enabled": True,
        "trigger": "USER_INITIATED",
        "trigger_checkin": False,
        "trigger_enrollment_complete": False,
        "trigger_login": False,
        "trigger_logout": False,
        "trigger_network_state_changed": False,
        "trigger_startup": False,
        "trigger_other": "",
        "frequency": ONCE_PER_COMPUTER,
        "retry_event": "none",
        "retry_attempts": -1,
        "notify_on_each_failed_retry": False,
        "location_user_only": False,
        "target_drive": "/",
        "offline": False,
        "category": {"id": -1, "name": NO_CATEGORY},
        "network_requirements": "Any",
        "site": {"id": -1, "name": "None"},
    },
    "scope": {
        "all_computers": False,
        "computers": _COMPUTERS,
        "computer_groups": _GROUPS,
        "buildings": _listing("building"),
        "departments": _listing("department"),
        "limit_to_users": {"user_groups": Listing("user_group", "")},
        "limitations": _LIMITATIONS,
        "exclusions": {
            "computers": _COMPUTERS,
            "computer_groups": _GROUPS,
            "buildings": _listing("building"),
            "departments": _listing("department"),
        }
        | _LIMITATIONS,
    },
    "self_service": {"use_for_self_service": False, "self_service_display_name": "", "self_service_description": ""},
    "package_configuration": {"packages": _PACKAGES},
    "maintenance": {"recon": False},
    "files_processes": {
        "search_by_path": "",
        "delete_file": False,
        "locate_file": "",
        "update_locate_database": False,
        "spotlight_search": "",
        "search_for_process": "",
        "kill_process": False,
        "run_command": "",
    },
}
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "frequency": frozenset(
        (
            ONCE_PER_COMPUTER,
            "Once per user per computer",
            "Once per user",
            "Once every day",
            "Once every week",
            "Once every month",
            "Ongoing",
        )
    ),
    "retry_event": frozenset(("none", "trigger", "check-in")),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """What a policy offers to whom: nothing to anybody while ``kind`` is None. Ids are Jamf's, as text.

    ``free``: it stands in Self Service, and runs when somebody at the computer starts it.
    """

    kind: OfferKind | None
    packages: tuple[str, ...] = ()
    everyone: bool = False
    computers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    not_computers: frozenset[str] = frozenset()
    not_groups: frozenset[str] = frozenset()
    free: bool = False

    def covers(self, computer_id: str, groups: frozenset[str]) -> bool:
        """Whether the computer, a member of ``groups``, is offered the policy."""
        inside = self.everyone or computer_id in self.computers or bool(groups & self.groups)
        outside = computer_id in self.not_computers or bool(groups & self.not_groups)
        return self.kind is not None and inside and not outside


NOBODY: Final = Reach(None)


@dataclass(slots=True)
class Policy:
    """A policy as last written, and its past.

    ``release`` is the key under which the fleet knows the package: the name at creation without a trailing `` round N``
    and `` uninstall`` or `` self service``, so that the policies that install a release and those that remove it (whose
    command names no package) speak of the same thing, however often. ``reaches`` holds (since, reach) in the order of
    time.
    """

    id: str
    release: str
    value: dict[str, Any]
    deleted: bool = False
    reaches: list[tuple[datetime, Reach]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.value["general"]["name"])

    @property
    def once(self) -> bool:
        return bool(self.value["general"]["frequency"] == ONCE_PER_COMPUTER)

    @property
    def package_ids(self) -> list[str]:
        """The packages that it installs."""
        packages = self.value["package_configuration"]["packages"]
        return [str(package["id"]) for package in packages if package["action"] == "Install"]

    @property
    def group_ids(self) -> frozenset[str]:
        """The groups that its scope names, to reach them or to leave them out."""
        scope = self.value["scope"]
        return _ids(scope["computer_groups"]) | _ids(scope["exclusions"]["computer_groups"])

    @property
    def kind(self) -> OfferKind | None:
        """What running it does to its release; None when it neither installs a package nor runs a removal."""
        if self.package_ids:
            return OfferKind.INSTALL
        removes = self.name.endswith(UNINSTALL_SUFFIX) and self.value["files_processes"]["run_command"]
        return OfferKind.UNINSTALL if removes else None

    def reach(self) -> Reach:
        """Whom it reaches as it is written now.

        Only the recurring check-in makes it run by itself; without one it may stand in Self Service. The lab's Macs are
        in no building, department or network segment and nobody's user group, so these never widen a scope, and a
        limitation to one empties it.
        """
        general, scope = self.value["general"], self.value["scope"]
        exclusions, kind = scope["exclusions"], self.kind
        limited = any(scope["limitations"].values()) or any(scope["limit_to_users"].values())
        runs, shown = general["trigger_checkin"], self.value["self_service"]["use_for_self_service"]
        if self.deleted or limited or kind is None or not (general["enabled"] and (runs or shown)):
            return NOBODY
        return Reach(
            kind,
            tuple(self.package_ids),
            everyone=scope["all_computers"],
            computers=_ids(scope["computers"]),
            groups=_ids(scope["computer_groups"]),
            not_computers=_ids(exclusions["computers"]),
            not_groups=_ids(exclusions["computer_groups"]),
            free=not runs,
        )


@dataclass(frozen=True, slots=True)
class References:
    """Looks up (id, name) of what a policy may name, by id and by name; None where there is no such thing."""

    package: Callable[[str, str], tuple[str, str] | None]
    group: Callable[[str, str], tuple[str, str] | None]
    computer: Callable[[str, str], tuple[str, str] | None]
    category: Callable[[str, str], tuple[str, str] | None]


class PolicyBook:
    """The policies by id. Deleted ones are kept for what devices did under them, and shown to nobody."""

    def __init__(self, clock: Clock, references: References) -> None:
        self._clock, self._references = clock, references
        self._policies: dict[str, Policy] = {}
        self._told = Told[Policy](clock)

    def __iter__(self) -> Iterator[Policy]:
        """The policies that stand, oldest first."""
        shown = [self._told.shown(policy.id, policy) for policy in self._policies.values()]
        return iter([policy for policy in shown if policy is not None and not policy.deleted])

    def ever(self) -> Iterator[Policy]:
        """Every policy that was ever made, oldest first."""
        return iter(tuple(self._policies.values()))

    def get(self, policy_id: str) -> Policy:
        """Raises ClassicRefused 404."""
        return self._one(lambda policy: policy.id == policy_id)

    def named(self, name: str) -> Policy:
        """Raises ClassicRefused 404."""
        return self._one(lambda policy: policy.name == name)

    def create(self, element: Element) -> Policy:
        """A new policy from its XML. Raises ClassicRefused 409."""
        value = self._checked(element, blank(POLICY), own_id="")
        policy_id = str(len(self._policies) + 1)
        value["general"]["id"] = int(policy_id)
        release = str(value["general"]["name"]).removesuffix(UNINSTALL_SUFFIX).removesuffix(SELF_SERVICE_SUFFIX)
        policy = Policy(policy_id, _ROUND_SUFFIX.sub("", release), value)
        self._told.wrote(policy_id, None)
        self._policies[policy_id] = policy
        self._note(policy)
        return policy

    def update(self, policy_id: str, element: Element) -> Policy:
        """The policy with the elements that the XML names. Raises ClassicRefused 404, 409."""
        policy = self.get(policy_id)
        value = self._checked(element, policy.value, own_id=policy_id)
        value["general"]["id"] = int(policy_id)
        self._told.wrote(policy_id, replace(policy))
        policy.value = value
        self._note(policy)
        return policy

    def delete(self, policy_id: str) -> Policy:
        """Raises ClassicRefused 404."""
        policy = self.get(policy_id)
        self._told.wrote(policy_id, replace(policy))
        policy.deleted = True
        self._note(policy)
        return policy

    def forget_package(self, package_id: str) -> None:
        """Take a deleted package out of every policy."""
        for policy in self:
            packages = policy.value["package_configuration"]["packages"]
            left = [package for package in packages if str(package["id"]) != package_id]
            if len(left) < len(packages):
                policy.value = policy.value | {"package_configuration": {"packages": left}}
                self._note(policy)

    def _one(self, wanted: Callable[[Policy], bool]) -> Policy:
        for policy in self:
            if wanted(policy):
                return policy
        raise ClassicRefused(404, "The server has not found anything matching the request URI")

    def _note(self, policy: Policy) -> None:
        reach = policy.reach()
        if not policy.reaches or policy.reaches[-1][1] != reach:
            policy.reaches.append((self._clock.now(), reach))

    def _checked(self, element: Element, base: dict[str, Any], *, own_id: str) -> dict[str, Any]:
        base = deepcopy(base)  # a refusal further down must leave the policy as it was
        if element.find("general/category") is not None:
            base["general"]["category"] = {"id": -1, "name": ""}
        try:
            value = merged(POLICY, base, element)
        except ShapeError as error:
            raise ClassicRefused(409, f"Error: Problem with {error.path}") from error
        general, scope = value["general"], value["scope"]
        if not general["name"]:
            raise ClassicRefused(409, "Error: Problem with general/name")
        if any(policy.name == general["name"] and policy.id != own_id for policy in self):
            raise ClassicRefused(409, "Error: Duplicate name")
        for name, allowed in _ALLOWED.items():
            if general[name] not in allowed:
                raise ClassicRefused(409, f"Error: Problem with general/{name}")
        find = self._references
        for part in (scope, scope["exclusions"]):
            part["computer_groups"] = _resolved(part["computer_groups"], find.group, "computer group in scope")
            part["computers"] = _resolved(part["computers"], find.computer, "computer in scope")
        configuration = value["package_configuration"]
        configuration["packages"] = _resolved(configuration["packages"], find.package, "package")
        [general["category"]] = _resolved([general["category"]], find.category, "category")
        return value


def _resolved(
    items: list[dict[str, Any]], find: Callable[[str, str], tuple[str, str] | None], what: str
) -> list[dict[str, Any]]:
    """The items with both id and name, whichever of the two was given, each once. Raises ClassicRefused 409."""
    resolved: dict[str, dict[str, Any]] = {}
    for item in items:
        if (found := find(str(item["id"]) if item["id"] > 0 else "", item["name"])) is None:
            raise ClassicRefused(409, f"Error: Problem with {what}")
        resolved[found[0]] = item | {"id": int(found[0]), "name": found[1]}
    return list(resolved.values())


def _ids(items: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(str(item["id"]) for item in items)
