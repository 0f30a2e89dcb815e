"""The ``.intunewin`` package: an installer, encrypted and authenticated, as Intune's Win32 apps want it.

The outer zip is stored (not compressed) and has two members::

    IntuneWinPackage/Contents/IntunePackage.intunewin   HMAC-SHA256 (32) ‖ IV (16) ‖ AES-256-CBC/PKCS7 of the inner zip
    IntuneWinPackage/Metadata/Detection.xml             names, sizes, keys, MAC, and the SHA-256 of the inner zip

Everything streams; memory does not grow with the installer. Source: one real package (ToolVersion 1.4.0.0) and Graph's
description of ``fileEncryptionInfo``; the known-answer test holds us to that package.
"""

from eucora.formats.intunewin.detection import IntunewinPackage, MsiInfo
from eucora.formats.intunewin.envelope import KeyMaterial
from eucora.formats.intunewin.package import open_encrypted, pack, read, seal_file, unpack

__all__ = ["IntunewinPackage", "KeyMaterial", "MsiInfo", "open_encrypted", "pack", "read", "seal_file", "unpack"]
