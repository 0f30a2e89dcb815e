"""Faults that strike at random: one kind on one upstream with a probability, drawn from the lab's seed.

Nothing is left to chance: request number n of an upstream meets the same faults in every run of one seed.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from eucora.lab.roster import draw

UPSTREAMS: Final = ("entra", "graph", "blob", "jamf", "kandji", "oidc")
_RATES_MAX: Final = 500
_PLANES: Final = frozenset(("graph", "jamf"))


class FaultKind(StrEnum):
    """What goes wrong. The first six end the request; the others let it through, changed."""

    THROTTLED = "throttled"  # 429
    SERVER_ERROR = "server_error"  # 500, 502, 503 or 504, in the vendor's own shape
    HTML_ERROR = "html_error"  # the same, as a page of a proxy in front of the vendor
    CUT_BEFORE = "cut_before"  # the connection ends before anything was done
    CUT_AFTER = "cut_after"  # everything was done, and the answer is lost
    TIMEOUT = "timeout"  # everything was done, and the answer comes too late
    SAS_REFUSED = "sas_refused"  # 403: the signed address of an upload is not taken
    BATCH_PART_THROTTLED = "batch_part_throttled"  # 429 for one part of a batch, the others are answered
    SLOW = "slow"  # the answer comes late, and in time
    CLOCK_SKEW = "clock_skew"  # the Date header and the times of tokens are off
    TOKENS_REVOKED = "tokens_revoked"  # every token issued so far ends now
    LYING_STATUS = "lying_status"  # whatever is offered is called installed, in this one answer
    IGNORED_FILTER = "ignored_filter"  # $filter on devices does nothing
    DUPLICATE_NAME = "duplicate_name"  # somebody else makes an app of the same name, a moment before


# Where a kind can happen; elsewhere it means nothing.
APPLIES: Final[Mapping[FaultKind, Collection[str]]] = {
    FaultKind.THROTTLED: frozenset(UPSTREAMS),
    FaultKind.SERVER_ERROR: frozenset(UPSTREAMS),
    FaultKind.HTML_ERROR: frozenset(UPSTREAMS),
    FaultKind.CUT_BEFORE: frozenset(UPSTREAMS),
    FaultKind.CUT_AFTER: frozenset(UPSTREAMS),
    FaultKind.TIMEOUT: frozenset(UPSTREAMS),
    FaultKind.SAS_REFUSED: frozenset(("blob",)),
    FaultKind.BATCH_PART_THROTTLED: frozenset(("graph",)),
    FaultKind.SLOW: frozenset(UPSTREAMS),
    FaultKind.CLOCK_SKEW: frozenset(UPSTREAMS),
    FaultKind.TOKENS_REVOKED: _PLANES,
    FaultKind.LYING_STATUS: _PLANES,
    FaultKind.IGNORED_FILTER: frozenset(("graph",)),
    FaultKind.DUPLICATE_NAME: frozenset(("graph",)),
}
ENDS: Final = frozenset(list(FaultKind)[:8])  # of these a request meets one at most


class RetryAfter(StrEnum):
    """How a 429 says when to come back; ``any``: drawn for each."""

    ANY = "any"
    NONE = "none"
    SECONDS = "seconds"
    DECIMAL = "decimal"
    DATE = "date"


class TooManyRates(Exception):
    """So many are in force that no other is kept."""


@dataclass(frozen=True, slots=True)
class FaultRate:
    """Requests of ``upstream`` that fit meet ``kind`` with ``probability`` (0..1).

    ``delay_s``: by how much a late answer is late. ``skew_s``: by how much a clock is off, either way.
    """

    upstream: str
    kind: FaultKind
    probability: float
    method: str = ""  # empty: any
    path_contains: str = ""
    retry_after: RetryAfter = RetryAfter.ANY
    delay_s: float = 60.0
    skew_s: float = 90.0

    @property
    def key(self) -> tuple[str, FaultKind, str, str]:
        """What a later rate of the same key takes the place of."""
        return self.upstream, self.kind, self.method, self.path_contains


@dataclass(frozen=True, slots=True)
class Hit:
    """That a rate struck request ``number`` of its upstream; ``share`` gives further draws for it."""

    rate: FaultRate
    seed: int
    number: int

    def share(self, what: str) -> float:
        """A number in 0..1 (1 excluded) for one question about this hit."""
        return draw(self.seed, "hit", self.rate.upstream, self.rate.kind, self.number, what)


class FaultRates:
    """The rates in force, and how often each kind struck."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rates: dict[tuple[str, FaultKind, str, str], FaultRate] = {}
        self._numbers: Counter[str] = Counter()
        self.struck: Counter[tuple[str, FaultKind]] = Counter()  # (upstream, kind)

    def __iter__(self) -> Iterator[FaultRate]:
        return iter(tuple(self._rates.values()))

    def put(self, rate: FaultRate) -> None:
        """Put ``rate`` in force in place of one for the same requests; probability 0 ends it. Raises TooManyRates."""
        if rate.probability == 0:
            self._rates.pop(rate.key, None)
            return
        if rate.key not in self._rates and len(self._rates) >= _RATES_MAX:
            raise TooManyRates
        self._rates[rate.key] = rate

    def clear(self) -> None:
        """No rate is in force any more; requests are numbered on."""
        self._rates.clear()

    def strike(self, upstream: str, method: str, path: str, *, part: bool) -> list[Hit]:
        """What the next request meets, the kind that ends it last; ``part``: it is one of a batch."""
        self._numbers[upstream] += 1
        number = self._numbers[upstream]
        hits = [
            Hit(rate, self._seed, number)
            for rate in self._rates.values()
            if rate.upstream == upstream
            and rate.method in ("", method)
            and rate.path_contains in path
            and part is (rate.kind is FaultKind.BATCH_PART_THROTTLED)
            and draw(self._seed, "fault", *rate.key, number) < rate.probability
        ]
        ends = [hit for hit in hits if hit.rate.kind in ENDS]
        if ends:  # of several none is favoured
            ends = [min(ends, key=lambda hit: hit.share("precedence"))]
        met = [hit for hit in hits if hit.rate.kind not in ENDS] + ends
        self.struck.update((upstream, hit.rate.kind) for hit in met)
        return met
