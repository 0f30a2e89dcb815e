"""CVSS ratings as scanners give them: a vector, a score, or both."""

import re
from decimal import Decimal
from typing import Final, cast

from cvss import CVSS2, CVSS3, CVSS4, CVSSError  # type: ignore[import-untyped]  # it ships no types

from eucora.domain.findings import Cvss

_VERSIONS: Final = ("2.0", "3.0", "3.1", "4.0")
_PREFIX: Final = re.compile(r"CVSS:(\d\.\d)/")
# The base metrics. The others are left away, so that the score is the base score and that few vectors are different.
_BASE: Final = {
    "2.0": frozenset(("AV", "AC", "Au", "C", "I", "A")),
    "3.0": frozenset(("AV", "AC", "PR", "UI", "S", "C", "I", "A")),
    "3.1": frozenset(("AV", "AC", "PR", "UI", "S", "C", "I", "A")),
    "4.0": frozenset(("AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA")),
}
_CALCULATORS: Final = {"2.0": CVSS2, "3.0": CVSS3, "3.1": CVSS3, "4.0": CVSS4}


class CvssRatings:
    """The ratings of one document; equal ones are one object, and each vector is computed once."""

    def __init__(self) -> None:
        self._scores: dict[tuple[str, str], Decimal | None] = {}
        self._known: dict[Cvss, Cvss] = {}

    def rating(self, vector: str, score: Decimal | None = None, version: str = "") -> Cvss | None:
        """The rating; None where it has no score, or is of no version known here.

        ``score``: what the scanner gives; where it gives none (or 0, as some do for "none"), the base score is computed
        from the vector. ``version`` counts where the vector does not name its own.
        """
        named = _PREFIX.match(vector)
        version = named.group(1) if named else version or "2.0"
        if version not in _VERSIONS:
            return None
        computed = self._computed(vector, version) if not score and vector else None
        score = score if computed is None else computed
        if score is None:
            return None
        rating = Cvss(version, vector, score)
        return self._known.setdefault(rating, rating)

    def _computed(self, vector: str, version: str) -> Decimal | None:
        metrics = [metric for metric in vector.split("/") if metric.partition(":")[0] in _BASE[version]]
        base = "/".join(metrics if version == "2.0" else [f"CVSS:{version}", *metrics])
        key = (version, base)
        if key not in self._scores:
            self._scores[key] = _base_score(base, version)
        return self._scores[key]


def _base_score(vector: str, version: str) -> Decimal | None:
    try:
        score = cast("Decimal | float", _CALCULATORS[version](vector).base_score)
    except CVSSError:
        return None  # a vector that is none says nothing; the scanner's word may still stand
    return Decimal(str(score)).quantize(Decimal("0.1"))
