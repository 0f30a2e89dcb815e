"""Times and booleans as Kandji writes them; whatever says nothing certain is None."""

from datetime import UTC, datetime
from typing import Any

import pytest

from eucora.connectors.kandji.words import TEXT_MAX, moment, text, yes


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2023-01-18T21:46:26.879113Z", datetime(2023, 1, 18, 21, 46, 26, 879113, UTC)),
        ("2022-12-13 19:14:20.455640+00:00", datetime(2022, 12, 13, 19, 14, 20, 455640, UTC)),
        ("2024-06-17 11:32:35+00:00", datetime(2024, 6, 17, 11, 32, 35, tzinfo=UTC)),
        ("2024-05-13 20:09:23 +0000", datetime(2024, 5, 13, 20, 9, 23, tzinfo=UTC)),
        (" 2024-05-13T22:09:23+02:00 ", datetime(2024, 5, 13, 20, 9, 23, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_each_of_its_forms(written: str, at: datetime) -> None:
    assert moment(written) == at


@pytest.mark.parametrize(
    "written",
    ["", " ", None, 1_700_000_000, "1 month ago", "2024-05-13 20:09:23", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-13-40T00:00:00Z", ["2024-05-13T20:09:23Z"]],
)  # fmt: skip
def test_what_names_no_instant_is_no_time(written: Any) -> None:
    assert moment(written) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [(True, True), (False, False), ("True", True), ("False", False), ("Yes", True), ("no", False),
     (None, None), ("", None), ("unknown", None), (1, None), (0, None), ([True], None), ({"enabled": True}, None)],
)  # fmt: skip
def test_a_boolean_is_read_in_each_of_its_forms_and_nothing_else_is_one(said: Any, meant: bool | None) -> None:
    assert yes(said) is meant


@pytest.mark.parametrize(
    ("said", "kept"),
    [(" 14.4.1 ", "14.4.1"), ("", None), (None, None), (14, None), ("a\x00b\ud800", "a\ufffdb\ufffd"),
     ("x" * 5_000, "x" * TEXT_MAX)],
)  # fmt: skip
def test_a_text_can_be_stored_and_is_never_empty(said: Any, kept: str | None) -> None:
    assert text(said) == kept
