"""macOS apps in Intune's words: installer packages and disk images.

Source: Microsoft Graph v1.0 metadata (msgraph-metadata f54f11b6, read 2026-11-22): macOSLobApp, macOSDmgApp,
macOSMinimumOperatingSystem. The unmanaged package type, macOSPkgApp, is in the beta interface only. The file goes up
encrypted as it is (mggraph-intune-samples f83a7be3, EncryptFile), with keys of the release's own (``payload.keys_of``).

A package is installed as managed, since Intune's uninstall assignment takes off managed packages and disk images, and
no other package (Intune documentation, "Add macOS line-of-business apps", "Add a macOS DMG app", read 2026-11-23): what
cannot be taken off again cannot be rolled back. Managed packages hold one app, without packages inside, for
/Applications.
"""

from typing import Final

from eucora.application.planes import BundleDetection, PlaneRejected, Publication
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
_GB: Final = 1 << 30
PKG_MAX, DMG_MAX = 2 * _GB, 8 * _GB  # bytes; the pages above, and of the images "Add an unmanaged macOS PKG app"


def app_body(publication: Publication, *, minimum_os: str = OLDEST) -> JsonObject:
    """The body that creates the app: a disk image for a ``.dmg``, a package for anything else.

    The detection must be by bundle: on macOS Intune knows an app by bundle id and version alone.

    Raises:
        PlaneRejected: another kind of detection, or a file that is larger than Intune takes.
        ValueError: ``minimum_os`` is no version.
    """
    detection = publication.detection
    image = publication.file_name.lower().endswith(".dmg")
    if not isinstance(detection, BundleDetection):
        raise _refused("macOS apps are detected by bundle id and version only")
    if publication.content_size > (size_max := DMG_MAX if image else PKG_MAX):
        raise _refused(f"Intune takes a .{'dmg' if image else 'pkg'} of {size_max // _GB} GB at the most")
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
    if image:
        return {
            "@odata.type": wire.MAC_DMG_APP,
            **common,
            "primaryBundleId": detection.bundle_id,
            "primaryBundleVersion": detection.version,
            "includedApps": [{"bundleId": detection.bundle_id, "bundleVersion": detection.version}],
        }
    child = {
        "bundleId": detection.bundle_id,
        "buildNumber": detection.version,
        "versionNumber": detection.version,
    }
    return {
        "@odata.type": wire.MAC_LOB_APP,
        **common,
        **child,
        "childApps": [child],
        "installAsManaged": True,
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


def _refused(detail: str) -> PlaneRejected:
    return report(PlaneRejected(Plane.INTUNE_MACOS, "publish", detail))
