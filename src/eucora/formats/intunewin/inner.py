"""The inner zip: written the same for the same files, and extracted without trusting a word in it."""

import errno
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.intunewin.detection import refusal, safe_member_path
from eucora.formats.intunewin.envelope import CHUNK

ENTRIES_MAX: Final = 100_000
_DIRECTORY_SIZE_MAX: Final = 64 * 2**20  # bytes; zipfile reads a zip's directory into memory whole
# Earliest time a zip can hold: the same files give the same bytes whenever they are packed.
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
_CREATED_ON_DOS: Final = 0
_GAIN_MIN: Final = 0.95  # deflated size / size
_END_RECORDS_MAX: Final = 22 + 65_535 + 20 + 56  # bytes: end record with its comment, Zip64 locator and record
# What zipfile raises for directories, sizes, names and streams that somebody has tampered with.
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OverflowError,
)


def members_of(source: Path, setup_file: str) -> Sequence[tuple[str, Path]]:
    """(name in the zip, file) for one file or every file under a folder, sorted by name.

    Raises:
        UnreadableEvidence: nothing there, a symbolic link in it, or ``setup_file`` is not among the files.
    """
    if source.is_file() and not source.is_symlink():
        members = [(source.name, source)]
    else:
        members = []
        for path in source.rglob("*"):
            if path.is_symlink():  # would carry a file in from outside the folder
                raise _source_refusal(path.relative_to(source).as_posix(), "is a symbolic link")
            if path.is_file():
                members.append((path.relative_to(source).as_posix(), path))
        members.sort()
    if not members:
        raise _source_refusal(source.name, "holds no file")
    if setup_file not in {name for name, _ in members}:
        raise _source_refusal(setup_file, "is not among the files to pack")
    return members


def _source_refusal(place: str, reason: str) -> UnreadableEvidence:
    way_out = "Name an installer, or a folder with plain files and the path of the installer inside it."
    return UnreadableEvidence("intunewin", place, reason, way_out)


def _gains(path: Path) -> bool:
    """Whether deflating is worth it, judged by the first piece: most installers are compressed already, and deflating
    those again costs ten times what everything else here does."""
    with path.open("rb") as file:
        sample = file.read(CHUNK)
    return len(zlib.compress(sample, 1)) < _GAIN_MIN * len(sample)


def write(members: Sequence[tuple[str, Path]], target: BinaryIO) -> None:
    """Write the files into ``target``, deflated where that gains.

    Equal files under equal names give equal bytes, with one build of zlib.
    """
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in members:
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED if _gains(path) else zipfile.ZIP_STORED
            entry.create_system = _CREATED_ON_DOS
            entry.file_size = path.stat().st_size  # decides whether the entry is written as Zip64
            with path.open("rb") as file, archive.open(entry, "w") as out:
                shutil.copyfileobj(file, out, CHUNK)


@contextmanager
def refusing_damage(place: str) -> Iterator[None]:
    """Turns what ``zipfile`` raises for a damaged zip into UnreadableEvidence; errors of the disk pass."""
    try:
        yield
    except UnreadableEvidence:
        raise
    except _ZIP_ERRORS as error:
        raise refusal(place, f"is not a readable zip ({error})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek to before the file's start, where a directory's offset led
            raise
        raise refusal(place, "is not a readable zip (an offset leads outside)") from error


def refuse_large_directory(file: BinaryIO, place: str, size_max: int) -> None:
    """Look at the size that the end record names before ``zipfile`` reads that much.

    Where a Zip64 record is announced, its size counts, as it does for ``zipfile``. A file without an end record is left
    to ``zipfile`` to refuse. Source: PKWARE APPNOTE 4.3.14 to 4.3.16.

    Raises:
        UnreadableEvidence: the directory is larger than ``size_max`` bytes.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _END_RECORDS_MAX))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    sizes = [struct.unpack_from("<I", tail, at + 12)[0]] if 0 <= at <= len(tail) - 22 else []
    if sizes and at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        sizes = [struct.unpack_from("<Q", tail, at - 36)[0]]
    if any(size > size_max for size in sizes):
        raise refusal(place, f"has a directory larger than {size_max} bytes")


def extract(plain: BinaryIO, target_dir: Path, *, size_max: int) -> Sequence[str]:
    """Extract all files; their names, sorted.

    ``target_dir`` must not exist or be empty, and appears whole or not at all.

    Raises:
        UnreadableEvidence: no zip; a name that leads outside or comes twice; a link; over ``size_max`` bytes.
        FileExistsError: ``target_dir`` holds something.
    """
    if target_dir.exists() and any(target_dir.iterdir()):
        raise FileExistsError(f"{target_dir} is not empty")
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target_dir.parent, prefix=".unpacking-") as scratch:
        staging = Path(scratch, "files")
        staging.mkdir()
        with refusing_damage("the inner zip"):
            refuse_large_directory(plain, "the inner zip", _DIRECTORY_SIZE_MAX)
            with zipfile.ZipFile(plain) as archive:
                names = _extract_all(archive, staging, size_max)
        os.replace(staging, target_dir)
    return names


def _extract_all(archive: zipfile.ZipFile, staging: Path, size_max: int) -> Sequence[str]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > ENTRIES_MAX:
        raise refusal("the inner zip", f"has more than {ENTRIES_MAX} entries")
    left, names = size_max, set[str]()
    for entry in entries:
        name = safe_member_path(entry.filename, "the inner zip")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise refusal(f"the inner zip, {name[:100]}", "is a symbolic link")
        if name in names:
            raise refusal(f"the inner zip, {name[:100]}", "is there twice")
        names.add(name)
        left -= _extract_one(archive, entry, staging / name, left)
    return sorted(names)


def _extract_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, size_max: int) -> int:
    """Counted while it is written: the sizes in a zip's directory are claims."""
    size = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        out = path.open("xb")
    except OSError as error:  # a file where a folder should be, a name too long for the file system
        raise refusal(f"the inner zip, {entry.filename[:100]}", f"cannot be a file ({error.strerror})") from error
    with archive.open(entry) as file, out:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            if size > size_max:
                raise refusal("the inner zip", "unpacks to more than the size allowed")
            out.write(chunk)
    return size
