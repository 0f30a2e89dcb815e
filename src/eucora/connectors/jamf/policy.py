"""A Classic policy as a document: what we write into it, and what of it is not ours to change.

Of a policy we own the switches in ``general`` that make it run, whether it stands in Self Service, its package or
command, and the computer groups that we put into its scope or keep out of it. Everything else in the scope (computers,
buildings, limitations, others' exclusions) is sent back as it was read; parts that are not sent stay as they are.
Source: Jamf Pro Classic API 11.26, policies.
"""

from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement

_SWITCHES: Final = {
    "enabled": "true",
    "trigger_checkin": "true",
    "frequency": "Once per computer",
    "retry_event": "check-in",
    "retry_attempts": "3",
}
# Of a policy that people run from Self Service: as often as they like, so that a try that failed can be made again.
_CHOSEN: Final = {
    "enabled": "true",
    "trigger_checkin": "false",
    "frequency": "Ongoing",
    "retry_event": "none",
    "retry_attempts": "-1",
}
_BEYOND: Final = ("computers", "buildings", "departments")
Entry = tuple[str, str]  # (path inside the scope, id or, where there is none, name or text)


@dataclass(frozen=True, slots=True)
class ScopedGroup:
    """A computer group in a scope."""

    id: str
    name: str

    def is_called(self, group: str) -> bool:
        return group in (self.id, self.name)


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """One of our policies: it installs package ``package_id``, or it runs ``command``; ``excluded`` stay out of it.

    ``shown_as``: what Self Service calls it; empty: it is not there, and runs at a check-in.
    """

    name: str
    package_id: str = ""
    command: str = ""
    shown_as: str = ""
    excluded: tuple[ScopedGroup, ...] = ()

    @property
    def switches(self) -> dict[str, str]:
        return _CHOSEN if self.shown_as else _SWITCHES


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as read."""

    root: Element

    @property
    def id(self) -> str:
        return (self.root.findtext("general/id") or "").strip()

    @property
    def name(self) -> str:
        return (self.root.findtext("general/name") or "").strip()

    @property
    def enabled(self) -> bool:
        return _is(self.root.find("general/enabled"), "true")

    @property
    def groups(self) -> Sequence[ScopedGroup]:
        """The computer groups that the policy is offered to."""
        return [_group(element) for element in self.root.iterfind("scope/computer_groups/computer_group")]

    @property
    def excluded_groups(self) -> Sequence[ScopedGroup]:
        """The computer groups that the policy is kept from."""
        return [_group(element) for element in self.root.iterfind("scope/exclusions/computer_groups/computer_group")]

    @property
    def beyond_groups(self) -> Sequence[str]:
        """What else the policy is offered to: everybody, single computers, buildings, departments."""
        everybody = ["all computers"] if _is(self.root.find("scope/all_computers"), "true") else []
        paths = {kind: f"scope/{kind}/{kind.removesuffix('s')}" for kind in _BEYOND}
        return everybody + [kind for kind, path in paths.items() if self.root.find(path) is not None]

    @property
    def entries(self) -> frozenset[Entry]:
        """Everything the scope says, in a form that two readings can be compared by."""
        scope = self.root.find("scope")
        return frozenset() if scope is None else frozenset(_entries(scope, "scope"))

    def offers(self, spec: PolicySpec, group: ScopedGroup) -> bool:
        """Whether the policy is on, does what ``spec`` says, and reaches ``group``, less whom ``spec`` keeps out."""
        reaches = any(own.id == group.id for own in self.groups)
        return self.enabled and _does(self.root, spec) and reaches and not _missing(self, spec)


def new_policy(spec: PolicySpec, group: ScopedGroup) -> Element:
    """The document that creates the policy, scoped to ``group`` alone; a run of it ends with fresh inventory."""
    root = Element("policy")
    _write_switches(root, spec)
    scope = SubElement(root, "scope")
    SubElement(scope, "all_computers").text = "false"
    _add_group(SubElement(scope, "computer_groups"), group)
    _keep_out(scope, spec.excluded)
    _write_work(root, Element("policy"), spec)
    # Only here: whether a computer sends inventory after a run is load, and for the people of the server to change.
    SubElement(SubElement(root, "maintenance"), "recon").text = "true"
    return root


def with_group(policy: Policy, spec: PolicySpec, group: ScopedGroup) -> Element | None:
    """The document that turns ``policy`` on for one more group; None when there is nothing to change."""
    general = policy.root.find("general")
    switched = general is not None and all(_is(general.find(tag), text) for tag, text in spec.switches.items())
    if switched and policy.offers(spec, group):
        return None
    root = Element("policy")
    _write_switches(root, spec)
    scope = _scope_of(policy, root)
    groups = scope.find("computer_groups")
    if groups is None:
        groups = SubElement(scope, "computer_groups")
    if not any(own.id == group.id for own in policy.groups):
        _drop_size(groups)
        _add_group(groups, group)
    _keep_out(scope, _missing(policy, spec))
    if not _does(policy.root, spec):
        _write_work(root, policy.root, spec)
    return root


def without_groups(policy: Policy, wanted: Collection[str] | None) -> tuple[Element | None, Sequence[ScopedGroup]]:
    """The document that takes groups (ids or names; None: all) out of the scope, and the groups it takes.

    A policy that no group is left in is turned off. None when there is nothing to change.
    """
    taken = [own for own in policy.groups if wanted is None or any(own.is_called(group) for group in wanted)]
    emptied = len(taken) == len(policy.groups) and (taken or wanted is None)
    if not taken and not (emptied and policy.enabled):
        return None, ()
    root = Element("policy")
    if emptied:
        SubElement(SubElement(root, "general"), "enabled").text = "false"
    scope = _scope_of(policy, root)
    groups = scope.find("computer_groups")
    if groups is not None:
        _drop_size(groups)
        gone = {own.id for own in taken}
        for element in groups.findall("computer_group"):
            if _group(element).id in gone:
                groups.remove(element)
    return root, taken


def _write_switches(root: Element, spec: PolicySpec) -> None:
    general = SubElement(root, "general")
    SubElement(general, "name").text = spec.name
    for tag, text in spec.switches.items():
        SubElement(general, tag).text = text
    if spec.shown_as:
        shown = SubElement(root, "self_service")
        SubElement(shown, "use_for_self_service").text = "true"
        SubElement(shown, "self_service_display_name").text = spec.shown_as


def _write_work(root: Element, current: Element, spec: PolicySpec) -> None:
    """The package or the command, beside what the policy does already."""
    if spec.command:
        files = deepcopy(current.find("files_processes"))
        files = Element("files_processes") if files is None else files
        command = files.find("run_command")
        (SubElement(files, "run_command") if command is None else command).text = spec.command
        root.append(files)
        return
    configuration = deepcopy(current.find("package_configuration"))
    configuration = Element("package_configuration") if configuration is None else configuration
    packages = configuration.find("packages")
    packages = SubElement(configuration, "packages") if packages is None else packages
    _drop_size(packages)
    for package in packages.findall("package"):
        if _is(package.find("id"), spec.package_id):
            packages.remove(package)
    package = SubElement(packages, "package")
    SubElement(package, "id").text = spec.package_id
    SubElement(package, "action").text = "Install"
    root.append(configuration)


def _does(root: Element, spec: PolicySpec) -> bool:
    if spec.shown_as and not _is(root.find("self_service/use_for_self_service"), "true"):
        return False
    if spec.command:
        return (root.findtext("files_processes/run_command") or "") == spec.command
    return any(
        _is(package.find("id"), spec.package_id) and _is(package.find("action"), "Install")
        for package in root.iterfind("package_configuration/packages/package")
    )


def _scope_of(policy: Policy, root: Element) -> Element:
    scope = deepcopy(policy.root.find("scope"))
    scope = Element("scope") if scope is None else scope
    root.append(scope)
    return scope


def _missing(policy: Policy, spec: PolicySpec) -> Sequence[ScopedGroup]:
    """The groups that the policy is to be kept from and is not yet."""
    out = {own.id for own in policy.excluded_groups}
    return [group for group in spec.excluded if group.id not in out]


def _keep_out(scope: Element, excluded: Collection[ScopedGroup]) -> None:
    """Keep the groups out beside whatever the scope leaves out already."""
    if not excluded:
        return
    exclusions = scope.find("exclusions")
    exclusions = SubElement(scope, "exclusions") if exclusions is None else exclusions
    groups = exclusions.find("computer_groups")
    groups = SubElement(exclusions, "computer_groups") if groups is None else groups
    _drop_size(groups)
    for group in excluded:
        _add_group(groups, group)


def _add_group(groups: Element, group: ScopedGroup) -> None:
    element = SubElement(groups, "computer_group")
    SubElement(element, "id").text = group.id
    SubElement(element, "name").text = group.name


def _group(element: Element) -> ScopedGroup:
    return ScopedGroup((element.findtext("id") or "").strip(), (element.findtext("name") or "").strip())


def _drop_size(collection: Element) -> None:
    """Lists carry their own length in answers; a length that no longer fits is better not sent."""
    for size in collection.findall("size"):
        collection.remove(size)


def _entries(element: Element, path: str) -> Iterator[Entry]:
    name = element.findtext("id") or element.findtext("name")
    if name is not None:
        yield path, name.strip()
    elif len(element):
        for child in element:
            yield from _entries(child, f"{path}/{child.tag}")
    elif element.tag != "size" and (text := (element.text or "").strip()):
        yield path, text


def _is(element: Element | None, text: str) -> bool:
    return element is not None and (element.text or "").strip().lower() == text.lower()
