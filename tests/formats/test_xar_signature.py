"""Signed flat packages: whose signature it is, and that it holds for every file in the package."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_xar import CMS_SIZE, Identity, identity, signed_xar

from eucora.domain.findings import ArtifactFacts, Signature, SignatureFacts, UnreadableEvidence
from eucora.formats.artifact import inspect
from eucora.formats.der import parse

FILES = {
    "PackageInfo": b'<pkg-info identifier="org.example.notes" version="1.2"><payload/></pkg-info>',
    "Payload": b"payload " * 1000,
}
ROOT = identity("Example Root")
AUTHORITY = identity("Example Installer CA", ROOT)
SOFTWARE = identity("Developer ID Installer: Example", AUTHORITY)
OTHER = identity("Developer ID Installer: Other", AUTHORITY)
NOBODY = identity("Nobody in particular")
CHAIN = ("CN=Developer ID Installer: Example", "CN=Example Installer CA", "CN=Example Root")


@pytest.fixture
def look(tmp_path: Path) -> "Look":
    return Look(tmp_path)


class Look:
    """Inspects bytes as a package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, data: bytes) -> ArtifactFacts:
        path = self.folder / "content"
        path.write_bytes(data)
        return inspect(path, "notes.pkg")

    def facts(self, data: bytes) -> tuple[Signature, SignatureFacts]:
        found = self(data)
        assert found.signed_by is not None
        return found.signature, found.signed_by


def endless(tag: int, content: bytes) -> bytes:
    """An element of BER whose length is left open."""
    return bytes([tag, 0x80]) + content + b"\x00\x00"


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


def signature_at(data: bytes) -> int:
    """Where RSA's bytes start: behind header, table of contents and its SHA-256."""
    return 28 + int.from_bytes(data[8:16], "big") + 32


@pytest.mark.parametrize("style", ["sha1", "sha256"])
@pytest.mark.parametrize("cms_by", [None, SOFTWARE], ids=["alone", "beside a CMS"])
def test_a_signature_tells_its_chain(look: Look, style: str, cms_by: Identity | None) -> None:
    found = look(signed_xar(FILES, SOFTWARE, cms_by=cms_by, style=style))
    facts = SignatureFacts("xar", CHAIN, SOFTWARE.thumbprint, None, digest_matches=True)
    assert (found.signature, found.signed_by) == (Signature.PRESENT, facts)
    assert (found.package_id, found.package_version) == ("org.example.notes", "1.2")


def test_a_cms_alone_is_enough(look: Look) -> None:
    signature, facts = look.facts(signed_xar(FILES, None, cms_by=SOFTWARE))
    assert signature is Signature.PRESENT
    assert (facts.chain, facts.thumbprint) == (CHAIN, SOFTWARE.thumbprint)


def test_a_signer_behind_whom_nobody_stands_is_self_signed(look: Look) -> None:
    signature, facts = look.facts(signed_xar(FILES, NOBODY))
    assert (signature, facts.chain) == (Signature.SELF_SIGNED, ("CN=Nobody in particular",))


def test_the_certificate_of_somebody_who_issued_nothing_is_no_link(look: Look) -> None:
    adorned = Identity(NOBODY.key, (NOBODY.chain[0], *AUTHORITY.chain))
    signature, facts = look.facts(signed_xar(FILES, adorned))
    assert (signature, facts.chain) == (Signature.SELF_SIGNED, ("CN=Nobody in particular",))


def test_one_changed_byte_of_a_file_makes_the_signature_invalid(look: Look) -> None:
    signature, facts = look.facts(replaced(signed_xar(FILES, SOFTWARE), b"payload p", b"payload P"))
    assert (signature, facts.digest_matches) == (Signature.INVALID, False)
    assert "Payload" in facts.problem


def test_a_file_without_a_checksum_is_covered_by_nothing(look: Look) -> None:
    assert look.facts(signed_xar(FILES, SOFTWARE, archived=False))[0] is Signature.INVALID


def test_a_package_that_was_packed_anew_does_not_keep_the_signature(look: Look) -> None:
    signed, changed = signed_xar(FILES, SOFTWARE), signed_xar(FILES | {"Payload": b"evil"}, SOFTWARE)
    own, other = signature_at(signed), signature_at(changed)
    forged = changed[:other] + signed[own : own + 256] + changed[other + 256 :]
    signature, facts = look.facts(forged)
    assert signature is Signature.INVALID
    assert facts.chain == ()
    assert "not by the key" in facts.problem


def test_a_key_that_is_not_that_of_the_certificate_is_invalid(look: Look) -> None:
    assert look.facts(signed_xar(FILES, Identity(OTHER.key, SOFTWARE.chain)))[0] is Signature.INVALID


def test_two_signatures_by_different_signers_are_invalid(look: Look) -> None:
    signature, facts = look.facts(signed_xar(FILES, SOFTWARE, cms_by=OTHER))
    assert signature is Signature.INVALID
    assert "different signers" in facts.problem


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (("<X509Certificate>", "<X509Certificate>?"), "base64"),
        (("X509Certificate", "Certificate"), "does not carry"),
        (('style="RSA"', 'style="DSA"'), "style"),
    ],
)
def test_what_cannot_be_read_is_unknown(look: Look, alter: tuple[str, str], said: str) -> None:
    signature, facts = look.facts(signed_xar(FILES, SOFTWARE, alter=alter))
    assert (signature, facts.digest_matches) == (Signature.UNKNOWN, None)
    assert said in facts.problem


def test_a_signature_larger_than_any_key_makes_is_refused(look: Look) -> None:
    big = signed_xar(FILES, SOFTWARE, alter=("<size>256<", "<size>4000<"))
    with pytest.raises(UnreadableEvidence, match="larger than 2048 bytes"):
        look(big)


def test_two_files_of_one_name_are_refused(look: Look) -> None:
    with pytest.raises(UnreadableEvidence, match="twice"):
        look(signed_xar(FILES, SOFTWARE, alter=("<name>Payload<", "<name>PackageInfo<")))


WHOLE = signed_xar(FILES, SOFTWARE, cms_by=SOFTWARE)
CMS_AT = signature_at(WHOLE) + 256


def test_a_cms_with_lengths_left_open_is_read_as_apples_tools_write_it(look: Look) -> None:
    cms = parse(WHOLE[CMS_AT : CMS_AT + CMS_SIZE])
    kind, content = cms.children()
    signed_data = endless(0x30, content.children()[0].content)
    opened = endless(0x30, kind.raw + endless(0xA0, signed_data))
    assert len(opened) > len(cms.raw) - 12
    changed = WHOLE[:CMS_AT] + opened.ljust(CMS_SIZE, b"\x00") + WHOLE[CMS_AT + CMS_SIZE :]
    signature, facts = look.facts(changed)
    assert (signature, facts.problem, facts.chain) == (Signature.PRESENT, "", CHAIN)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    changed = bytearray(WHOLE)
    first, last = data.draw(st.sampled_from([(8, len(WHOLE) - 1), (CMS_AT, CMS_AT + 3000)]))
    places = data.draw(st.lists(st.integers(first, last), min_size=1, max_size=6))
    for at in places:
        changed[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged-package"
    path.write_bytes(bytes(changed))
    try:
        found = inspect(path, "a.pkg")
    except UnreadableEvidence:
        return
    assert found.signed_by is not None
