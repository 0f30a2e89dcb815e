"""The planes that execute a rollout, and the words for what a device says about an install."""

from enum import StrEnum


class Plane(StrEnum):
    """A device-management service that executes rollouts for us."""

    INTUNE = "intune"
    JAMF = "jamf"


class Platform(StrEnum):
    """What an artifact runs on."""

    WINDOWS = "windows"
    MACOS = "macos"


PLATFORM_OF: dict[Plane, Platform] = {Plane.INTUNE: Platform.WINDOWS, Plane.JAMF: Platform.MACOS}


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
