"""Authenticode: the facts of files that another implementation signed, and what becomes of them when bytes change."""

import struct
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from compound_files import compound_file
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import ArtifactFacts, Signature, SignatureFacts, UnreadableEvidence
from eucora.formats.artifact import inspect

SIGNED = Path(__file__).parent / "signed"
SOFTWARE = (
    "CN=Example Software,O=Example Software\\, Inc.,C=XX",
    "CN=Example Code Signing CA,O=Example Trust,C=XX",
)
ROOT = "CN=Example Root,O=Example Trust,C=XX"
SOFTWARE_THUMBPRINT = "f0015d91633be9e03c8614f66a084968aacb1877d0559ea9159ecfb4e55cefd3"
STAMPED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def facts(chain: tuple[str, ...], thumbprint: str, signed_at: datetime | None = None) -> SignatureFacts:
    return SignatureFacts("authenticode", chain, thumbprint, signed_at, digest_matches=True)


KNOWN = {
    "stamped.exe": (Signature.PRESENT, facts(SOFTWARE, SOFTWARE_THUMBPRINT, STAMPED_AT)),
    "stamped.msi": (Signature.PRESENT, facts(SOFTWARE, SOFTWARE_THUMBPRINT, STAMPED_AT)),
    "extended.msi": (Signature.PRESENT, facts(SOFTWARE, SOFTWARE_THUMBPRINT)),
    "nested.exe": (Signature.PRESENT, facts(SOFTWARE, SOFTWARE_THUMBPRINT)),
    # The authority's root came along, and it is the signer's too.
    "countersigned.exe": (
        Signature.PRESENT,
        facts((*SOFTWARE, ROOT), SOFTWARE_THUMBPRINT, datetime(2026, 11, 22, 20, 31, 32, tzinfo=UTC)),
    ),
    "elliptic.exe": (
        Signature.PRESENT,
        facts(
            ("CN=Example Networks,O=Example Networks,C=XX", SOFTWARE[1]),
            "f16c2fd6ee99680d1d70268e62ee8336c58e92cc3597fbd74566101d2b690f3b",
        ),
    ),
    "self-signed.exe": (
        Signature.SELF_SIGNED,
        facts(("CN=Nobody in particular",), "45eb6bd6b4808be3096667af6fa8692590c0588ce8754023e7e219ba49f62707"),
    ),
}


@pytest.fixture
def look(tmp_path: Path) -> "Look":
    return Look(tmp_path)


class Look:
    """Inspects bytes under a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, data: bytes, name: str) -> ArtifactFacts:
        path = self.folder / "content"
        path.write_bytes(data)
        return inspect(path, name)


def bytes_of(name: str) -> bytes:
    return (SIGNED / name).read_bytes()


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def table_of(pe: bytes) -> tuple[int, int, int]:
    """Offset of the table's entry, of the table, and its size."""
    entry = struct.unpack_from("<I", pe, 0x3C)[0] + 24 + 112 + 4 * 8
    return (entry, *struct.unpack_from("<II", pe, entry))


def with_table(pe: bytes, table: bytes) -> bytes:
    entry, offset, _ = table_of(pe)
    changed = bytearray(pe[:offset] + table)
    struct.pack_into("<II", changed, entry, offset, len(table))
    return bytes(changed)


