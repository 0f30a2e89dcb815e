"""What a computer's inventory says is on it: applications, and receipts of packages.

It is as old as the computer's last inventory (``Computer.reported_at``), which a policy log is not, so states of a
rollout come from the log and this corroborates them. Source: Jamf Pro API 11.30.1, computers-inventory v4 and v3,
sections APPLICATIONS and PACKAGE_RECEIPTS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eucora.connectors.jamf.inventory import Computer

SOFTWARE: Final = ("GENERAL", "HARDWARE", "APPLICATIONS", "PACKAGE_RECEIPTS")  # to be asked for


@dataclass(frozen=True, slots=True)
class InstalledApplication:
    """An application bundle. ``version`` is the one that people see, ``build`` the bundle's; either may be empty."""

    name: str
    path: str
    bundle_id: str
    version: str
    build: str


def applications_of(computer: Computer) -> Sequence[InstalledApplication] | None:
    """The applications, by path; None when the inventory came without them, which is not the same as none at all."""
    rows = computer.sections.get("applications")
    if not isinstance(rows, list):
        return None
    found = [_application(row) for row in rows if isinstance(row, dict)]
    return sorted(found, key=lambda application: (application.path, application.name))


def receipts_of(computer: Computer) -> Sequence[str] | None:
    """Names of the packages that Jamf Pro installed; None when the inventory came without receipts."""
    section = computer.sections.get("packageReceipts")
    names = section.get("installedByJamfPro") if isinstance(section, dict) else None
    if not isinstance(names, list):
        return None
    return sorted({name for name in names if isinstance(name, str) and name})


def _application(row: Mapping[str, Any]) -> InstalledApplication:
    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := row.get(name), str) and value), "")

    return InstalledApplication(
        name=text("name"),
        path=text("path"),
        bundle_id=text("bundleId"),
        version=text("cfBundleShortVersionString", "version"),
        build=text("cfBundleVersion"),
    )
