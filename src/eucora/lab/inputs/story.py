"""Builds the default inputs of the story."""

import json
import plistlib
from collections.abc import Sequence
from pathlib import Path

from eucora.lab.inputs.application import EDGE_TUNNEL, FIELD_NOTES, Application
from eucora.lab.inputs.documents import render_rollback_plan, render_test_evidence
from eucora.lab.inputs.environment import Distribution, closure, installed
from eucora.lab.inputs.flat_pkg import PayloadFile, render_flat_pkg
from eucora.lab.inputs.model import ApplicationInputs, StoryInputs
from eucora.lab.inputs.sbom import render_sbom
from eucora.lab.inputs.scan import render_scan
from eucora.lab.inputs.windows_exe import render_exe


def build_inputs(folder: Path) -> StoryInputs:
    """Write the files of both applications under ``folder``; the same environment gives the same bytes.

    Raises:
        UnreadableEvidence: setuptools here carries no Windows launcher to take as the executable.
    """
    distributions = installed()
    return StoryInputs(low=_build(FIELD_NOTES, distributions, folder), high=_build(EDGE_TUNNEL, distributions, folder))


def build_release(application: Application, folder: Path) -> ApplicationInputs:
    """Write the files of one release of one application under ``folder``. Raises as :func:`build_inputs`."""
    return _build(application, installed(), folder)


def _build(application: Application, environment: Sequence[Distribution], folder: Path) -> ApplicationInputs:
    distributions = closure(application.roots, environment) if application.roots else environment
    home = folder / application.stem
    home.mkdir(parents=True, exist_ok=True)
    base = f"{application.stem}-{application.version}"
    return ApplicationInputs(
        name=application.name,
        version=application.version,
        publisher=application.publisher,
        windows=_write(home / f"{base}.exe", render_exe(application)),
        macos=_write(home / f"{base}.pkg", _render_pkg(application)),
        sbom=_write(home / f"{base}.cdx.json", render_sbom(application, distributions)),
        scan=_write(home / f"{base}.grype.json", render_scan(application, distributions, f"{base}.exe")),
        test_evidence=_write(home / "test-evidence.json", render_test_evidence(application.name, application.version)),
        rollback_plan=_write(home / "rollback-plan.json", render_rollback_plan(application.name, application.version)),
    )


def _render_pkg(application: Application) -> bytes:
    """One app bundle for /Applications, whose program says its name and version."""
    contents = f"{application.name}.app/Contents"
    program = f"#!/bin/sh\necho {json.dumps(f'{application.name} {application.version}')}\n"
    properties = {
        "CFBundleExecutable": application.stem,
        "CFBundleIdentifier": application.identifier,
        "CFBundleShortVersionString": application.version,
    }
    return render_flat_pkg(
        identifier=application.identifier,
        version=application.version,
        install_location="/Applications",
        files={
            f"{contents}/Info.plist": PayloadFile(plistlib.dumps(properties)),
            f"{contents}/MacOS/{application.stem}": PayloadFile(program.encode(), executable=True),
        },
    )


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
