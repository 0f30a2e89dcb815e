"""``Detection.xml``: what a package says about itself, read with bounds and written as the known tool writes it."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.intunewin.envelope import encrypted_size_of
from eucora.formats.xml_document import parse_xml

FILE_NAME: Final = "IntunePackage.intunewin"
TOOL_VERSION: Final = "1.4.0.0"  # of the package whose layout ours follows
XML_SIZE_MAX: Final = 2**20  # bytes; real ones have about one KiB
UNENCRYPTED_SIZE_MAX: Final = 30 * 2**30  # bytes; Intune takes no larger Win32 app
_TEXT_MAX: Final = 1024
_PROFILE: Final = "ProfileVersion1"
_DIGEST_ALGORITHM: Final = "SHA256"
_PLACE: Final = "Detection.xml"

KIND: Final = "intunewin"
WAY_OUT: Final = "Make the package again with the Win32 Content Prep Tool, or hand in the plain installer."


@dataclass(frozen=True, slots=True)
class MsiInfo:
    """What a package says about the MSI inside it; texts as they stand in ``Detection.xml``."""

    product_code: str
    product_version: str
    upgrade_code: str = ""
    execution_context: str = "System"  # System, User, or another word
    requires_reboot: bool = False
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class IntunewinPackage:
    """A package. Sizes are bytes; keys, MACs and digests are base64, as Graph's ``fileEncryptionInfo`` wants them."""

    name: str
    setup_file: str  # path inside the inner zip, with forward slashes
    file_name: str
    unencrypted_size: int  # of the inner zip
    encrypted_size: int  # of the content member: MAC, IV and ciphertext
    encryption_key: str = field(repr=False)
    mac_key: str = field(repr=False)
    initialization_vector: str
    mac: str
    file_digest: str  # SHA-256 of the inner zip
    file_digest_algorithm: str = _DIGEST_ALGORITHM
    profile_identifier: str = _PROFILE
    msi: MsiInfo | None = None


def refusal(place: str, reason: str) -> UnreadableEvidence:
    """The error for a package that is not what it claims to be."""
    return UnreadableEvidence(KIND, place, reason, WAY_OUT)


