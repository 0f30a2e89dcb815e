"""Readers of CI jobs' tokens: the same rules as for people's, with the keys of another issuer."""

from dataclasses import dataclass, field
from typing import Final

import httpx

from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.tokens import TokenReader
from eucora.application.ports import Clock
from eucora.domain.workload_trust import Terms
from eucora.domain.workload_trust_issuers import IssuerList

READERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class WorkloadIssuers:
    """Which issuers may be trusted, and the way to their keys, which its owner closes; None: there is none."""

    allowed: IssuerList = field(default_factory=IssuerList)
    http: httpx.AsyncClient | None = None


class WorkloadReaders:
    """One for each issuer and audience that somebody trusts, so that keys are read once and not for each job."""

    def __init__(self) -> None:
        self._readers: dict[tuple[str, str], TokenReader] = {}

    def of(self, terms: Terms, http: httpx.AsyncClient, clock: Clock) -> TokenReader:
        """``http``: what keys are read with."""
        known = (terms.issuer, terms.audience)
        if known not in self._readers:
            while len(self._readers) >= READERS_MAX:
                self._readers.pop(next(iter(self._readers)))
            self._readers[known] = TokenReader(OidcSettings(*known, http), clock)
        return self._readers[known]
