"""Intune's words into ours and back."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from intune_lab import publication

from eucora.application.planes import (
    BundleDetection,
    Detection,
    FileDetection,
    MsiDetection,
    Offer,
    PlaneRejected,
    ReceiptDetection,
    RegistryDetection,
    ReturnCode,
)
from eucora.connectors.intune import wire
from eucora.domain.planes import InstallState
from eucora.formats.intunewin import IntunewinPackage

PACKAGE = IntunewinPackage(
    name="setup.exe",
    setup_file="bin/setup.exe",
    file_name="IntunePackage.intunewin",
    unencrypted_size=100,
    encrypted_size=160,
    encryption_key="a2V5",
    mac_key="bWFj",
    initialization_vector="aXY=",
    mac="bWFj",
    file_digest="ZGln",
)


@pytest.fixture
def asked(tmp_path: Path):  # type: ignore[no-untyped-def]
    path = tmp_path / "setup.intunewin"
    path.write_bytes(b"x")
    return publication(path)


@pytest.mark.parametrize(
    ("detection", "rule"),
    [
        (
            FileDetection("C:\\App", "app.exe"),
            {"operationType": "exists", "operator": "notConfigured", "comparisonValue": None},
        ),
        (
            FileDetection("C:\\App", "app.exe", "2.0"),
            {"operationType": "version", "operator": "greaterThanOrEqual", "comparisonValue": "2.0"},
        ),
        (RegistryDetection("HKLM\\S", "V"), {"keyPath": "HKLM\\S", "valueName": "V", "operationType": "exists"}),
        (
            RegistryDetection("HKLM\\S", "V", "7"),
            {"operationType": "string", "operator": "equal", "comparisonValue": "7"},
        ),
        (MsiDetection("{A}"), {"productCode": "{A}", "productVersionOperator": "notConfigured"}),
        (MsiDetection("{A}", "3.1"), {"productVersion": "3.1", "productVersionOperator": "greaterThanOrEqual"}),
    ],
)
def test_each_detection_becomes_one_detection_rule(asked, detection: Detection, rule: dict[str, object]) -> None:  # type: ignore[no-untyped-def]
    (made,) = wire.win32_app(replace(asked, detection=detection), PACKAGE)["rules"]
    assert made["ruleType"] == "detection"
    assert rule.items() <= made.items()


@pytest.mark.parametrize("detection", [ReceiptDetection("com.example", "1"), BundleDetection("com.example", "1")])
def test_a_macs_detection_is_refused_before_anything_is_sent(asked, detection: Detection) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PlaneRejected, match="macOS's"):
        wire.win32_app(replace(asked, detection=detection), PACKAGE)


def test_the_app_carries_the_key_and_windows_paths(asked) -> None:  # type: ignore[no-untyped-def]
    app = wire.win32_app(asked, PACKAGE)
    assert wire.carries(app, asked.key)
    assert app["setupFilePath"] == "bin\\setup.exe"
    assert app["displayName"] == "O'Brien Viewer 2.4.1"
    assert {"returnCode": 3010, "type": "softReboot"} in app["returnCodes"]


def test_own_return_codes_replace_the_usual_ones(asked) -> None:  # type: ignore[no-untyped-def]
    app = wire.win32_app(replace(asked, return_codes=(ReturnCode(17, "hard_reboot"),)), PACKAGE)
    assert app["returnCodes"] == [{"returnCode": 17, "type": "hardReboot"}]
    with pytest.raises(PlaneRejected):
        wire.win32_app(replace(asked, return_codes=(ReturnCode(17, "perhaps"),)), PACKAGE)


@pytest.mark.parametrize(
    ("notes", "carries"),
    [
        ("eucora:i:d", True),
        ("Owner: desk\r\n eucora:i:d \r\nmore", True),
        ("eucora:i:dd", False),
        ("see eucora:i:d", False),
        (None, False),
    ],
)
def test_a_key_is_a_whole_line_of_the_notes(notes: str | None, carries: bool) -> None:
    assert wire.carries({"notes": notes}, "eucora:i:d") is carries


@pytest.mark.parametrize(
    ("word", "installing", "removing"),
    [
        ("installed", InstallState.INSTALLED, InstallState.INSTALLED),
        ("Installed", InstallState.INSTALLED, InstallState.INSTALLED),
        (1, InstallState.INSTALLED, InstallState.INSTALLED),
        ("failed", InstallState.FAILED, InstallState.PENDING),
        ("2", InstallState.FAILED, InstallState.PENDING),
        ("Not installed", InstallState.NOT_INSTALLED, InstallState.NOT_INSTALLED),
        (3, InstallState.NOT_INSTALLED, InstallState.NOT_INSTALLED),
        ("uninstallFailed", InstallState.PENDING, InstallState.FAILED),
        (4, InstallState.PENDING, InstallState.FAILED),
        ("Pending install", InstallState.PENDING, InstallState.PENDING),
        (5, InstallState.PENDING, InstallState.PENDING),
        ("notApplicable", InstallState.NOT_APPLICABLE, InstallState.NOT_APPLICABLE),
        (-1, InstallState.NOT_APPLICABLE, InstallState.NOT_APPLICABLE),
        (99, InstallState.UNKNOWN, InstallState.UNKNOWN),
        ("somethingNew", InstallState.UNKNOWN, InstallState.UNKNOWN),
        (None, InstallState.UNKNOWN, InstallState.UNKNOWN),
        (True, InstallState.UNKNOWN, InstallState.UNKNOWN),
    ],
)
def test_state_words_and_numbers(word: object, installing: InstallState, removing: InstallState) -> None:
    assert wire.install_state(Offer.INSTALL, word) is installing
    assert wire.install_state(Offer.UNINSTALL, word) is removing


def test_the_first_column_that_is_known_decides() -> None:
    assert wire.install_state(Offer.INSTALL, "??", 1) is InstallState.INSTALLED
    assert wire.install_state(Offer.INSTALL, None, "failed") is InstallState.FAILED


@pytest.mark.parametrize(
    ("number", "hexadecimal", "code"),
    [
        (-2016345060, None, "0x87D1041C"),
        (1603, "", "0x00000643"),
        ("-2016345060", None, "0x87D1041C"),
        (None, "0x87D1041C", "0x87D1041C"),
        (None, "87d1041c", "0x87D1041C"),
        (0, "0x00000000", ""),
        (None, None, ""),
        ("none", "none", ""),
    ],
)
def test_error_codes_come_as_eight_hex_digits(number: object, hexadecimal: object, code: str) -> None:
    assert wire.error_code(number, hexadecimal) == code


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00:00.1234567Z", datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-02T14:00:00+02:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02 12:00:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_are_utc_and_the_year_one_is_none(text: str | None, at: datetime | None) -> None:
    assert wire.moment(text) == at
