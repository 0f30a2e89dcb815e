"""The encrypted content: HMAC-SHA256 (32 bytes) ‖ IV (16) ‖ AES-256-CBC, PKCS7; the MAC covers IV and ciphertext."""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

CHUNK: Final = 2**20  # bytes in memory at a time
MAC_SIZE: Final = 32
IV_SIZE: Final = 16
OVERHEAD: Final = MAC_SIZE + IV_SIZE
_BLOCK_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """The secrets of one package; never used for a second one.

    Raises:
        ValueError: a length other than 32, 32 and 16 bytes.
    """

    encryption_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if (len(self.encryption_key), len(self.mac_key), len(self.iv)) != (32, 32, IV_SIZE):
            raise ValueError("encryption key, MAC key and IV must have 32, 32 and 16 bytes")

    @classmethod
    def random(cls) -> "KeyMaterial":
        """Fresh keys from the operating system."""
        return cls(secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(IV_SIZE))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came out of ``seal``: raw MAC and SHA-256 of the plaintext; sizes in bytes."""

    mac: bytes
    plain_digest: bytes
    plain_size: int
    encrypted_size: int


class DecryptionFailed(ValueError):
    """The padding does not fit: wrong key, or not this cipher."""


def encrypted_size_of(plain_size: int) -> int:
    """Bytes of the content for ``plain_size`` bytes of inner zip: PKCS7 always adds 1 to 16 bytes."""
    return OVERHEAD + (plain_size // 16 + 1) * 16


def seal(source: BinaryIO, target: BinaryIO, keys: KeyMaterial) -> Sealed:
    """Encrypt ``source`` to its end into ``target``, which must be seekable and empty."""
    encryptor = Cipher(algorithms.AES(keys.encryption_key), modes.CBC(keys.iv)).encryptor()
    padder = PKCS7(_BLOCK_BITS).padder()
    mac = hmac.new(keys.mac_key, keys.iv, hashlib.sha256)
    digest, size = hashlib.sha256(), 0
    target.write(bytes(MAC_SIZE) + keys.iv)
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        mac.update(sealed := encryptor.update(padder.update(chunk)))
        target.write(sealed)
    mac.update(sealed := encryptor.update(padder.finalize()) + encryptor.finalize())
    target.write(sealed)
    end = target.tell()
    # The MAC stands first but is known last.
    target.seek(0)
    target.write(mac.digest())
    target.seek(0)
    return Sealed(mac.digest(), digest.digest(), size, end)


def is_authentic(content: BinaryIO, *, mac_key: bytes, mac: bytes, iv: bytes) -> bool:
    """Whether ``content``, read from its start to its end, carries this MAC and IV, and the MAC is right."""
    if not hmac.compare_digest(content.read(MAC_SIZE), mac) or (found := content.read(IV_SIZE)) != iv:
        return False
    computed = hmac.new(mac_key, found, hashlib.sha256)
    while chunk := content.read(CHUNK):
        computed.update(chunk)
    return hmac.compare_digest(computed.digest(), mac)


def plain_chunks(content: BinaryIO, *, encryption_key: bytes, iv: bytes) -> Iterator[bytes]:
    """The inner zip in pieces. ``content`` stands behind MAC and IV, and was found authentic.

    Raises:
        DecryptionFailed: the padding does not fit.
    """
    decryptor = Cipher(algorithms.AES(encryption_key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    try:
        while chunk := content.read(CHUNK):
            yield unpadder.update(decryptor.update(chunk))
        yield unpadder.update(decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise DecryptionFailed(str(error)) from error
