"""macOS apps in Intune's words: installer packages and disk images.

Source: Microsoft Graph v1.0 metadata (msgraph-metadata f54f11b6, read 2026-11-22): macOSLobApp, macOSDmgApp,
macOSMinimumOperatingSystem. The unmanaged package type, macOSPkgApp, is in the beta interface only. The file goes up
encrypted as it is (mggraph-intune-samples f83a7be3, EncryptFile), with keys that are made for each attempt.
"""

from typing import Final

from eucora.application.planes import PlaneRejected, Publication, ReceiptDetection
from eucora.connectors.errors import report
from eucora.connectors.intune import wire
from eucora.connectors.intune.graph import JsonObject
from eucora.domain.planes import Plane

# v1.0 knows 10.7 to 13.0; exactly one of its flags may be set. What runs on an older one runs on a newer one, too.
_RELEASES: Final = (
    *((10, minor, f"v10_{minor}") for minor in range(7, 16)),
    *((major, 0, f"v{major}_0") for major in (11, 12, 13)),
)
OLDEST: Final = "11.0"  # the oldest that Intune enrols by now is newer still, so this keeps nobody out


def app_body(publication: Publication, *, minimum_os: str = OLDEST) -> JsonObject:
    """The body that creates the app: a disk image for a ``.dmg``, a package for anything else.

    The detection must be a receipt: on macOS Intune detects an app by bundle id and version alone.

    Raises:
        PlaneRejected: another kind of detection.
        ValueError: ``minimum_os`` is no version.
    """
    detection = publication.detection
    if not isinstance(detection, ReceiptDetection):
        raise report(PlaneRejected(Plane.INTUNE, "publish", "macOS apps are detected by a package receipt only"))
    named = wire.display_name(publication.name, publication.version)
    common: JsonObject = {
        "displayName": named,
        "description": named,
        "publisher": publication.publisher,
        "notes": publication.key,
        "isFeatured": False,
        "fileName": publication.file_name,
        "ignoreVersionDetection": False,
        "minimumSupportedOperatingSystem": minimum_release(minimum_os),
    }
    if publication.file_name.lower().endswith(".dmg"):
        return {
            "@odata.type": wire.MAC_DMG_APP,
            **common,
            "primaryBundleId": detection.package_id,
            "primaryBundleVersion": detection.version,
            "includedApps": [{"bundleId": detection.package_id, "bundleVersion": detection.version}],
        }
    child = {
        "bundleId": detection.package_id,
        "buildNumber": detection.version,
        "versionNumber": detection.version,
    }
    return {
        "@odata.type": wire.MAC_LOB_APP,
        **common,
        **child,
        "childApps": [child],
        "installAsManaged": False,
        "md5Hash": [],
        "md5HashChunkSize": 0,
    }


def minimum_release(version: str) -> JsonObject:
    """The flag of the newest release that v1.0 knows and that is not newer than ``version`` ("12.6" gives v12_0).

    Raises ValueError when ``version`` is no version.
    """
    major, minor = (int(part) for part in f"{version}.0".split(".")[:2])
    fitting = [flag for of_major, of_minor, flag in _RELEASES if (of_major, of_minor) <= (major, minor)]
    return {"@odata.type": "#microsoft.graph.macOSMinimumOperatingSystem", (fitting or [_RELEASES[0][2]])[-1]: True}
