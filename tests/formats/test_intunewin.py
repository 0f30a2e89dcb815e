"""The .intunewin package: held to a real one, to its own round trip, and to tampering."""

import base64
import hashlib
import io
import json
import shutil
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import UnreadableEvidence
from eucora.formats import intunewin
from eucora.formats.intunewin import IntunewinPackage, KeyMaterial, MsiInfo
from eucora.formats.intunewin.envelope import seal

KNOWN_ANSWER = Path(__file__).parents[2].parent / "shared" / "contracts" / "intunewin-known-answer.json"
KEYS = KeyMaterial(bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 80)))
CONTENT = "IntuneWinPackage/Contents/IntunePackage.intunewin"
DETECTION = "IntuneWinPackage/Metadata/Detection.xml"


@pytest.fixture
def installer(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "setup.exe"
    path.parent.mkdir()
    path.write_bytes(b"MZ" + bytes(range(256)) * 40)
    return path


@pytest.fixture
def package(tmp_path: Path, installer: Path) -> Path:
    path = tmp_path / "setup.intunewin"
    intunewin.pack(installer, "setup.exe", path, keys=KEYS)
    return path


@pytest.mark.contracts
def test_a_real_package_is_read_and_unpacked(tmp_path: Path) -> None:
    if not KNOWN_ANSWER.exists():
        pytest.skip("the known answer is not beside the repository")
    known = json.loads(KNOWN_ANSWER.read_text())
    path = tmp_path / "sample.intunewin"
    path.write_bytes(base64.b64decode(known["outer_zip_base64"]))
    read = intunewin.read(path)
    names = {
        "Name": read.name,
        "UnencryptedContentSize": str(read.unencrypted_size),
        "FileName": read.file_name,
        "SetupFile": read.setup_file,
        "EncryptionKey": read.encryption_key,
        "MacKey": read.mac_key,
        "InitializationVector": read.initialization_vector,
        "Mac": read.mac,
        "ProfileIdentifier": read.profile_identifier,
        "FileDigest": read.file_digest,
        "FileDigestAlgorithm": read.file_digest_algorithm,
    }
    assert names == known["detection"]
    assert read.encrypted_size == known["encrypted_size"]
    assert intunewin.unpack(path, tmp_path / "out") == ["file.txt"]
    assert (tmp_path / "out" / "file.txt").stat().st_size == 9374


@pytest.mark.contracts
def test_the_real_packages_content_sealed_by_us_is_the_real_packages_content(tmp_path: Path) -> None:
    if not KNOWN_ANSWER.exists():
        pytest.skip("the known answer is not beside the repository")
    known = json.loads(KNOWN_ANSWER.read_text())
    path = tmp_path / "sample.intunewin"
    path.write_bytes(base64.b64decode(known["outer_zip_base64"]))
    with intunewin.open_encrypted(path) as content:
        theirs = content.read()
    fields = known["detection"]
    keys = KeyMaterial(
        *(base64.b64decode(fields[name]) for name in ("EncryptionKey", "MacKey", "InitializationVector"))
    )
    ours = io.BytesIO()
    sealed = seal(io.BytesIO(_plain(theirs, keys)), ours, keys)
    assert ours.getvalue() == theirs
    assert base64.b64encode(sealed.plain_digest).decode() == fields["FileDigest"]


def _plain(content: bytes, keys: KeyMaterial) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(keys.encryption_key), modes.CBC(keys.iv)).decryptor()
    padded = decryptor.update(content[48:]) + decryptor.finalize()
    return padded[: -padded[-1]]


def test_a_packed_file_comes_out_as_it_went_in(tmp_path: Path, installer: Path, package: Path) -> None:
    assert intunewin.unpack(package, tmp_path / "out") == ["setup.exe"]
    assert (tmp_path / "out" / "setup.exe").read_bytes() == installer.read_bytes()


def test_a_packed_folder_comes_out_as_it_went_in(tmp_path: Path) -> None:
    source = tmp_path / "folder"
    (source / "data" / "deep").mkdir(parents=True)
    (source / "data" / "deep" / "ü.bin").write_bytes(b"x" * 100_000)
    (source / "install.cmd").write_bytes(b"")
    target = tmp_path / "folder.intunewin"
    packed = intunewin.pack(source, "install.cmd", target, keys=KEYS)
    assert intunewin.unpack(target, tmp_path / "out") == ["data/deep/ü.bin", "install.cmd"]
    assert (tmp_path / "out" / "data" / "deep" / "ü.bin").read_bytes() == b"x" * 100_000
    assert intunewin.read(target) == packed


