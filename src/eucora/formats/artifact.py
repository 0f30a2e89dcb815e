"""Installers: what the bytes of an artifact tell about it."""

from pathlib import Path
from typing import Final

from eucora.domain.findings import ArtifactFacts, ArtifactFormat, Signature, UnreadableEvidence
from eucora.formats import intunewin
from eucora.formats.disk_image import read_disk_image
from eucora.formats.flat_package import read_flat_package
from eucora.formats.magic import recognise_file
from eucora.formats.msi import read_msi
from eucora.formats.pe import read_pe

_WAY_OUT: Final = "Hand in an .exe, .msi or .intunewin for Windows, or a flat .pkg or a .dmg for macOS."
_MARKS: Final = {ArtifactFormat.DMG: "its last 512 bytes are no trailer of a disk image"}


def inspect(path: Path, file_name: str) -> ArtifactFacts:
    """Facts of the artifact whose bytes are at ``path`` and whose name is ``file_name``.

    Raises:
        UnreadableEvidence: a format not known here, content that contradicts the name's ending, or a broken file.
        OSError: the file cannot be opened.
    """
    ending = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    named = next((known for known in ArtifactFormat if known.value == ending), None)
    if named is None:
        raise UnreadableEvidence("artifact", file_name[:100], "has no ending that is known here", _WAY_OUT)
    found = recognise_file(path)
    if found is not named:
        raise _contradiction(file_name, named, found)
    match found:
        case ArtifactFormat.EXE:
            pe = read_pe(path)
            return ArtifactFacts(found, pe.signature, architecture=pe.architecture, signed_by=pe.signed_by)
        case ArtifactFormat.MSI:
            signature, signed_by = read_msi(path)
            return ArtifactFacts(found, signature, signed_by=signed_by)
        case ArtifactFormat.INTUNEWIN:
            package = intunewin.read(path)
            # What is signed, if anything, is the encrypted installer; the package itself carries no signature.
            code, version = (package.msi.product_code, package.msi.product_version) if package.msi else ("", "")
            return ArtifactFacts(
                found,
                Signature.UNKNOWN,
                package_id=code,
                package_version=version,
                setup_file=package.setup_file,
            )
        case ArtifactFormat.PKG:
            flat = read_flat_package(path)
            return ArtifactFacts(
                found,
                flat.signature,
                package_id=flat.identifier,
                package_version=flat.version,
                signed_by=flat.signed_by,
            )
        case ArtifactFormat.DMG:
            image = read_disk_image(path)
            return ArtifactFacts(found, image.signature, signed_by=image.signed_by)


def _contradiction(file_name: str, named: ArtifactFormat, found: ArtifactFormat | None) -> UnreadableEvidence:
    if found is None:
        asked = "a zip" if named is ArtifactFormat.INTUNEWIN else f"the .{named} file that its name says"
        reason = f"is not {asked}: {_MARKS.get(named, 'its first bytes are those of no known format')}"
    else:
        reason = f"is named .{named}, but its content is that of an .{found}"
    return UnreadableEvidence(str(named), file_name[:100], reason, _WAY_OUT)
