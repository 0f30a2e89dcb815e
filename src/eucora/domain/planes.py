"""The planes that execute a rollout, and the words for what a device says about an install."""

from enum import StrEnum


class Plane(StrEnum):
    """A device-management service that executes rollouts for us."""

    INTUNE = "intune"
    JAMF = "jamf"
    INTUNE_MACOS = "intune_macos"  # the Macs of the same tenant, over the same connection; ADR 0020


class Platform(StrEnum):
    """What an artifact runs on."""

    WINDOWS = "windows"
    MACOS = "macos"


PLATFORM_OF: dict[Plane, Platform] = {
    Plane.INTUNE: Platform.WINDOWS,
    Plane.JAMF: Platform.MACOS,
    Plane.INTUNE_MACOS: Platform.MACOS,
}
# Planes that are reached over another one's connection: its upstreams, circuits, budgets and sign-in.
REACHED_OVER: dict[Plane, Plane] = {Plane.INTUNE_MACOS: Plane.INTUNE}
# Planes that run no command of ours: their own agent installs the release, and takes it off by the vendor's own verb.
WITHOUT_COMMANDS: frozenset[Plane] = frozenset({Plane.INTUNE_MACOS})


class SiteClass(StrEnum):
    """How often the devices of a target can be reached; it sets their clock for time to compliance."""

    ONLINE = "online"
    INTERMITTENT = "intermittent"
    AIR_GAPPED = "air_gapped"


class InstallState(StrEnum):
    """The latest word of a plane about one device and one release.

    ``UNKNOWN`` is a state of its own: a device nobody heard of is neither installed nor failed.
    """

    INSTALLED = "installed"
    FAILED = "failed"
    PENDING = "pending"
    NOT_INSTALLED = "not_installed"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


FINISHED: frozenset[InstallState] = frozenset({InstallState.INSTALLED, InstallState.FAILED})
