"""What our objects are called in Jamf Pro, so that a second call finds what the first one made.

A package carries the whole key in ``notes``. A Classic policy has no such field, so its name carries a short form of
the key; package names carry it too, because Jamf Pro refuses a second package of one name (DUPLICATE_FIELD), which
makes the name a lock that two writers cannot both take.
"""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Final

UNINSTALL_SUFFIX: Final = " uninstall"
SELF_SERVICE_SUFFIX: Final = " self service"
_NAME_MAX, _VERSION_MAX = 120, 60  # characters; with the short key the whole stays under Jamf's 255
_GROUP_MAX: Final = 255
# Names stand in the paths of Classic requests: a slash or a semicolon there is taken for structure by the servlet
# container even when percent-encoded.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\;?#%&*\"]+")  # the last two have a meaning in RSQL
_UNSAFE_IN_FILES = re.compile(r"[^A-Za-z0-9._-]+")


def short_key(key: str) -> str:
    """``eucora-`` and the first 12 hex characters of the key's SHA-256."""
    return f"eucora-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def release_name(name: str, version: str, key: str) -> str:
    """Name of the package and of the first install policy: ``<name> <version> [<short key>]``."""
    return f"{_plain(name, _NAME_MAX)} {_plain(version, _VERSION_MAX)} [{short_key(key)}]"


def policy_names(name: str, version: str, key: str, number: int) -> tuple[str, str, str]:
    """Names of the policies of round ``number`` (from 1, which goes unsaid): install, uninstall, Self Service."""
    release = release_name(name, version, key)
    install = release if number == 1 else f"{release} round {number}"
    return install, install + UNINSTALL_SUFFIX, install + SELF_SERVICE_SUFFIX


def shown_name(name: str, version: str) -> str:
    """What people read in Self Service, where the short key would tell them nothing."""
    return f"{_plain(name, _NAME_MAX)} {_plain(version, _VERSION_MAX)}".strip()


def group_name(name: str) -> str:
    """``name`` itself where Jamf's paths can carry it, else what they can carry of it and its short key."""
    plain = _plain(name, _GROUP_MAX)
    return plain if plain == name else f"{plain[: _GROUP_MAX - 30].strip()} [{short_key(name)}]"


def version_in(package_name: str, name: str, key: str) -> str:
    """The version inside a package name of ours; empty when the name was changed by somebody."""
    start, end = f"{_plain(name, _NAME_MAX)} ", f" [{short_key(key)}]"
    if not (package_name.startswith(start) and package_name.endswith(end)):
        return ""
    return package_name[len(start) : -len(end)]


def content_name(file_name: str, key: str) -> str:
    """File name on the distribution point: unique for the key, so that no other record's file is overwritten."""
    path = PurePosixPath(file_name)
    stem = _UNSAFE_IN_FILES.sub("-", path.stem)[:_NAME_MAX].strip("-.") or "package"
    return f"{stem}-{short_key(key)}{_UNSAFE_IN_FILES.sub('', path.suffix) or '.pkg'}"


def _plain(text: str, length_max: int) -> str:
    return " ".join(_UNSAFE.sub(" ", text).split())[:length_max].strip()
