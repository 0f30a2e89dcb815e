"""What a number of devices proves: known answers, ends, and independence from the caller's decimal context."""

from decimal import ROUND_CEILING, Context, Decimal, localcontext
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.statistics import (
    devices_needed,
    percent,
    percent_of,
    reaches,
    wilson_lower,
    wilson_upper,
)

ONE_STEP = Decimal("0.000001")
counts = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(("threshold", "devices"), [("0.95", 59), ("0.97", 99), ("0.98", 149), ("0.99", 299)])
def test_a_threshold_needs_this_many_devices_without_a_failure(threshold: str, devices: int) -> None:
    assert devices_needed(Decimal(threshold)) == devices


@pytest.mark.parametrize("threshold", ["0.5", "0.9", "0.95", "0.97", "0.98", "0.99", "0.995", "0.999"])
def test_the_needed_devices_are_the_least_that_prove_it(threshold: str) -> None:
    rate, devices = Decimal(threshold), devices_needed(Decimal(threshold))
    assert devices is not None
    assert rate**devices <= Decimal("0.05") < rate ** (devices - 1)


def test_no_number_of_devices_proves_certainty_and_one_proves_nothing_at_all() -> None:
    assert devices_needed(Decimal(1)) is None
    assert devices_needed(Decimal(0)) == 1


@pytest.mark.parametrize(("threshold", "confidence"), [("-0.01", "0.95"), ("1.01", "0.95"), ("0.9", "0"), ("0.9", "1")])
def test_a_threshold_or_confidence_outside_its_range_is_refused(threshold: str, confidence: str) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        devices_needed(Decimal(threshold), Decimal(confidence))


# Rounded outward; the next test shows that they solve the equation that defines them.
@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [
        (10, 10, "0.787058", "1"),
        (0, 10, "0", "0.212942"),
        (9, 10, "0.652281", "0.977366"),
        (97, 100, "0.927289", "0.987949"),
        (100, 100, "0.973657", "1"),
    ],
)
def test_wilson_bounds_of_known_counts(successes: int, n: int, lower: str, upper: str) -> None:
    assert wilson_lower(successes, n) == Decimal(lower)
    assert wilson_upper(successes, n) == Decimal(upper)


@settings(max_examples=50)
@given(counts)
def test_the_bounds_solve_the_score_equation(pair: tuple[int, int]) -> None:
    """Wilson's bounds are the x with (p - x)² n = z² x (1 - x): inside, the left side is smaller; outside, larger."""
    successes, n = pair
    z2 = Decimal(NormalDist().inv_cdf(0.95)) ** 2

    def excess(x: Decimal) -> Decimal:
        return (Decimal(successes) / n - x) ** 2 * n - z2 * x * (1 - x)

    lower, upper = wilson_lower(successes, n), wilson_upper(successes, n)
    if lower > 0:
        assert excess(lower - ONE_STEP) > 0 > excess(lower + 2 * ONE_STEP)
    if upper < 1:
        assert excess(upper + ONE_STEP) > 0 > excess(upper - 2 * ONE_STEP)


def test_nothing_observed_proves_nothing() -> None:
    assert (wilson_lower(0, 0), wilson_upper(0, 0)) == (Decimal(0), Decimal(1))


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (1, 0)])
def test_counts_that_cannot_be_are_refused(successes: int, n: int) -> None:
    for bound in (wilson_lower, wilson_upper):
        with pytest.raises(ValueError, match="cannot be"):
            bound(successes, n)


def test_a_confidence_without_a_quantile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no quantile for confidence 0\.42"):
        wilson_lower(1, 2, Decimal("0.42"))


@pytest.mark.parametrize("confidence", ["0.90", "0.95", "0.99"])
def test_quantiles_are_those_of_the_normal_distribution(confidence: str) -> None:
    """With every device installed the bound is n / (n + z²), which gives z back."""
    bound = wilson_lower(1, 1, Decimal(confidence))
    z = NormalDist().inv_cdf(float(confidence))
    assert float(bound) == pytest.approx(1 / (1 + z * z), abs=1e-6)


@settings(max_examples=50)
@given(counts)
def test_the_bounds_enclose_the_rate_and_stay_in_the_unit_interval(pair: tuple[int, int]) -> None:
    successes, n = pair
    rate = Decimal(successes) / n
    assert 0 <= wilson_lower(successes, n) <= rate + ONE_STEP
    assert rate - ONE_STEP <= wilson_upper(successes, n) <= 1


@settings(max_examples=50)
@given(counts)
def test_one_success_more_never_lowers_a_bound(pair: tuple[int, int]) -> None:
    successes, n = pair
    if successes < n:
        assert wilson_lower(successes, n) <= wilson_lower(successes + 1, n)
        assert wilson_upper(successes, n) <= wilson_upper(successes + 1, n)


@settings(max_examples=50)
@given(counts)
def test_more_confidence_never_narrows_the_interval(pair: tuple[int, int]) -> None:
    ninety, ninety_nine = Decimal("0.90"), Decimal("0.99")
    assert wilson_lower(*pair, ninety_nine) <= wilson_lower(*pair) <= wilson_lower(*pair, ninety)
    assert wilson_upper(*pair, ninety_nine) >= wilson_upper(*pair) >= wilson_upper(*pair, ninety)


def test_the_callers_decimal_context_changes_nothing() -> None:
    usual = (wilson_lower(97, 100), wilson_upper(97, 100), devices_needed(Decimal("0.97")), percent_of(2, 3))
    with localcontext(Context(prec=3, rounding=ROUND_CEILING)):
        odd = (wilson_lower(97, 100), wilson_upper(97, 100), devices_needed(Decimal("0.97")), percent_of(2, 3))
    assert odd == usual


def test_a_float_is_refused_rather_than_mixed_in() -> None:
    with pytest.raises(TypeError):
        reaches(97, 100, 0.97)  # type: ignore[arg-type]  # the point is the wrong type


@pytest.mark.parametrize(
    ("part", "whole", "reached"), [(96, 100, False), (97, 100, True), (98, 100, True), (9_699_999, 10_000_000, False)]
)
def test_a_share_reaches_its_threshold_exactly_at_it(part: int, whole: int, reached: bool) -> None:
    assert reaches(part, whole, Decimal("0.97")) is reached


def test_shares_for_people_never_look_better_than_they_are() -> None:
    assert percent_of(9_699_999, 10_000_000) == "96.99 %"
    assert percent_of(97, 100) == "97.00 %"
    assert percent(Decimal("0.970")) == "97 %"
    assert percent(Decimal(1)) == "100 %"
    assert percent(Decimal("0.9995")) == "99.95 %"
