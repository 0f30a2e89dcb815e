"""Everything one simulated Jamf Pro server knows."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from eucora.domain.planes import Plane
from eucora.lab.clock import Clock
from eucora.lab.fleet import Fleet
from eucora.lab.jamf.errors import ClassicRefused
from eucora.lab.jamf.groups import ComputerGroup, GroupBook
from eucora.lab.jamf.logflush import Flush, FlushOrder
from eucora.lab.jamf.nodes import Nodes
from eucora.lab.jamf.packages import PackageShelf
from eucora.lab.jamf.policies import NO_CATEGORY, PolicyBook, References
from eucora.lab.jamf.runs import Histories, History
from eucora.lab.jamf.tokens import LabAccount, Tokens
from eucora.lab.roster import LabDevice, LabGroup

CATEGORIES: Final = {"1": "Applications", "2": "Security", "3": "Utilities"}
NO_CATEGORY_ID: Final = "-1"
INVENTORIES: Final = ("v3", "v4")  # versions of computers-inventory; v3 is deprecated in 11.30, and still answers


class JamfStore:
    """Packages, policies, groups and computers of one server.

    ``concurrent_max`` is the most requests that were ever being answered at one time; Jamf asks for five at most.
    Source: https://developer.jamf.com/developer-guide/docs/jamf-pro-api-scalability-best-practices, read 2026-11-22.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        *,
        client_id: str,
        client_secret: str,
        token_lifetime: timedelta,
        transfer: timedelta,
        account: LabAccount | None = None,
    ) -> None:
        self.fleet, self.clock = fleet, clock
        self.tokens = Tokens(
            clock, client_id=client_id, client_secret=client_secret, lifetime=token_lifetime, account=account
        )
        self.categories: Mapping[str, str] = CATEGORIES
        self.computers: Mapping[str, LabDevice] = {device.jamf_id: device for device in fleet.on(Plane.JAMF)}
        self.groups = GroupBook(clock, self.computers, [_group(fleet, group) for group in fleet.groups_on(Plane.JAMF)])
        self.packages = PackageShelf(
            clock, transfer=transfer, category_exists=lambda key: key == NO_CATEGORY_ID or key in self.categories
        )
        self.policies = PolicyBook(
            clock, References(self._find_package, self._find_group, self._find_computer, self._find_category)
        )
        self.inventories = frozenset(INVENTORIES)  # set anew, the server is an older one from then on
        self.flushes: list[Flush] = []
        self.nodes = Nodes()  # more of them, and it is a cluster from then on
        self._histories = Histories(fleet, self.packages, self.flushes)
        self.concurrent_now = self.concurrent_max = 0

    def histories(self, computer: LabDevice) -> Iterator[History]:
        """What the computer did under the policies so far."""
        memberships = self.groups.memberships(computer)
        return self._histories.of(computer, memberships, self.policies.ever(), self.clock.now())

    def flush(self, order: FlushOrder) -> None:
        """Wipe policy logs. Raises ClassicRefused 404 for a policy or a computer that is not there."""
        if order.policy_id:
            self.policies.get(order.policy_id)
        if not order.computers <= self.computers.keys():
            raise ClassicRefused(404, "The server has not found anything matching the request URI")
        self.flushes.append(Flush(self.clock.now(), order))

    def contents(self) -> list[dict[str, str | int]]:
        """For each package with content: package_id, file_name, sha256 and size (bytes), as read back from the disk."""
        found: list[dict[str, str | int]] = []
        for package in self.packages:
            if package.content is None:
                continue
            with package.content.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
            name = str(package.fields["fileName"])
            found.append({"package_id": package.id, "file_name": name, "sha256": sha256, "size": size})
        return found

    def _find_package(self, key: str, name: str) -> tuple[str, str] | None:
        return _find({package.id: package.name for package in self.packages}, key, name)

    def _find_group(self, key: str, name: str) -> tuple[str, str] | None:
        return _find({group.id: group.name for group in self.groups}, key, name)

    def _find_computer(self, key: str, name: str) -> tuple[str, str] | None:
        return _find({device.jamf_id: device.name for device in self.computers.values()}, key, name)

    def _find_category(self, key: str, name: str) -> tuple[str, str] | None:
        if not key and name in ("", NO_CATEGORY):
            return NO_CATEGORY_ID, NO_CATEGORY
        return _find(self.categories, key, name)


def _group(fleet: Fleet, group: LabGroup) -> ComputerGroup:
    return ComputerGroup(group.id, group.name, tuple(device.jamf_id for device in fleet.members(group)))


def _find(names: Mapping[str, str], key: str, name: str) -> tuple[str, str] | None:
    """(id, name) by id when one is given, else by name."""
    if key:
        return (key, names[key]) if key in names else None
    return next(((other, label) for other, label in names.items() if label == name), None)
