"""Installers: recognised by content, refused where name and content disagree or the file is broken."""

import hashlib
import struct
import zlib
from importlib import metadata
from pathlib import Path
from uuid import UUID

import pytest
from compound_files import compound_file
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature, UnreadableEvidence
from eucora.formats import intunewin
from eucora.formats.artifact import inspect
from eucora.formats.intunewin import KeyMaterial, MsiInfo

SIGNED = Path(__file__).parent / "signed"


def launcher(name: str = "cli-64.exe") -> bytes:
    return Path(str(metadata.distribution("setuptools").locate_file(f"setuptools/{name}"))).read_bytes()


def xar(files: dict[str, bytes], *, extra: str = "", alter: "tuple[str, str] | None" = None) -> bytes:
    """A xar archive; folders by "/" in the names; ``extra`` goes into the table of contents."""
    heap = bytes(20)
    entries = ""
    for number, (path, data) in enumerate(files.items()):
        *folders, name = path.split("/")
        packed = zlib.compress(data)
        entry = (
            f'<file id="{number}"><name>{name}</name><type>file</type><data><length>{len(packed)}</length>'
            f"<offset>{len(heap)}</offset><size>{len(data)}</size>"
            '<encoding style="application/x-gzip"/></data></file>'
        )
        for folder in reversed(folders):
            entry = f'<file id="d{number}"><name>{folder}</name><type>directory</type>{entry}</file>'
        entries += entry
        heap += packed
    checksum = '<checksum style="sha1"><offset>0</offset><size>20</size></checksum>'
    toc = f'<?xml version="1.0" encoding="UTF-8"?><xar><toc>{checksum}{extra}{entries}</toc></xar>'
    if alter:
        assert alter[0] in toc
        toc = toc.replace(*alter)
    packed_toc = zlib.compress(toc.encode())
    heap = hashlib.sha1(packed_toc, usedforsecurity=False).digest() + heap[20:]
    return struct.pack(">4sHHQQI", b"xar!", 28, 1, len(packed_toc), len(toc.encode()), 1) + packed_toc + heap


PACKAGE_INFO = b'<pkg-info identifier="org.example.notes" version="1.2"><payload/></pkg-info>'
DISTRIBUTION = b'<installer-gui-script><product id="org.example.suite" version="9"/></installer-gui-script>'
SIGNATURE = '<signature style="RSA"><offset>0</offset><size>20</size></signature>'


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

    def refused(self, data: bytes, name: str) -> UnreadableEvidence:
        with pytest.raises(UnreadableEvidence) as caught:
            self(data, name)
        assert caught.value.way_out
        return caught.value


@pytest.mark.parametrize(
    ("name", "machine"), [("cli-64.exe", "x64"), ("cli-32.exe", "x86"), ("cli-arm64.exe", "arm64")]
)
def test_a_real_executable_tells_its_machine_and_that_it_is_unsigned(look: Look, name: str, machine: str) -> None:
    assert look(launcher(name), "Setup.EXE") == ArtifactFacts(ArtifactFormat.EXE, Signature.ABSENT, machine)


def test_an_overlay_is_no_signature(look: Look) -> None:
    assert look(launcher() + b"overlay", "setup.exe").signature is Signature.ABSENT


@pytest.mark.parametrize("keep", [2, 63, 0x100, 0x110, 0x140])
def test_an_executable_cut_short_in_its_headers_is_refused(look: Look, keep: int) -> None:
    assert look.refused(launcher()[:keep], "setup.exe").kind == "exe"


def test_a_certificate_table_beyond_the_end_is_refused(look: Look) -> None:
    assert look.refused((SIGNED / "stamped.exe").read_bytes()[:-1], "setup.exe").place == "certificate table"


def test_a_library_is_no_installer(look: Look) -> None:
    pe = bytearray(launcher())
    pe[struct.unpack_from("<I", pe, 0x3C)[0] + 23] |= 0x20
    assert "library" in look.refused(bytes(pe), "setup.exe").reason


@pytest.mark.parametrize("streams", [(), ("DigitalSignature",), ("a", "b", "c", "d", "e")])
def test_an_msi_without_a_signature_stream_is_unsigned(look: Look, streams: tuple[str, ...]) -> None:
    data = compound_file(dict.fromkeys(streams, b"x"))
    assert look(data, "setup.msi") == ArtifactFacts(ArtifactFormat.MSI, Signature.ABSENT)


def test_an_office_file_is_no_msi(look: Look) -> None:
    assert look.refused(compound_file({}, root_class=UUID(int=7)), "setup.msi").place == "root storage"


def test_a_directory_that_runs_in_a_circle_is_refused(look: Look) -> None:
    assert "circle" in look.refused(compound_file({}, fat={0: 0}), "setup.msi").reason


def test_a_directory_that_leads_outside_is_refused(look: Look) -> None:
    assert "cut short" in look.refused(compound_file({}, fat={0: 90}), "setup.msi").reason


