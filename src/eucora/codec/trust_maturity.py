"""Stored names of the events of trust maturity."""

from typing import Final

from eucora.domain import trust_maturity

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    trust_maturity.MaturityEvaluated: ("trust_maturity.evaluated", 1),
    trust_maturity.MaturityRiseProposed: ("trust_maturity.rise-proposed", 1),
    trust_maturity.MaturityRaised: ("trust_maturity.raised", 1),
    trust_maturity.MaturityRiseDeclined: ("trust_maturity.rise-declined", 1),
    trust_maturity.MaturityDropped: ("trust_maturity.dropped", 1),
}
