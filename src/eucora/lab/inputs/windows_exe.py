"""A real Windows executable: setuptools' console launcher, with the application's name behind it."""

import json
from importlib import metadata
from pathlib import Path
from typing import Final

from eucora.domain.findings import UnreadableEvidence
from eucora.lab.inputs.application import Application

_LAUNCHER: Final = "setuptools/cli-64.exe"


def render_exe(application: Application) -> bytes:
    """The launcher's bytes and an overlay that names the application; still a valid PE (the loader ignores overlays).

    Raises:
        UnreadableEvidence: this environment's setuptools carries no launcher.
    """
    try:
        # Found without an import: importing setuptools would put its vendored distributions on sys.path.
        launcher = Path(str(metadata.distribution("setuptools").locate_file(_LAUNCHER))).read_bytes()
    except (metadata.PackageNotFoundError, FileNotFoundError) as error:
        way_out = "Install setuptools from its wheel, or hand in an installer of your own."
        raise UnreadableEvidence("inputs", _LAUNCHER, "is not there", way_out) from error
    label = {"application": application.name, "version": application.version, "publisher": application.publisher}
    return launcher + json.dumps(label, sort_keys=True).encode()
