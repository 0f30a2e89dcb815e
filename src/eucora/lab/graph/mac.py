"""The two macOS app types of Graph v1.0, packages and disk images: their own properties, and what they may be."""

from typing import Any, Final

from eucora.lab.graph.answers import Body, bad_request
from eucora.lab.graph.state import MAC_DMG, MAC_LOB

LOB: Final = MAC_LOB
DMG: Final = MAC_DMG

Properties = dict[str, tuple[type | tuple[type, ...], Any]]
_BOTH: Final[Properties] = {
    "ignoreVersionDetection": (bool, False),
    "minimumSupportedOperatingSystem": (dict, None),
}
LOB_WRITABLE: Final[Properties] = _BOTH | {
    "bundleId": (str, None),
    "buildNumber": (str, None),
    "versionNumber": (str, None),
    "childApps": (list, []),
    "installAsManaged": (bool, False),
    "md5Hash": (list, []),
    "md5HashChunkSize": (int, 0),
}
DMG_WRITABLE: Final[Properties] = _BOTH | {
    "primaryBundleId": (str, None),
    "primaryBundleVersion": (str, None),
    "includedApps": (list, []),
}
LOB_REQUIRED: Final = ("bundleId", "versionNumber", "childApps", "minimumSupportedOperatingSystem")
DMG_REQUIRED: Final = ("primaryBundleId", "primaryBundleVersion", "includedApps", "minimumSupportedOperatingSystem")
_INCLUDED_MAX: Final = 500


def check_own(given: Body) -> None:
    """Look into the properties of a request that are more than a plain value. Raises GraphError 400."""
    release = given.get("minimumSupportedOperatingSystem")
    if release is not None and sum(value is True for value in release.values()) != 1:
        raise bad_request("Exactly one of the minimum operating system values must be true.")
    for name in ("childApps", "includedApps"):
        apps = given.get(name) or []
        if len(apps) > _INCLUDED_MAX or not all(isinstance(app, dict) and app.get("bundleId") for app in apps):
            raise bad_request(f"Each of the {name} needs a bundleId, and there may be {_INCLUDED_MAX} at most.")
