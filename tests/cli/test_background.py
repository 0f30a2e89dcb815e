"""What runs beside the service does not end without a word, and no renewal makes a secret of the settings readable."""

import asyncio
from typing import Any

import pytest

from eucora.background import beside
from eucora.connectors.redaction import known_secret, redact
from eucora.connectors.secrets.kept import KeptSecret, keep
from eucora.connectors.secrets.references import SecretUnavailable


async def test_work_that_falls_is_a_record_and_the_service_goes_on(lines: Any) -> None:
    fell = asyncio.Event()

    async def falls() -> None:
        fell.set()
        raise UnicodeEncodeError("ascii", "ä", 0, 1, "not in range")

    async with beside(falls(), "secrets"):
        await fell.wait()
        await asyncio.sleep(0)
    (told,) = lines()
    assert (told["event"], told["name"], told["level"]) == ("background_ended", "secrets", "error")
    assert told["exception"][0]["type"] == "UnicodeEncodeError"


async def test_work_that_ends_with_the_service_says_nothing(lines: Any) -> None:
    ended = asyncio.Event()

    async def lasts() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(lasts(), "circuits"):
        await asyncio.sleep(0)
    assert ended.is_set()
    assert lines() == []


@pytest.mark.parametrize(
    "error", [SecretUnavailable("vault://a#b: sealed"), UnicodeEncodeError("ascii", "ä", 0, 1, "no"), RuntimeError("x")]
)
async def test_one_keeper_that_fails_keeps_no_other_secret_from_being_read(error: Exception, lines: Any) -> None:
    async def fails() -> str:
        raise error

    async def answers() -> str:
        return "the second value"

    rounds = 0

    async def sleep(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds > 2:
            raise asyncio.CancelledError

    first, second = KeptSecret("A", "the first value", fails), KeptSecret("B", "another value", answers)
    with pytest.raises(asyncio.CancelledError):
        await keep([first, second], 60, sleep=sleep)
    assert (first.value, second.value) == ("the first value", "the second value")
    assert [told["event"] for told in lines()] == ["secret.not_read", "secret.changed", "secret.not_read"]


def test_no_number_of_renewed_tokens_makes_a_setting_readable() -> None:
    setting = known_secret("canary-kept-for-good-1", "KANDJI_TOKEN")
    for number in range(1_000):
        known_secret(f"canary-renewed-{number:04d}")
    assert redact(f"answered {setting}, canary-renewed-0999") == "answered [redacted], [redacted]"
    assert redact("canary-renewed-0000") == "canary-renewed-0000"  # ended long ago: we remember what is worth something


def test_a_rotated_setting_stays_unreadable_beside_its_successor() -> None:
    for number in range(10):
        known_secret(f"canary-rotated-{number}", "EUCORA_DATABASE_URL")
    assert redact("canary-rotated-8 canary-rotated-9") == "[redacted] [redacted]"
