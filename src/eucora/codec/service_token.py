"""Stored names of the events of a service token."""

from typing import Final

from eucora.domain import service_token

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    service_token.ServiceTokenIssued: ("service_token.issued", 1),
    service_token.ServiceTokenRevoked: ("service_token.revoked", 1),
}
