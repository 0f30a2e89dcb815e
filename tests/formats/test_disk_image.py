"""Disk images: known by their trailer, and signed over everything that lies before the signature."""

import random
from pathlib import Path

import pytest
from disk_images import BLOCKS, LIST, disk_image, signed_image, trailer
from signed_xar import identity

from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature, SignatureFacts, UnreadableEvidence
from eucora.formats.artifact import inspect

ROOT = identity("Example Root")
SIGNER = identity("Developer ID Application: Example", ROOT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "content"


def look(path: Path, data: bytes, name: str = "Viewer.dmg") -> ArtifactFacts:
    path.write_bytes(data)
    return inspect(path, name)


def problem(path: Path, data: bytes) -> tuple[Signature, str]:
    facts = look(path, data)
    assert facts.signed_by is not None
    return facts.signature, facts.signed_by.problem


def test_an_image_is_known_by_its_end_whatever_it_begins_with(path: Path) -> None:
    facts = ArtifactFacts(ArtifactFormat.DMG, Signature.ABSENT)
    assert look(path, disk_image()) == facts
    assert look(path, disk_image(blocks=bytes(2048)), "VIEWER.DMG") == facts


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BLOCKS, "no trailer of a disk image"),
        (b"koly", "no trailer of a disk image"),
        (disk_image()[:-1], "no trailer of a disk image"),
        (disk_image()[1000:], "beyond the end of the file"),
        (disk_image(pieces=3), "one of 3 pieces"),
        (disk_image(version=5), "version 5"),
        (disk_image(property_list=b"bplist00" + bytes(20)), "no property list"),
        (disk_image(property_list=b""), "no property list"),
        (BLOCKS + LIST + trailer(len(BLOCKS), len(LIST), len(BLOCKS), 10**15), "beyond the end of the file"),
        (bytes(9 << 20) + LIST + trailer(9 << 20, len(LIST), 0, (8 << 20) + 1), "signature of more than"),
        (b"MZ" + disk_image(), "its content is that of an .exe"),
    ],
)
def test_what_is_no_whole_image_is_refused_with_the_reason_and_the_way_out(
    path: Path, data: bytes, reason: str
) -> None:
    path.write_bytes(data)
    with pytest.raises(UnreadableEvidence, match=reason) as refused:
        inspect(path, "Viewer.dmg")
    assert "Hand in" in refused.value.way_out


def test_another_ending_is_a_contradiction(path: Path) -> None:
    path.write_bytes(disk_image())
    with pytest.raises(UnreadableEvidence, match=r"named \.pkg, but its content is that of an \.dmg"):
        inspect(path, "Viewer.pkg")


@pytest.mark.parametrize("wide", [False, True], ids=["32 bits", "64 bits"])
def test_a_signature_over_the_whole_image_names_its_signer(path: Path, wide: bool) -> None:
    chain = ("CN=Developer ID Application: Example", "CN=Example Root")
    signed_by = SignatureFacts("codesign", chain, SIGNER.thumbprint, None, digest_matches=True)
    expected = ArtifactFacts(ArtifactFormat.DMG, Signature.PRESENT, signed_by=signed_by)
    assert look(path, signed_image(SIGNER, wide=wide)) == expected
    assert look(path, signed_image(ROOT)).signature is Signature.SELF_SIGNED


def test_an_image_without_a_signer_is_unsigned(path: Path) -> None:
    assert look(path, signed_image(None)) == ArtifactFacts(ArtifactFormat.DMG, Signature.ABSENT)


def test_a_change_anywhere_in_the_image_breaks_the_signature(path: Path) -> None:
    data = signed_image(SIGNER)
    for at in (0, len(BLOCKS) // 2, len(BLOCKS) + 20):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert problem(path, changed) == (Signature.INVALID, "the image's content is not the one that was signed")
    flags = len(data) - 512 + 15
    changed = data[:flags] + bytes([data[flags] ^ 2]) + data[flags + 1 :]
    assert problem(path, changed) == (Signature.INVALID, "the image's trailer is not the one that was signed")


def test_a_signature_over_a_part_is_not_over_the_image(path: Path) -> None:
    data = signed_image(SIGNER, limit=100)
    assert problem(path, data)[0] is Signature.INVALID
    assert "another part" in problem(path, data)[1]


def test_a_directory_that_was_changed_after_the_signing_is_not_the_signers(path: Path) -> None:
    data = signed_image(SIGNER)
    flags = len(BLOCKS + LIST) + 12 + 16 + 15
    changed = data[:flags] + bytes([data[flags] ^ 1]) + data[flags + 1 :]
    facts = look(path, changed)
    assert facts.signature is Signature.INVALID
    assert facts.signed_by is not None
    assert facts.signed_by.chain == ()


def test_no_damage_to_a_signature_breaks_the_reading(path: Path) -> None:
    data, start = signed_image(SIGNER), len(BLOCKS + LIST)
    chance, seen = random.Random(7), set()
    for _ in range(300):
        at = chance.randrange(start, len(data) - 512)
        changed = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        seen.add(look(path, changed).signature)
    assert {Signature.INVALID, Signature.UNKNOWN} <= seen