def test_read_says_what_pack_said(package: Path, installer: Path, tmp_path: Path) -> None:
    msi = MsiInfo("{0}", "1.2", "{1}", "User", True, "Example & Söhne")
    packed = intunewin.pack(installer, "setup.exe", tmp_path / "again.intunewin", keys=KEYS, msi=msi)
    assert intunewin.read(tmp_path / "again.intunewin") == packed
    assert packed.msi == msi
    assert intunewin.read(package).msi is None


def test_the_same_files_and_keys_give_the_same_bytes(tmp_path: Path, installer: Path, package: Path) -> None:
    intunewin.pack(installer, "setup.exe", tmp_path / "again.intunewin", keys=KEYS)
    assert (tmp_path / "again.intunewin").read_bytes() == package.read_bytes()


def test_other_keys_give_other_bytes(tmp_path: Path, installer: Path) -> None:
    one, two = (
        intunewin.pack(installer, "setup.exe", tmp_path / f"{n}.intunewin", keys=KeyMaterial.random()) for n in (1, 2)
    )
    assert one.mac != two.mac
    assert one.file_digest == two.file_digest


def test_keys_do_not_show_in_logs(package: Path) -> None:
    read = intunewin.read(package)
    assert read.encryption_key not in repr(read)
    assert read.mac_key not in repr(read)
    assert repr(KEYS) == "KeyMaterial()"


def test_the_encrypted_content_is_read_in_place_and_from_anywhere(package: Path) -> None:
    read = intunewin.read(package)
    with zipfile.ZipFile(package) as outer:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in outer.infolist())
        expected = outer.read(CONTENT)
    with intunewin.open_encrypted(package) as content:
        assert content.read() == expected
        assert content.read() == b""
        content.seek(1000)
        assert content.read(10) == expected[1000:1010]
    assert len(expected) == read.encrypted_size


def test_only_what_gains_from_it_is_deflated(tmp_path: Path) -> None:
    source = tmp_path / "folder"
    source.mkdir()
    (source / "text").write_bytes(b"same " * 20_000)
    (source / "packed").write_bytes(b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256)))
    packed = intunewin.pack(source, "text", tmp_path / "x.intunewin", keys=KEYS)
    assert 8192 < packed.unencrypted_size < 10_000
    intunewin.unpack(tmp_path / "x.intunewin", tmp_path / "out")
    assert all((tmp_path / "out" / name).read_bytes() == (source / name).read_bytes() for name in ("text", "packed"))


def test_what_is_not_in_the_source_cannot_install(tmp_path: Path, installer: Path) -> None:
    with pytest.raises(UnreadableEvidence, match=r"install\.cmd: is not among"):
        intunewin.pack(installer.parent, "install.cmd", tmp_path / "x.intunewin", keys=KEYS)
    assert not (tmp_path / "x.intunewin").exists()


def test_a_link_in_the_source_is_refused(tmp_path: Path, installer: Path) -> None:
    (installer.parent / "link").symlink_to("/etc/hostname")
    with pytest.raises(UnreadableEvidence, match="symbolic link"):
        intunewin.pack(installer.parent, "setup.exe", tmp_path / "x.intunewin", keys=KEYS)


def test_a_package_is_not_written_into_its_own_source(installer: Path) -> None:
    with pytest.raises(ValueError, match="own source"):
        intunewin.pack(installer.parent, "setup.exe", installer.parent / "x.intunewin", keys=KEYS)


def test_packing_leaves_nothing_else_behind(tmp_path: Path, package: Path) -> None:
    intunewin.unpack(package, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "setup.intunewin", "out"}


