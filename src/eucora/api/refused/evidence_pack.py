"""Problem rows of evidence packs: newer scans, and what is derived from kept files."""

from typing import Final

from eucora.api.problems import Row
from eucora.application import evidence, evidence_answers, evidence_files
from eucora.domain import evidence_pack as pack
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    pack.InstallNeedsInvalid: Row(422, "install-needs-invalid", "An install plan asks what cannot be", "#/installs"),
    pack.PackNotAssembled: Row(404, "evidence-pack-not-assembled", "No evidence pack of this digest was assembled"),
    evidence_answers.DocumentNotInPack: Row(404, "document-not-in-pack", "The pack has no such document"),
    evidence.UnknownException: Row(
        422, "policy-exception-not-on-record", "The pack names an unknown exception", "#/exceptions"
    ),
    evidence_files.DocumentLost: Row(409, "document-lost", "The artifact store lost a document"),
    evidence_files.DocumentAltered: Row(409, "document-altered", "A stored document was altered"),
    pack.PackHasNoSbom: Row(409, "evidence-pack-without-sbom", "The pack has no SBOM"),
    pack.ScanNotNewer: Row(409, "scan-not-newer", "The scan was replaced by a newer one", "#/document"),
    pack.RescanOlder: Row(409, "rescan-older", "The scan is older than the one it would replace", "#/document"),
    pack.RescanDropsCritical: Row(403, "rescan-drops-critical", "A critical finding would be dropped", "#/document"),
    pack.RescanOvertaken: Row(409, "rescan-overtaken", "Another newer scan came in meanwhile"),
}
