"""CVSS ratings: known answers, and what counts where a scanner gives a score, a vector, or both."""

from decimal import Decimal

import pytest

from eucora.domain.findings import Cvss
from eucora.formats.cvss_rating import CvssRatings


@pytest.mark.parametrize(
    ("vector", "version", "score"),
    [
        # The examples of FIRST's own documents for each version.
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "3.1", "9.8"),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "3.0", "6.1"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "4.0", "9.3"),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", "2.0", "10.0"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "3.1", "0.0"),
    ],
)
def test_a_vector_gives_the_base_score(vector: str, version: str, score: str) -> None:
    assert CvssRatings().rating(vector) == Cvss(version, vector, Decimal(score))


def test_only_base_metrics_count() -> None:
    base = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    tempered = CvssRatings().rating(f"{base}/E:U/RL:O/RC:U/MAV:P")
    assert tempered is not None
    assert tempered.score == Decimal("9.8")


def test_the_score_that_a_scanner_gives_counts_and_its_zero_is_none() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    ratings = CvssRatings()
    assert ratings.rating(vector, Decimal("5.0")) == Cvss("3.1", vector, Decimal("5.0"))
    assert ratings.rating(vector, Decimal(0)) == Cvss("3.1", vector, Decimal("9.8"))


@pytest.mark.parametrize(
    "vector", ["", "CVSS:3.1/", "CVSS:3.1/AV:N", "CVSS:9.9/AV:N", "nonsense", "CVSS:3.1/AV:N/AV:N", "CVSS:4.0/AV:Z"]
)
def test_a_vector_that_is_none_gives_no_rating(vector: str) -> None:
    assert CvssRatings().rating(vector) is None
