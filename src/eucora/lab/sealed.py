"""What Intune's service does with an uploaded file at commit: check it against its keys and open it.

Written from the vendor's description of the format alone, apart from the project's own packer, so that each holds the
other honest. Layout of the encrypted file: bytes 0..31 HMAC-SHA256 over the rest, 32..47 the initialization vector,
from 48 on AES-256-CBC with PKCS#7 padding over a zip of the source folder.
"""

import base64
import binascii
import hashlib
import hmac
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_SIZES: Final = {"encryptionKey": 32, "macKey": 32, "initializationVector": 16, "mac": 32, "fileDigest": 32}
_HEAD: Final = 48
_INNER_MAX: Final = 8 << 30  # bytes; Intune's own limit for a Win32 application is 8 GB at most


class SealBroken(Exception):
    """The file and its encryption information do not belong together; the text says where."""


@dataclass(frozen=True, slots=True)
class EncryptionInfo:
    """A commit's fileEncryptionInfo, decoded."""

    encryption_key: bytes
    mac_key: bytes
    initialization_vector: bytes
    mac: bytes
    file_digest: bytes

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "EncryptionInfo":
        """Raises ValueError when a value is missing, is not base64, or has another length than the format's."""
        if body.get("profileIdentifier") != "ProfileVersion1" or body.get("fileDigestAlgorithm") != "SHA256":
            raise ValueError("profileIdentifier must be ProfileVersion1 and fileDigestAlgorithm SHA256")
        values: dict[str, bytes] = {}
        for name, size in _SIZES.items():
            try:
                values[name] = base64.b64decode(body.get(name) or "", validate=True)
            except (binascii.Error, ValueError, TypeError) as error:
                raise ValueError(f"{name} is not base64") from error
            if len(values[name]) != size:
                raise ValueError(f"{name} must have {size} bytes")
        return cls(*values.values())


@dataclass(frozen=True, slots=True)
class OpenedContent:
    """What was found inside; digests are SHA-256, lowercase hex. ``setup_sha256`` is None where no such file is."""

    encrypted_sha256: str
    encrypted_size: int
    plain_sha256: str
    plain_size: int
    setup_sha256: str | None


def open_content(
    data: bytes, info: EncryptionInfo, *, size: int, size_encrypted: int, setup_file: str | None
) -> OpenedContent:
    """Check ``data`` (the encrypted file) and read the setup file inside it; sizes are those declared, in bytes.

    ``setup_file`` None: the content is the installer itself, as on macOS.

    Raises:
        SealBroken: a size, the MAC, the padding, the digest or the zip does not fit.
    """
    if len(data) != size_encrypted:
        raise SealBroken(f"{len(data)} bytes were uploaded, {size_encrypted} declared")
    if len(data) <= _HEAD or (len(data) - _HEAD) % 16:
        raise SealBroken("the encrypted file has no whole number of cipher blocks")
    mac = hmac.digest(info.mac_key, data[32:], "sha256")
    if not hmac.compare_digest(mac, data[:32]) or not hmac.compare_digest(mac, info.mac):
        raise SealBroken("the MAC does not fit")
    if data[32:_HEAD] != info.initialization_vector:
        raise SealBroken("the initialization vector does not fit")
    plain = _decrypt(data[_HEAD:], info)
    if len(plain) != size:
        raise SealBroken(f"{len(plain)} bytes were encrypted, {size} declared")
    digest = hashlib.sha256(plain)
    if digest.digest() != info.file_digest:
        raise SealBroken("the digest of the plain file does not fit")
    return OpenedContent(
        encrypted_sha256=hashlib.sha256(data).hexdigest(),
        encrypted_size=len(data),
        plain_sha256=digest.hexdigest(),
        plain_size=len(plain),
        setup_sha256=digest.hexdigest() if setup_file is None else _digest_of_member(plain, setup_file),
    )


def _decrypt(ciphertext: bytes, info: EncryptionInfo) -> bytes:
    decryptor = Cipher(algorithms.AES256(info.encryption_key), modes.CBC(info.initialization_vector)).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise SealBroken("the padding is wrong: the key does not fit") from error


def _digest_of_member(plain: bytes, setup_file: str) -> str | None:
    wanted = setup_file.replace("\\", "/").strip("/").lower()
    try:
        with zipfile.ZipFile(io.BytesIO(plain)) as inner:
            for member in inner.infolist():
                if member.filename.replace("\\", "/").lower() == wanted and member.file_size <= _INNER_MAX:
                    digest = hashlib.sha256()
                    with inner.open(member) as stream:
                        while chunk := stream.read(1 << 20):
                            digest.update(chunk)
                    return digest.hexdigest()
    except (zipfile.BadZipFile, EOFError) as error:
        raise SealBroken("the content is no zip") from error
    return None
