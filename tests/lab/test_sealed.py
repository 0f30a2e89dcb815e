"""The lab's own reading of the encrypted format, held to one real package."""

import base64
import hashlib
import io
import json
import zipfile
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from lab_world import sealed

from eucora.lab.sealed import EncryptionInfo, SealBroken, open_content
from vendor_contracts import FOLDER

KNOWN_ANSWER = FOLDER / "intunewin-known-answer.json"


@pytest.fixture
def package() -> tuple[bytes, Element, dict[str, Any]]:
    """The encrypted file, its Detection.xml, and what is known about it."""
    if not KNOWN_ANSWER.exists():
        pytest.skip("the known answer is not beside the repository")
    known = json.loads(KNOWN_ANSWER.read_text())
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(known["outer_zip_base64"]))) as outer:
        data = outer.read("IntuneWinPackage/Contents/IntunePackage.intunewin")
        return data, fromstring(outer.read("IntuneWinPackage/Metadata/Detection.xml")), known


@pytest.mark.contracts
def test_a_real_package_opens(package: tuple[bytes, Element, dict[str, Any]]) -> None:
    data, detection, known = package
    encryption = detection.find("EncryptionInfo")
    assert encryption is not None
    info = {child.tag[0].lower() + child.tag[1:]: child.text for child in encryption}
    opened = open_content(
        data,
        EncryptionInfo.parse(info),
        size=int(detection.findtext("UnencryptedContentSize") or 0),
        size_encrypted=known["encrypted_size"],
        setup_file=detection.findtext("SetupFile") or "",
    )
    assert opened.encrypted_sha256 == hashlib.sha256(data).hexdigest()
    assert opened.plain_sha256 == base64.b64decode(info["fileDigest"] or "").hex()
    assert opened.setup_sha256 is not None


def test_a_setup_file_that_is_not_inside_has_no_digest() -> None:
    package = sealed()
    opened = open_content(
        package.data,
        EncryptionInfo.parse(package.info),
        size=package.plain_size,
        size_encrypted=len(package.data),
        setup_file="other.exe",
    )
    assert opened.setup_sha256 is None


@pytest.mark.parametrize("length", [0, 47, 48, 63])
def test_a_file_without_a_whole_cipher_block_is_broken(length: int) -> None:
    package = sealed()
    info = EncryptionInfo.parse(package.info)
    with pytest.raises(SealBroken):
        open_content(package.data[:length], info, size=1, size_encrypted=length, setup_file="x")
