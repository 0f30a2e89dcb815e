"""Windows Installer packages: a compound file whose root storage may hold a digital signature over all the rest.

The tables (product code, version) stay closed, so those facts are empty here.
Source: the streams "DigitalSignature" and "MsiDigitalSignatureEx" as Microsoft's signtool and osslsigncode write them;
the order and the parts of the digest as in osslsigncode's and signify's descriptions of them; read 2026-11-22.
"""

import hashlib
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from eucora.domain.findings import Signature, SignatureFacts
from eucora.formats.authenticode import KIND, read_authenticode
from eucora.formats.certificates import Reading, unreadable
from eucora.formats.cms import MESSAGE_SIZE_MAX
from eucora.formats.compound_file import ROOT, STREAM, CompoundFile, Entry, refuse

_PACKAGE_CLASS: Final = UUID("000c1084-0000-0000-c000-000000000046")  # class of the root storage of an .msi
_SIGNATURE: Final = "\x05DigitalSignature".encode("utf-16-le")
_METADATA_DIGEST: Final = "\x05MsiDigitalSignatureEx".encode("utf-16-le")
_DEPTH_MAX: Final = 16  # storages in storages; installers have one level, with transforms two


class _Hash(Protocol):
    """What is used of hashlib's objects."""

    def update(self, data: bytes, /) -> None: ...


def read_msi(path: Path) -> tuple[Signature, SignatureFacts | None]:
    """What the signature of the installer at ``path`` says; nothing is said about trust in the signer.

    Raises:
        UnreadableEvidence: no compound file, not a Windows Installer package, or cut short.
    """
    with path.open("rb") as file:
        package = CompoundFile(file)
        root = package.entries[0]
        if root.kind != ROOT or root.storage_class != _PACKAGE_CLASS:
            raise refuse("root storage", "is not that of a Windows Installer package (an Office file, or a patch)")
        streams = {entry.name: entry for entry in package.children(root) if entry.kind == STREAM}
        if _SIGNATURE not in streams:
            return Signature.ABSENT, None
        return _reading(package, streams[_SIGNATURE], streams.get(_METADATA_DIGEST))


def _reading(package: CompoundFile, signature: Entry, metadata_digest: Entry | None) -> Reading:
    if signature.size > MESSAGE_SIZE_MAX:
        return unreadable(KIND, f"it is larger than {MESSAGE_SIZE_MAX} bytes")
    size = sum(entry.size for entry in package.entries if entry.kind == STREAM)
    if size > package.size:
        # Otherwise a small file could name the same sectors thousands of times and keep us hashing for days.
        raise refuse("directory", "names more bytes than the file has")

    def digest(algorithm: str) -> bytes:
        whole = hashlib.new(algorithm, usedforsecurity=False)
        if metadata_digest is not None:
            about = hashlib.new(algorithm, usedforsecurity=False)
            _hash_metadata(package, package.entries[0], about)
            # The stream repeats this digest, and nothing else covers the stream.
            if b"".join(package.chunks(metadata_digest)) != about.digest():
                return b""
            whole.update(about.digest())
        _hash_content(package, package.entries[0], whole)
        return whole.digest()

    return read_authenticode([b"".join(package.chunks(signature))], digest)


def _hash_content(package: CompoundFile, storage: Entry, into: _Hash, depth: int = 0) -> None:
    for entry in _signed_children(package, storage, depth):
        if entry.kind == STREAM:
            for chunk in package.chunks(entry):
                into.update(chunk)
        else:
            _hash_content(package, entry, into, depth + 1)
    into.update(storage.storage_class.bytes_le)


def _hash_metadata(package: CompoundFile, entry: Entry, into: _Hash, depth: int = 0) -> None:
    if entry.kind != ROOT:
        into.update(entry.name)
    if entry.kind == STREAM:
        into.update((entry.size & 0xFFFFFFFF).to_bytes(4, "little"))
    else:
        into.update(entry.storage_class.bytes_le)
    into.update(entry.state)
    if entry.kind != ROOT:
        into.update(entry.times)
    if entry.kind != STREAM:
        for child in _signed_children(package, entry, depth):
            _hash_metadata(package, child, into, depth + 1)


def _signed_children(package: CompoundFile, storage: Entry, depth: int) -> list[Entry]:
    if depth > _DEPTH_MAX:
        raise refuse("directory", f"has more than {_DEPTH_MAX} levels, or runs in a circle")
    return [entry for entry in package.children(storage) if entry.name not in (_SIGNATURE, _METADATA_DIGEST)]