def with_message(pe: bytes, message: bytes, kind: int = 2) -> bytes:
    table = struct.pack("<IHH", 8 + len(message), 0x200, kind) + message
    return with_table(pe, table.ljust(-(-len(table) // 8) * 8, b"\x00"))


def message_in(pe: bytes) -> bytes:
    _, offset, size = table_of(pe)
    return pe[offset + 8 : offset + size]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_signature_tells_what_its_maker_knows(name: str) -> None:
    found = inspect(SIGNED / name, name)
    assert (found.signature, found.signed_by) == KNOWN[name]


@pytest.mark.parametrize("name", sorted(name for name in KNOWN if name.endswith(".exe")))
@pytest.mark.parametrize("at", [0x20, 0x48, 0x200, 0x3FF])
def test_one_changed_byte_of_a_program_makes_its_signature_invalid(look: Look, name: str, at: int) -> None:
    found = look(flipped(bytes_of(name), at), name)
    assert found.signature is Signature.INVALID
    assert found.signed_by is not None
    assert found.signed_by.digest_matches is False
    assert "another" in found.signed_by.problem


@pytest.mark.parametrize("name", ["stamped.msi", "extended.msi"])
@pytest.mark.parametrize(
    ("old", "new"), [(b"small", b"smalL"), (b"_Tables", b"_tables"), (b"x" * 100, b"x" * 99 + b"y")]
)
def test_one_changed_byte_of_an_installer_makes_its_signature_invalid(
    look: Look, name: str, old: bytes, new: bytes
) -> None:
    found = look(replaced(bytes_of(name), old, new), name)
    assert found.signature is Signature.INVALID
    assert found.signed_by is not None
    assert found.signed_by.digest_matches is False


def test_the_name_of_a_stream_is_signed_only_with_the_digest_of_the_metadata(look: Look) -> None:
    old, new = "inner".encode("utf-16-le"), "innes".encode("utf-16-le")
    assert look(replaced(bytes_of("stamped.msi"), old, new), "a.msi").signature is Signature.PRESENT
    assert look(replaced(bytes_of("extended.msi"), old, new), "a.msi").signature is Signature.INVALID


def test_the_checksum_of_a_program_is_no_part_of_what_is_signed(look: Look) -> None:
    pe = bytes_of("stamped.exe")
    at = struct.unpack_from("<I", pe, 0x3C)[0] + 24 + 64
    assert look(flipped(pe, at), "a.exe").signature is Signature.PRESENT


def test_bytes_behind_the_certificate_table_are_not_signed(look: Look) -> None:
    assert look(bytes_of("stamped.exe") + b"more", "a.exe").signature is Signature.INVALID


def test_the_signature_of_another_program_is_invalid_and_still_names_its_signer(look: Look) -> None:
    other = flipped(bytes_of("elliptic.exe"), 0x200)
    found = look(with_message(other, message_in(bytes_of("stamped.exe"))), "a.exe")
    assert found.signature is Signature.INVALID
    assert found.signed_by is not None
    assert found.signed_by.thumbprint == SOFTWARE_THUMBPRINT


def test_a_changed_signature_value_names_nobody(look: Look) -> None:
    pe = bytes_of("self-signed.exe")
    # RSA's 256 bytes are the last of the message.
    end = table_of(pe)[1] + struct.unpack_from("<I", pe, table_of(pe)[1])[0]
    last = max(at for at in range(table_of(pe)[1], end) if pe[at])
    found = look(flipped(pe, last - 100), "a.exe")
    assert found.signature is Signature.INVALID
    assert found.signed_by is not None
    assert (found.signed_by.chain, found.signed_by.thumbprint) == ((), "")
    assert found.signed_by.problem


def test_a_digest_that_was_written_anew_is_not_under_the_signature(look: Look) -> None:
    """Whoever changes the file can change the digest beside the signature, not the one inside."""
    pe = bytes_of("self-signed.exe")
    digest = bytes.fromhex("13ABA4E896A276D465431FC12F630F64ADE36846454226536C906852270B2858")
    found = look(replaced(pe, digest, bytes(32)), "a.exe")
    assert found.signature is Signature.INVALID


def test_a_time_stamp_over_another_signature_counts_for_nothing(look: Look) -> None:
    pe = bytes_of("stamped.exe")
    text = b"20261120120000Z"
    found = look(replaced(pe, text, b"20161120120000Z"), "a.exe")
    assert found.signature is Signature.PRESENT  # the stamp is beside what the signer signed
    assert found.signed_by is not None
    assert found.signed_by.signed_at is None
    assert "time stamp" in found.signed_by.problem


def test_md5_proves_nothing(look: Look) -> None:
    found = look(bytes_of("md5.exe"), "a.exe")
    assert found.signature is Signature.UNKNOWN
    assert found.signed_by is not None
    assert "MD5" in found.signed_by.problem


def test_two_signatures_have_to_hold_both(look: Look) -> None:
    pe, own = bytes_of("stamped.exe"), message_in(bytes_of("stamped.exe"))
    foreign = replaced(
        own, bytes.fromhex("13ABA4E896A276D465431FC12F630F64ADE36846454226536C906852270B2858"), bytes(32)
    )
    tables = b"".join(
        struct.pack("<IHH", 8 + len(each), 0x200, 2) + each.ljust(-(-len(each) // 8) * 8, b"\x00")
        for each in (own, foreign)
    )
    assert look(with_table(pe, tables), "a.exe").signature is Signature.INVALID


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (bytes(8), "tag"),
        (b"\x30\x84\x40\x00\x00\x00", "cut short"),
        (b"\x30\x80" * 3000, ""),
        (b"\x30\x80" + b"\x05\x00" * 30_000, "without an end"),
        (b"\x30\x83\x00\xea\x60" + b"\x05\x00" * 30_000, "more than"),
        (b"\x30" * 40, ""),
        (b"\x3f" * 40, ""),
    ],
)
def test_a_hostile_message_is_a_signature_that_cannot_be_read(look: Look, message: bytes, said: str) -> None:
    found = look(with_message(bytes_of("stamped.exe"), message), "a.exe")
    assert found.signature is Signature.UNKNOWN
    assert found.signed_by is not None
    assert found.signed_by.problem.startswith("the signature cannot be read: ")
    assert said in found.signed_by.problem


def test_a_table_without_a_signed_message_tells_nothing(look: Look) -> None:
    found = look(with_message(bytes_of("stamped.exe"), b"x509", kind=1), "a.exe")
    assert found.signature is Signature.UNKNOWN


def test_a_message_larger_than_any_is_not_read(look: Look) -> None:
    found = look(with_message(bytes_of("stamped.exe"), bytes(4 * 2**20)), "a.exe")
    assert found.signature is Signature.UNKNOWN


def test_a_table_in_the_headers_is_refused(look: Look) -> None:
    changed = bytearray(bytes_of("stamped.exe"))
    struct.pack_into("<II", changed, table_of(bytes(changed))[0], 0x80, 16)
    with pytest.raises(UnreadableEvidence, match="headers"):
        look(bytes(changed), "a.exe")


def test_a_signature_stream_of_rubbish_cannot_be_read(look: Look) -> None:
    found = look(compound_file({"a": b"1", "\x05DigitalSignature": b"rubbish"}), "a.msi")
    assert found.signature is Signature.UNKNOWN


def test_streams_that_name_the_same_bytes_many_times_are_refused(look: Look) -> None:
    """Otherwise a file of some MiB could keep a worker hashing for days."""
    content = {f"s{number:03}": b"x" * 4096 for number in range(40)} | {"\x05DigitalSignature": b"0" * 100}
    data = bytearray(compound_file(content))
    for number in range(40):
        at = data.index(f"s{number:03}".encode("utf-16-le"))
        struct.pack_into("<IQ", data, at + 116, 0, 100_000)
    with pytest.raises(UnreadableEvidence, match="more bytes than the file has"):
        look(bytes(data), "a.msi")


def test_a_storage_inside_itself_is_refused(look: Look) -> None:
    data = bytearray(bytes_of("stamped.msi"))
    at = bytes(data).index("Binary".encode("utf-16-le"))
    number = next(
        number for number in range(1, 16) if bytes(data).index("Root Entry".encode("utf-16-le")) + 128 * number == at
    )
    struct.pack_into("<I", data, at + 76, number)
    with pytest.raises(UnreadableEvidence, match="circle"):
        look(bytes(data), "a.msi")


def test_a_large_program_is_hashed_without_being_held(look: Look) -> None:
    pe = bytes_of("stamped.exe")
    _, offset, size = table_of(pe)
    path = look.folder / "large"
    with path.open("wb") as file:
        file.write(pe[:offset])
        file.seek(64 * 2**20)
        file.write(pe[offset : offset + size])
        file.seek(table_of(pe)[0])
        file.write(struct.pack("<II", 64 * 2**20, size))
    tracemalloc.start()
    try:
        found = inspect(path, "large.exe")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.signature is Signature.INVALID
    assert peak < 8 * 2**20


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in SIGNED.iterdir() if path.suffix != ".md")))
    changed = bytearray(bytes_of(name))
    # A program's signature lies at its end, and it is there that damage meets the most code.
    first = data.draw(st.sampled_from([8, 0x400, len(changed) - 2000]))
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(first, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged-signature"
    path.write_bytes(bytes(changed[: data.draw(st.one_of(st.just(len(changed)), st.integers(8, len(changed))))]))
    try:
        found = inspect(path, name)
    except UnreadableEvidence:
        return
    assert found.signed_by is not None or found.signature is Signature.ABSENT
