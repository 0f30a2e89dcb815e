"""Problem rows of workload trusts."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import workload_trust
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    workload_trust.TrustUnknown: Row(404, "workload-trust-unknown", "There is no such workload trust"),
    workload_trust.TrustIdTaken: Row(409, "workload-trust-id-taken", "The trust stands with other terms"),
    workload_trust.TrustNotConditioned: Row(
        422, "workload-trust-not-conditioned", "The trust would let in everybody who uses the CI", "#/conditions"
    ),
    workload_trust.TrustTermsInvalid: Row(422, "workload-trust-invalid", "The terms of the trust are not sound"),
    workload_trust.TrustIssuerNotAllowed: Row(
        422, "workload-issuer-not-allowed", "The installation does not go to this issuer", "#/issuer"
    ),
    workload_trust.TrustRoleJudges: Row(
        422, "workload-trust-role-judges", "A pipeline judges nobody's work", "#/grants"
    ),
    workload_trust.WorkloadTokenSpent: Row(
        401, "workload-token-spent", "The token of the workload was exchanged before"
    ),
    workload_trust.TrustGrantNotHeld: Row(
        403, "workload-trust-grant-not-held", "Nobody grants what he does not hold", "#/grants"
    ),
}
