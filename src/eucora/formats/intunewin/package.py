"""Pack, read and unpack; and the encrypted content in place, for the upload."""

import base64
import hashlib
import io
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.intunewin import inner
from eucora.formats.intunewin.detection import (
    FILE_NAME,
    KIND,
    UNENCRYPTED_SIZE_MAX,
    XML_SIZE_MAX,
    IntunewinPackage,
    MsiInfo,
    parse,
    refusal,
    render,
)
from eucora.formats.intunewin.envelope import (
    CHUNK,
    OVERHEAD,
    DecryptionFailed,
    KeyMaterial,
    is_authentic,
    plain_chunks,
    seal,
)
from eucora.formats.window import Window

_CONTENTS: Final = "IntuneWinPackage/Contents/"
_METADATA: Final = "IntuneWinPackage/Metadata/Detection.xml"
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")  # signature, then lengths of name and extra field
_DIRECTORY_SIZE_MAX: Final = 2**16  # bytes; two members need a few hundred
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
UNPACKED_SIZE_MAX: Final = 2 * UNENCRYPTED_SIZE_MAX  # bytes on disk; a bound for decompression, not a target


def pack(
    source: Path, setup_file: str, target: Path, *, keys: KeyMaterial, msi: MsiInfo | None = None
) -> IntunewinPackage:
    """Write the package ``target`` for one file, or for a folder, whose ``setup_file`` (path in it, "/") installs.

    The same files and keys give the same bytes. ``target`` appears whole or not at all; twice the size of the source is
    needed beside it meanwhile.

    Raises:
        UnreadableEvidence: no such source, a symbolic link in it, ``setup_file`` not in it, or more than Intune takes.
        ValueError: ``target`` lies inside ``source``.
    """
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError("the package must not be written into its own source")
    members = inner.members_of(source, setup_file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".packing-") as scratch:
        plain_path, content_path, outer_path = (Path(scratch, name) for name in ("plain", "content", "outer"))
        with plain_path.open("w+b") as plain, content_path.open("w+b") as content:
            inner.write(members, plain)
            plain.seek(0)
            sealed = seal(plain, content, keys)
        if sealed.plain_size > UNENCRYPTED_SIZE_MAX:
            raise UnreadableEvidence(KIND, source.name, "is larger than Intune takes", "Make the installer smaller.")
        plain_path.unlink()
        package = IntunewinPackage(
            name=setup_file.rsplit("/", 1)[-1],
            setup_file=setup_file,
            file_name=FILE_NAME,
            unencrypted_size=sealed.plain_size,
            encrypted_size=sealed.encrypted_size,
            encryption_key=_b64(keys.encryption_key),
            mac_key=_b64(keys.mac_key),
            initialization_vector=_b64(keys.iv),
            mac=_b64(sealed.mac),
            file_digest=_b64(sealed.plain_digest),
            msi=msi,
        )
        with zipfile.ZipFile(outer_path, "w") as outer, content_path.open("rb") as content:
            entry = zipfile.ZipInfo(_CONTENTS + FILE_NAME, _TIMESTAMP)
            entry.file_size = sealed.encrypted_size
            with outer.open(entry, "w") as out:
                shutil.copyfileobj(content, out, CHUNK)
            outer.writestr(zipfile.ZipInfo(_METADATA, _TIMESTAMP), render(package))
        os.replace(outer_path, target)
    return package


def seal_file(source: Path, target: Path, *, file_name: str, keys: KeyMaterial) -> IntunewinPackage:
    """Encrypt ``source`` as it is into ``target``, which must not exist: no zip inside and none around it.

    So Intune wants macOS packages and disk images. What comes back describes ``target`` to the upload, and is written
    nowhere else; ``target`` without it is lost. Raises OSError.
    """
    with source.open("rb") as plain, target.open("x+b") as content:
        sealed = seal(plain, content, keys)
    return IntunewinPackage(
        name=file_name,
        setup_file=file_name,
        file_name=file_name,
        unencrypted_size=sealed.plain_size,
        encrypted_size=sealed.encrypted_size,
        encryption_key=_b64(keys.encryption_key),
        mac_key=_b64(keys.mac_key),
        initialization_vector=_b64(keys.iv),
        mac=_b64(sealed.mac),
        file_digest=_b64(sealed.plain_digest),
    )