def safe_member_path(name: str, place: str) -> str:
    """``name`` with forward slashes, when it stays inside the folder it is put in.

    Windows tools write backslashes. Raises UnreadableEvidence for an absolute path, a drive, ``..`` or a NUL.
    """
    path = name.replace("\\", "/")
    parts = path.split("/")
    if (
        not path
        or path.startswith("/")
        or ":" in path
        or "\x00" in path
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise refusal(place, f"names a path outside the package: {name[:100]!r}")
    return path


def parse(data: bytes) -> IntunewinPackage:
    """The package that ``Detection.xml`` describes; its MAC is not checked here.

    Raises:
        UnreadableEvidence: not well-formed, an element missing, or a value out of its bounds.
    """
    root = parse_xml(data, kind=KIND, place=_PLACE, size_max=XML_SIZE_MAX, way_out=WAY_OUT)
    if root.tag != "ApplicationInfo":
        raise refusal(_PLACE, f"has the root element {root.tag[:50]!r}, not ApplicationInfo")
    encryption = root.find("EncryptionInfo")
    if encryption is None:
        raise refusal(_PLACE, "has no EncryptionInfo")
    _expect(encryption, "ProfileIdentifier", _PROFILE)
    _expect(encryption, "FileDigestAlgorithm", _DIGEST_ALGORITHM)
    file_name = safe_member_path(_text(root, "FileName"), f"{_PLACE} FileName")
    if "/" in file_name:
        raise refusal(f"{_PLACE} FileName", "is not a bare file name")
    size = _size(root)
    msi = root.find("MsiInfo")
    return IntunewinPackage(
        name=_text(root, "Name"),
        setup_file=safe_member_path(_text(root, "SetupFile"), f"{_PLACE} SetupFile"),
        file_name=file_name,
        unencrypted_size=size,
        encrypted_size=encrypted_size_of(size),
        encryption_key=_base64(encryption, "EncryptionKey", 32),
        mac_key=_base64(encryption, "MacKey", 32),
        initialization_vector=_base64(encryption, "InitializationVector", 16),
        mac=_base64(encryption, "Mac", 32),
        file_digest=_base64(encryption, "FileDigest", 32),
        msi=None if msi is None else _msi(msi),
    )


def render(package: IntunewinPackage) -> bytes:
    """``Detection.xml`` for a package, UTF-8."""
    root = Element("ApplicationInfo", {"ToolVersion": TOOL_VERSION})
    for tag, value in (
        ("Name", package.name),
        ("UnencryptedContentSize", str(package.unencrypted_size)),
        ("FileName", package.file_name),
        ("SetupFile", package.setup_file.replace("/", "\\")),  # Windows reads it
    ):
        SubElement(root, tag).text = value
    encryption = SubElement(root, "EncryptionInfo")
    for tag, value in (
        ("EncryptionKey", package.encryption_key),
        ("MacKey", package.mac_key),
        ("InitializationVector", package.initialization_vector),
        ("Mac", package.mac),
        ("ProfileIdentifier", package.profile_identifier),
        ("FileDigest", package.file_digest),
        ("FileDigestAlgorithm", package.file_digest_algorithm),
    ):
        SubElement(encryption, tag).text = value
    if package.msi is not None:
        _render_msi(SubElement(root, "MsiInfo"), package.msi)
    indent(root)
    rendered: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return rendered


def _render_msi(parent: Element, msi: MsiInfo) -> None:
    for tag, value in (
        ("MsiProductCode", msi.product_code),
        ("MsiProductVersion", msi.product_version),
        ("MsiUpgradeCode", msi.upgrade_code),
        ("MsiExecutionContext", msi.execution_context),
        ("MsiRequiresReboot", "true" if msi.requires_reboot else "false"),
        ("MsiPublisher", msi.publisher),
    ):
        SubElement(parent, tag).text = value


def _msi(element: Element) -> MsiInfo:
    return MsiInfo(
        product_code=_text(element, "MsiProductCode"),
        product_version=_text(element, "MsiProductVersion"),
        upgrade_code=_text(element, "MsiUpgradeCode", required=False),
        execution_context=_text(element, "MsiExecutionContext", required=False) or "System",
        requires_reboot=_text(element, "MsiRequiresReboot", required=False).lower() == "true",
        publisher=_text(element, "MsiPublisher", required=False),
    )


def _text(parent: Element, tag: str, *, required: bool = True) -> str:
    place = f"{_PLACE} {tag}"
    if len(parent.findall(tag)) > 1:
        raise refusal(place, "is there more than once")
    text = (parent.findtext(tag) or "").strip()
    if required and not text:
        raise refusal(place, "is missing")
    if len(text) > _TEXT_MAX:
        raise refusal(place, f"is longer than {_TEXT_MAX} characters")
    return text


def _expect(parent: Element, tag: str, value: str) -> None:
    if (found := _text(parent, tag)) != value:
        raise refusal(f"{_PLACE} {tag}", f"is {found[:50]!r}, not {value!r}")


def _size(root: Element) -> int:
    text = _text(root, "UnencryptedContentSize")
    if not (text.isascii() and text.isdigit() and len(text) < 16 and 0 < int(text) <= UNENCRYPTED_SIZE_MAX):
        raise refusal(f"{_PLACE} UnencryptedContentSize", f"is no size from 1 to {UNENCRYPTED_SIZE_MAX} bytes")
    return int(text)


def _base64(parent: Element, tag: str, length: int) -> str:
    text = _text(parent, tag)
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal(f"{_PLACE} {tag}", "is not base64") from error
    if len(value) != length:
        raise refusal(f"{_PLACE} {tag}", f"has {len(value)} bytes, not {length}")
    return text
