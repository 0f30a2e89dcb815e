"""Stored names of the events of a workload trust."""

from typing import Final

from eucora.domain import workload_trust

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    workload_trust.WorkloadTrustMade: ("workload_trust.made", 1),
    workload_trust.WorkloadTrustRevoked: ("workload_trust.revoked", 1),
}
