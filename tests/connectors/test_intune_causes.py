"""Codes and details of a failure, in words."""

import pytest

from eucora.connectors.intune.causes import cause_of, told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("0x80070643", "fatal error"),
        ("0x00000643", "fatal error"),
        ("0x87D1041C", "detection does not find"),
        ("0x87d1041c", "detection does not find"),
        ("0x80070652", "another installation"),
        ("0x80070005", "access was denied"),
        ("0x87D13B9F", "newer version"),
        ("0x00000BC2", "restart"),
        ("0x87D30067", "accounts in the field"),
    ],
)
def test_a_known_code_has_its_cause(code: str, words: str) -> None:
    assert words in cause_of(code)


@pytest.mark.parametrize(
    "code", ["", "0x0", "0x80040643", "0x12340643", "0xFFFFFFFF", "1603", "nonsense", "0x123456789"]
)
def test_an_unknown_code_gets_no_invented_cause(code: str) -> None:
    assert cause_of(code) == ""


@pytest.mark.parametrize(
    ("detail", "code", "text"),
    [
        (None, "", ""),
        ("", "0x87D1041C", "the installer ended well, but the detection does not find the release"),
        ("seeInstallErrorCode", "0x80070070", "there is not enough space on the disk"),
        ("See install error code", "0x80070070", "there is not enough space on the disk"),
        ("Disk full.", "0x80070070", "Disk full; there is not enough space on the disk"),
        ("minimumOsVersionNotMet", "", "minimumOsVersionNotMet; the operating system is too old"),
        (4000, "0x12345678", "4000"),
        (True, "", ""),
        ({"a": 1}, "", ""),
    ],
)
def test_the_vendors_word_stands_before_ours(detail: object, code: str, text: str) -> None:
    assert told(detail, code) == text


def test_what_is_told_is_bounded() -> None:
    assert len(told("x" * 2_000, "0x80070643")) == 500
