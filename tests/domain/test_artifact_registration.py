"""Artifact: known by its digest, registered once, never as something it is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from given import given

from eucora.domain import artifact as art
from eucora.domain.artifact import DECIDER
from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature
from eucora.domain.planes import Platform

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EXE = ArtifactFacts(ArtifactFormat.EXE, Signature.PRESENT, "x64")
REGISTER = art.RegisterArtifact(
    "a" * 64, 10, "setup.exe", Platform.WINDOWS, EXE, "b" * 64, 12, "setup.intunewin", "idp|erik", NOON
)
NOTHING = given(DECIDER)


def test_the_same_bytes_are_registered_once_by_whomever() -> None:
    NOTHING.when(REGISTER).then(
        art.ArtifactRegistered(
            "a" * 64, 10, "setup.exe", Platform.WINDOWS, EXE, "b" * 64, 12, "setup.intunewin", "idp|erik", NOON
        )
    )
    NOTHING.and_when(REGISTER).when(replace(REGISTER, by="idp|pat", file_name="other.exe")).then()


@pytest.mark.parametrize("digest", ["", "A" * 64, "a" * 63, "g" * 64, "a" * 64 + "\n"])
@pytest.mark.parametrize("field", ["artifact", "content"])
def test_a_digest_is_sixty_four_lowercase_hexadecimal_characters(field: str, digest: str) -> None:
    refusal = NOTHING.when(replace(REGISTER, **{field: digest})).then_refuses(art.DigestInvalid)  # type: ignore[arg-type]
    assert refusal.facts["field"] == field


def test_an_empty_file_is_refused() -> None:
    NOTHING.when(replace(REGISTER, size=0)).then_refuses(art.ArtifactEmpty)
    NOTHING.when(replace(REGISTER, content_size=0)).then_refuses(art.ArtifactEmpty)


@pytest.mark.parametrize("file_format", ArtifactFormat)
def test_a_file_is_registered_for_the_platform_of_its_format_only(file_format: ArtifactFormat) -> None:
    right = art.PLATFORM_OF_FORMAT[file_format]
    (wrong,) = set(Platform) - {right}
    facts = replace(EXE, format=file_format)
    assert NOTHING.when(replace(REGISTER, facts=facts, platform=right)).events()
    NOTHING.when(replace(REGISTER, facts=facts, platform=wrong)).then_refuses(art.PlatformMismatch)
