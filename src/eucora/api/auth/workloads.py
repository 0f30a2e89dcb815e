"""Readers of CI jobs' tokens: the same rules as for people's, with the keys of another issuer."""

from typing import Final

from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.tokens import TokenReader
from eucora.application.ports import Clock
from eucora.domain.workload_trust import Terms

READERS_MAX: Final = 100


class WorkloadReaders:
    """One for each issuer and audience that somebody trusts, so that keys are read once and not for each job."""

    def __init__(self) -> None:
        self._readers: dict[tuple[str, str], TokenReader] = {}

    def of(self, terms: Terms, people: OidcSettings, clock: Clock) -> TokenReader:
        """``people``: whose way out of the house is used."""
        known = (terms.issuer, terms.audience)
        if known not in self._readers:
            while len(self._readers) >= READERS_MAX:
                self._readers.pop(next(iter(self._readers)))
            self._readers[known] = TokenReader(OidcSettings(*known, people.http), clock)
        return self._readers[known]
