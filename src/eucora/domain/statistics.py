"""What a number of devices proves: Wilson bounds of a share, and how many clean devices a threshold needs.

Everything is Decimal under a context of our own, so the same counts give the same digits on every machine and whatever
the caller's context is; the context also refuses to mix in a float.
"""

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Final

CONFIDENCE: Final = Decimal("0.95")

ARITHMETIC: Final = Context(
    prec=34, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation]
)

# One-sided quantiles of the standard normal distribution. Source: any table of it; checked in the tests.
_QUANTILE: Final = {
    Decimal("0.90"): Decimal("1.2815515655446004"),
    Decimal("0.95"): Decimal("1.6448536269514722"),
    Decimal("0.99"): Decimal("2.3263478740408408"),
}
_BOUND_STEP: Final = Decimal("0.000001")
_PERCENT_STEP: Final = Decimal("0.01")


def wilson_lower(successes: int, n: int, confidence: Decimal = CONFIDENCE) -> Decimal:
    """Lower end of the one-sided Wilson score interval for ``successes`` of ``n``, 0..1, rounded down to six decimals.

    0 where ``n`` is 0: nothing observed proves nothing.

    Raises:
        ValueError: counts that cannot be, or a confidence other than 0.90, 0.95 or 0.99.
    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    low, _ = _wilson(successes, n, confidence)
    return low


def wilson_upper(successes: int, n: int, confidence: Decimal = CONFIDENCE) -> Decimal:
    """Upper end of the same interval, rounded up to six decimals; 1 where ``n`` is 0. Raises like the lower end."""
    _, high = _wilson(successes, n, confidence)
    return high


def devices_needed(threshold: Decimal, confidence: Decimal = CONFIDENCE) -> int | None:
    """Devices that must all succeed before a success rate of at least ``threshold`` (0..1) is proven; None at 1.

    The exact binomial answer: the least n with ``threshold ** n <= 1 - confidence``. It asks for a little more than the
    Wilson bound does (59 against 52 for 0.95), which is an approximation.

    Raises:
        ValueError: a threshold or a confidence outside 0..1.
    """
    if not (0 <= threshold <= 1 and 0 < confidence < 1):
        raise ValueError(f"threshold {threshold} and confidence {confidence} must lie in 0..1")
    if threshold == 1:
        return None
    if threshold == 0:
        return 1
    with localcontext(ARITHMETIC):
        return int(((1 - confidence).ln() / threshold.ln()).to_integral_value(rounding=ROUND_CEILING))


def reaches(part: int, whole: int, threshold: Decimal) -> bool:
    """Whether ``part / whole >= threshold``, compared without a division that would have to round."""
    with localcontext(ARITHMETIC):
        return part >= Decimal(whole) * threshold


def percent(share: Decimal) -> str:
    """A threshold or bound for people, every digit of it: ``0.97`` is "97 %"."""
    with localcontext(ARITHMETIC):
        return f"{(share * 100).normalize():f} %"


def percent_of(part: int, whole: int) -> str:
    """``part / whole`` for people, cut off after two decimals: what falls short must not look as if it did not."""
    with localcontext(ARITHMETIC):
        return f"{(Decimal(part) * 100 / whole).quantize(_PERCENT_STEP, rounding=ROUND_FLOOR):f} %"


def _wilson(successes: int, n: int, confidence: Decimal) -> tuple[Decimal, Decimal]:
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} cannot be")
    if confidence not in _QUANTILE:
        raise ValueError(f"no quantile for confidence {confidence}; there are {', '.join(map(str, _QUANTILE))}")
    if n == 0:
        return Decimal(0), Decimal(1)
    with localcontext(ARITHMETIC):
        z = _QUANTILE[confidence]
        share, z2 = Decimal(successes) / n, z * z
        centre = share + z2 / (2 * n)
        half = z * (share * (1 - share) / n + z2 / (4 * n * n)).sqrt()
        scale = 1 + z2 / n
        # At no success and at no failure the end is 0 or 1 exactly, which the arithmetic misses by its last digit.
        low = Decimal(0) if successes == 0 else (centre - half) / scale
        high = Decimal(1) if successes == n else (centre + half) / scale
        return low.quantize(_BOUND_STEP, rounding=ROUND_FLOOR), high.quantize(_BOUND_STEP, rounding=ROUND_CEILING)