def read(path: Path) -> IntunewinPackage:
    """The package at ``path``, its MAC checked over the whole content; nothing is decrypted.

    Raises:
        UnreadableEvidence: no zip, a member missing, compressed or twice there, sizes or MAC wrong.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        package, content = _locate(file)
        if not is_authentic(
            cast("BinaryIO", content),
            mac_key=_bytes(package.mac_key),
            mac=_bytes(package.mac),
            iv=_bytes(package.initialization_vector),
        ):
            raise refusal(_CONTENTS + package.file_name, "does not carry the MAC and IV that Detection.xml names")
    return package


@contextmanager
def open_encrypted(path: Path) -> Iterator[BinaryIO]:
    """The encrypted content, ``encrypted_size`` bytes, read in place; seekable, so that an upload can resume.

    Its MAC is not checked again. Raises as ``read``.
    """
    with path.open("rb") as file:
        yield cast("BinaryIO", _locate(file)[1])


def unpack(path: Path, target_dir: Path, *, size_max: int = UNPACKED_SIZE_MAX) -> Sequence[str]:
    """Decrypt and extract into ``target_dir``, which must not exist or be empty; the names of the files, sorted.

    Raises:
        UnreadableEvidence: as ``read``; or the key or FileDigest is wrong, or the inner zip is unsafe or too big.
        FileExistsError: ``target_dir`` holds something.
    """
    package = read(path)
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    with open_encrypted(path) as content, tempfile.TemporaryFile(dir=target_dir.parent) as plain:
        content.seek(OVERHEAD)
        digest, size = hashlib.sha256(), 0
        iv = _bytes(package.initialization_vector)
        try:
            for chunk in plain_chunks(content, encryption_key=_bytes(package.encryption_key), iv=iv):
                digest.update(chunk)
                size += len(chunk)
                plain.write(chunk)
        except DecryptionFailed as error:
            raise refusal("EncryptionKey", "does not decrypt the content") from error
        if digest.digest() != _bytes(package.file_digest):
            raise refusal("FileDigest", "is not the digest of the decrypted content")
        if size != package.unencrypted_size:
            raise refusal("UnencryptedContentSize", f"is {package.unencrypted_size}, but the content has {size} bytes")
        plain.seek(0)
        return inner.extract(cast("BinaryIO", plain), target_dir, size_max=size_max)


def _locate(file: BinaryIO) -> tuple[IntunewinPackage, io.BufferedReader]:
    """Package and a reader over its content, which lies in ``file`` uncompressed."""
    with inner.refusing_damage("the file"):
        inner.refuse_large_directory(file, "the file", _DIRECTORY_SIZE_MAX)
        with zipfile.ZipFile(file) as outer:
            package = parse(_metadata(outer))
            entry = _member(outer, _CONTENTS + package.file_name)
        window = _in_place(file, entry)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise refusal(entry.filename, "is compressed or encrypted by the outer zip, which must only store it")
    if entry.file_size != package.encrypted_size or entry.compress_size != package.encrypted_size:
        reason = f"has {entry.file_size} bytes; UnencryptedContentSize asks for {package.encrypted_size}"
        raise refusal(entry.filename, reason)
    return package, io.BufferedReader(window, CHUNK)


def _metadata(outer: zipfile.ZipFile) -> bytes:
    entry = _member(outer, _METADATA)
    if entry.file_size > XML_SIZE_MAX:
        raise refusal(_METADATA, f"is larger than {XML_SIZE_MAX} bytes")
    with outer.open(entry) as file:
        return file.read(XML_SIZE_MAX + 1)  # parse refuses the byte too many, whatever the directory claimed


def _member(outer: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    entries = [entry for entry in outer.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise refusal(name, "is missing" if not entries else "is there more than once")
    return entries[0]


def _in_place(file: BinaryIO, entry: zipfile.ZipInfo) -> Window:
    end = file.seek(0, os.SEEK_END)
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        raise refusal(entry.filename, "lies outside the file")
    signature, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    name = file.read(name_size)
    if signature != b"PK\x03\x04" or name != entry.orig_filename.encode():
        raise refusal(entry.filename, "is not where the zip's directory says")
    start = entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    if start + entry.compress_size > end:
        raise refusal(entry.filename, "lies outside the file")
    return Window(file, start, entry.compress_size)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
