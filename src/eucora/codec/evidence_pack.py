"""Stored names of the events of an evidence pack."""

from typing import Final

from eucora.domain import evidence_pack

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    evidence_pack.EvidencePackAssembled: ("evidence_pack.assembled", 1),
    evidence_pack.EvidenceRescanned: ("evidence_pack.rescanned", 1),
}