def test_memory_does_not_grow_with_the_installer(tmp_path: Path) -> None:
    big = tmp_path / "big.exe"
    with big.open("wb") as file:
        for i in range(48):
            file.write(hashlib.sha256(bytes([i])).digest() * 2**15)
    tracemalloc.start()
    try:
        intunewin.pack(big, "big.exe", tmp_path / "big.intunewin", keys=KEYS)
        intunewin.unpack(tmp_path / "big.intunewin", tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert big.stat().st_size == 48 * 2**20
    assert peak < 16 * 2**20


@pytest.mark.parametrize("content", [b"", b"MZ not a zip", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.intunewin"
    path.write_bytes(content)
    with pytest.raises(UnreadableEvidence) as caught:
        intunewin.read(path)
    assert "Content Prep Tool" in caught.value.way_out


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("<Mac>", "<Mac>A", "Mac"),
        ("ProfileVersion1", "ProfileVersion2", "ProfileIdentifier"),
        ("SHA256", "MD5", "FileDigestAlgorithm"),
        ("<SetupFile>setup.exe", "<SetupFile>..\\setup.exe", "SetupFile"),
        ("<FileName>", "<FileName>../", "FileName"),
        ("<UnencryptedContentSize>", "<UnencryptedContentSize>-", "UnencryptedContentSize"),
        ("<UnencryptedContentSize>", "<UnencryptedContentSize>9999999999999", "UnencryptedContentSize"),
        ("<UnencryptedContentSize>", "<UnencryptedContentSize>1", "IntunePackage.intunewin"),
        ("<Name>", "<Name>" + "n" * 2000, "Name"),
        ("<EncryptionInfo>", "<Other>", "Detection.xml"),
        ("<ApplicationInfo", '<!DOCTYPE a [<!ENTITY e "x">]><ApplicationInfo', "Detection.xml"),
    ],
)
def test_a_detection_file_out_of_its_bounds_is_refused(package: Path, old: str, new: str, place: str) -> None:
    xml = _members(package)[DETECTION].decode().replace("<?xml version='1.0' encoding='utf-8'?>", "")
    assert old in xml
    _rewrite(package, {DETECTION: xml.replace(old, new, 1).encode()})
    with pytest.raises(UnreadableEvidence) as caught:
        intunewin.read(package)
    assert place in caught.value.place


@pytest.mark.parametrize("missing", [CONTENT, DETECTION])
def test_a_missing_member_is_named(package: Path, missing: str) -> None:
    members = _members(package)
    del members[missing]
    _write(package, members)
    with pytest.raises(UnreadableEvidence, match="is missing") as caught:
        intunewin.read(package)
    assert caught.value.place == missing


def test_a_deflated_outer_zip_is_refused(package: Path) -> None:
    _write(package, _members(package), zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableEvidence, match="only store"):
        intunewin.read(package)


def test_a_huge_directory_is_refused_before_it_is_read(package: Path) -> None:
    with zipfile.ZipFile(package, "a") as outer:
        for i in range(1000):
            outer.writestr(f"filler/{i:060d}", b"")
    with pytest.raises(UnreadableEvidence, match="directory larger"):
        intunewin.read(package)


def test_a_huge_directory_in_a_zip64_record_is_refused_before_it_is_read(package: Path) -> None:
    whole = package.read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2, 2, 2**40, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    package.write_bytes(whole[:end] + record + locator + whole[end:])
    with pytest.raises(UnreadableEvidence, match="directory larger"):
        intunewin.read(package)


def test_a_wrong_digest_is_found_when_unpacked(tmp_path: Path, package: Path) -> None:
    xml = _members(package)[DETECTION].decode()
    right = intunewin.read(package).file_digest
    _rewrite(package, {DETECTION: xml.replace(right, base64.b64encode(bytes(32)).decode()).encode()})
    intunewin.read(package)
    with pytest.raises(UnreadableEvidence, match="FileDigest"):
        intunewin.unpack(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wrong_key_is_found_when_unpacked(tmp_path: Path, package: Path) -> None:
    xml = _members(package)[DETECTION].decode()
    right = intunewin.read(package).encryption_key
    _rewrite(package, {DETECTION: xml.replace(right, base64.b64encode(bytes(32)).decode()).encode()})
    with pytest.raises(UnreadableEvidence, match=r"EncryptionKey|FileDigest"):
        intunewin.unpack(package, tmp_path / "out")


@pytest.mark.parametrize("name", ["../out.txt", "/etc/x", "a/../../b", "C:\\x", "..\\x", "a//b", "./x"])
def test_an_inner_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = _package_of({name: b"x"}, tmp_path)
    with pytest.raises(UnreadableEvidence, match="outside"):
        intunewin.unpack(path, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("*.txt"))


def test_an_inner_link_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with pytest.raises(UnreadableEvidence, match="symbolic link"):
        intunewin.unpack(_package_of({entry: b"/etc/passwd"}, tmp_path), tmp_path / "out")


def test_an_inner_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = _package_of({"bomb": bytes(2**22)}, tmp_path)
    assert path.stat().st_size < 2**14
    with pytest.raises(UnreadableEvidence, match="size allowed"):
        intunewin.unpack(path, tmp_path / "out", size_max=2**20)
    assert intunewin.unpack(path, tmp_path / "out", size_max=2**22) == ["bomb"]


def test_unpacking_never_writes_over_anything(tmp_path: Path, package: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(FileExistsError):
        intunewin.unpack(package, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "kept"


@pytest.fixture(scope="module")
def sealed_bytes() -> Iterator[tuple[bytes, IntunewinPackage, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "setup.exe")
        source.write_bytes(b"MZ" + b"installer" * 30)
        path = Path(folder, "setup.intunewin")
        packed = intunewin.pack(source, "setup.exe", path, keys=KEYS)
        yield path.read_bytes(), packed, Path(folder)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_the_content_goes_unseen(
    sealed_bytes: tuple[bytes, IntunewinPackage, Path], data: st.DataObject
) -> None:
    whole, packed, folder = sealed_bytes
    start = whole.index(CONTENT.encode()) + len(CONTENT)
    at = data.draw(st.integers(start, start + packed.encrypted_size - 1))
    flipped = data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableEvidence):
        intunewin.read(_tampered(folder, whole[:at] + bytes([whole[at] ^ flipped]) + whole[at + 1 :]))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_byte_anywhere_is_refused_or_changes_nothing_that_is_uploaded(
    sealed_bytes: tuple[bytes, IntunewinPackage, Path], data: st.DataObject
) -> None:
    whole, packed, folder = sealed_bytes
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = data.draw(st.integers(1, 255))
    path = _tampered(folder, whole[:at] + bytes([whole[at] ^ flipped]) + whole[at + 1 :])
    try:
        assert intunewin.read(path) == packed
    except UnreadableEvidence:
        return
    with intunewin.open_encrypted(path) as content:
        start = whole.index(CONTENT.encode()) + len(CONTENT)
        assert content.read() == whole[start : start + packed.encrypted_size]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_package_cut_short_is_refused(
    sealed_bytes: tuple[bytes, IntunewinPackage, Path], data: st.DataObject
) -> None:
    whole, _, folder = sealed_bytes
    with pytest.raises(UnreadableEvidence):
        intunewin.read(_tampered(folder, whole[: data.draw(st.integers(0, len(whole) - 1))]))


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{9,12})?", fullmatch=True), st.binary(max_size=300), min_size=1
    )
)
def test_any_folder_survives_the_round_trip(files: dict[str, bytes]) -> None:
    files = {name: data for name, data in files.items() if not any(other.startswith(f"{name}/") for other in files)}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        for name, data in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        intunewin.pack(source, min(files), Path(folder, "x.intunewin"), keys=KEYS)
        assert intunewin.unpack(Path(folder, "x.intunewin"), Path(folder, "out")) == sorted(files)
        assert {name: Path(folder, "out", name).read_bytes() for name in files} == files


def _tampered(folder: Path, data: bytes) -> Path:
    path = folder / "tampered.intunewin"
    path.write_bytes(data)
    return path


def _members(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as outer:
        return {entry.filename: outer.read(entry) for entry in outer.infolist()}


def _rewrite(package: Path, changed: dict[str, bytes]) -> None:
    _write(package, _members(package) | changed)


def _write(package: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(package, "w", compression) as outer:
        for name, data in members.items():
            outer.writestr(name, data)


def _package_of(members: "dict[str, bytes] | dict[zipfile.ZipInfo, bytes]", tmp_path: Path) -> Path:
    """A package whose authentic inner zip is what an attacker with the keys would write."""
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    plain.seek(0)
    content = io.BytesIO()
    sealed = seal(plain, content, KEYS)
    harmless = tmp_path / "harmless"
    harmless.mkdir()
    (harmless / "setup.exe").write_bytes(b"MZ")
    path = tmp_path / "evil.intunewin"
    packed = intunewin.pack(harmless, "setup.exe", path, keys=KEYS)
    xml = _members(path)[DETECTION].decode()
    xml = xml.replace(packed.mac, base64.b64encode(sealed.mac).decode())
    xml = xml.replace(packed.file_digest, base64.b64encode(sealed.plain_digest).decode())
    xml = xml.replace(f">{packed.unencrypted_size}<", f">{sealed.plain_size}<")
    _rewrite(path, {DETECTION: xml.encode(), CONTENT: content.getvalue()})
    shutil.rmtree(harmless)
    return path
