"""Every kind of detection that a pack may name reaches the plane as one."""

from dataclasses import replace

import pytest

from eucora.application.install_ways import needs_of
from eucora.application.planes import (
    BundleDetection,
    Detection,
    FileDetection,
    MsiDetection,
    ReceiptDetection,
    RegistryDetection,
    ScriptDetection,
    ScriptRequirement,
    WindowsNeeds,
)
from eucora.application.rollout import detection_of
from eucora.domain import evidence_pack
from eucora.domain.evidence_pack import DETECTED_BY, InstallPlan
from eucora.domain.findings import Signature
from eucora.domain.install_needs import InstallNeeds, NeedRule
from eucora.domain.planes import Plane

CASES: dict[str, tuple[evidence_pack.Detection, Detection]] = {
    "file": (evidence_pack.Detection("file", "C:\\App", "a.exe", "1"), FileDetection("C:\\App", "a.exe", "1")),
    "registry": (evidence_pack.Detection("registry", "HKLM\\S", "V"), RegistryDetection("HKLM\\S", "V")),
    "msi": (evidence_pack.Detection("msi", name="{A}"), MsiDetection("{A}")),
    "script": (evidence_pack.Detection("script", name="d.ps1", value="'there'"), ScriptDetection("'there'", "d.ps1")),
    "receipt": (evidence_pack.Detection("receipt", name="com.a", value="1"), ReceiptDetection("com.a", "1")),
    "bundle": (evidence_pack.Detection("bundle", name="com.a", value="1"), BundleDetection("com.a", "1")),
}


def _plan(detection: evidence_pack.Detection) -> InstallPlan:
    return InstallPlan(Plane.INTUNE, "a", "b", Signature.PRESENT, "in", "out", detection)


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_becomes_its_own_detection(kind: str) -> None:
    named, wanted = CASES[kind]
    assert detection_of(_plan(named)) == wanted


def test_no_kind_that_a_plane_knows_is_left_out() -> None:
    assert {kind for kinds in DETECTED_BY.values() for kind in kinds} == set(CASES)


def test_what_a_pack_needs_is_asked_in_the_words_of_the_port() -> None:
    assert needs_of(_plan(evidence_pack.Detection("msi", name="{1}"))) == WindowsNeeds()
    rules = (
        NeedRule("file", "C:\\x", "y.dll", "1.0"),
        NeedRule("registry", "HKLM\\x", "v", "1"),
        NeedRule("script", name="fits", value="'yes'", output="yes"),
    )
    asked = InstallNeeds("Windows11_23H2", ("x64",), 1, 2, 3, 4, rules)
    assert needs_of(replace(_plan(evidence_pack.Detection("msi")), needs=asked)) == WindowsNeeds(
        architectures=("x64",),
        release="Windows11_23H2",
        free_disk_mb=1,
        memory_mb=2,
        processors=3,
        cpu_mhz=4,
        rules=(
            FileDetection("C:\\x", "y.dll", "1.0"),
            RegistryDetection("HKLM\\x", "v", "1"),
            ScriptRequirement("'yes'", "fits", "yes"),
        ),
    )
    with pytest.raises(ValueError, match="no rule of kind"):
        needs_of(replace(_plan(evidence_pack.Detection("msi")), needs=InstallNeeds(rules=(NeedRule("rumour"),))))


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no detection of kind"):
        detection_of(_plan(evidence_pack.Detection("rumour")))