def test_a_component_package_names_its_receipt(look: Look) -> None:
    facts = look(xar({"Bom": b"", "PackageInfo": PACKAGE_INFO}), "notes.pkg")
    assert facts == ArtifactFacts(ArtifactFormat.PKG, Signature.ABSENT, "", "org.example.notes", "1.2")


def test_a_product_with_one_component_names_the_components_receipt(look: Look) -> None:
    facts = look(xar({"Distribution": DISTRIBUTION, "notes.pkg/PackageInfo": PACKAGE_INFO}), "notes.pkg")
    assert (facts.package_id, facts.package_version) == ("org.example.notes", "1.2")


def test_a_product_with_several_components_names_the_product(look: Look) -> None:
    files = {"Distribution": DISTRIBUTION, "a.pkg/PackageInfo": PACKAGE_INFO, "b.pkg/PackageInfo": PACKAGE_INFO}
    facts = look(xar(files), "notes.pkg")
    assert (facts.package_id, facts.package_version) == ("org.example.suite", "9")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"xar!", "header"),
        (b"xar!" + struct.pack(">HHQQI", 28, 1, 2**40, 2**40, 1), "header"),
        (b"xar!" + struct.pack(">HHQQI", 28, 1, 4, 4, 1) + b"zzzz", "table of contents"),
        (xar({"PackageInfo": PACKAGE_INFO})[:-1], "PackageInfo"),
        (xar({"PackageInfo": PACKAGE_INFO}, extra=SIGNATURE.replace(">20<", ">9999<")), "signature"),
        (xar({"Other": b"x"}), "table of contents"),
        (xar({"PackageInfo": b"<html/>"}), "PackageInfo"),
        (xar({"PackageInfo": b"no xml"}), "PackageInfo"),
        (xar({"PackageInfo": b'<!DOCTYPE a [<!ENTITY e "x">]><pkg-info/>'}), "PackageInfo"),
        (xar({"PackageInfo": PACKAGE_INFO}, alter=("x-gzip", "x-lzma")), "PackageInfo"),
        (xar({"PackageInfo": PACKAGE_INFO}, alter=(f"<size>{len(PACKAGE_INFO)}", "<size>1")), "PackageInfo"),
        (xar({"PackageInfo": bytes(2**23)}), "PackageInfo"),
        (xar({"PackageInfo": PACKAGE_INFO}, alter=("sha1", "crc")), "checksum"),
    ],
)
def test_a_broken_package_is_refused_at_its_place(look: Look, data: bytes, place: str) -> None:
    error = look.refused(data, "notes.pkg")
    assert (error.kind, error.place) == ("pkg", place)


def test_a_table_of_contents_that_was_changed_is_refused(look: Look) -> None:
    whole = xar({"PackageInfo": PACKAGE_INFO})
    toc_size = struct.unpack_from(">Q", whole, 8)[0]
    text = zlib.decompress(whole[28 : 28 + toc_size])
    changed = zlib.compress(text.replace(b"PackageInfo", b"packageinfO"))
    head = struct.pack(">4sHHQQI", b"xar!", 28, 1, len(changed), len(text), 1)
    assert look.refused(head + changed + whole[28 + toc_size :], "notes.pkg").place == "checksum"


def test_a_package_for_windows_names_what_installs(look: Look, tmp_path: Path) -> None:
    (tmp_path / "setup.msi").write_bytes(compound_file({}))
    path = tmp_path / "x.intunewin"
    intunewin.pack(tmp_path / "setup.msi", "setup.msi", path, keys=KeyMaterial.random(), msi=MsiInfo("{0}", "1.2"))
    facts = inspect(path, "notes.intunewin")
    assert facts == ArtifactFacts(ArtifactFormat.INTUNEWIN, Signature.UNKNOWN, "", "{0}", "1.2", "setup.msi")


def test_an_intunewin_that_is_no_zip_is_refused(look: Look) -> None:
    error = look.refused(b"just text", "notes.intunewin")
    assert (error.kind, error.place) == ("intunewin", "notes.intunewin")
    assert "not a zip" in error.reason


@pytest.mark.parametrize("name", ["notes.msi", "notes.pkg", "notes.intunewin"])
def test_a_name_that_contradicts_the_content_is_refused(look: Look, name: str) -> None:
    assert "content is that of an .exe" in look.refused(launcher(), name).reason


@pytest.mark.parametrize("name", ["notes", "notes.iso", "", ".", "exe"])
def test_a_name_without_a_known_ending_is_refused(look: Look, name: str) -> None:
    assert "ending" in look.refused(launcher(), name).reason


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    wholes = {
        "a.exe": launcher()[:1024],
        "a.msi": compound_file({"a": b"1", "\x05DigitalSignature": bytes(100)}),
        "a.pkg": xar({"PackageInfo": PACKAGE_INFO}, extra=SIGNATURE),
    }
    name = data.draw(st.sampled_from(sorted(wholes)))
    changed = bytearray(wholes[name])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(8, min(len(changed), 600) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(changed[: data.draw(st.integers(8, len(changed)))]))
    try:
        facts = inspect(path, name)
    except UnreadableEvidence:
        return
    assert facts.format == name[2:]
