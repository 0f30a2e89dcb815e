"""Service token: lets a program act, inside roles and scopes, for a time. Stream: ``service_token-<id>``."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.people import Grant


@dataclass(frozen=True, slots=True)
class ServiceTokenIssued:
    """``secret_sha256`` is the digest of the token; the token itself was shown once and is stored nowhere."""

    token_id: str
    name: str
    grants: tuple[Grant, ...]
    secret_sha256: str
    expires_at: datetime
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ServiceTokenRevoked:
    by: str
    reason: str
    at: datetime


Event = ServiceTokenIssued | ServiceTokenRevoked
