"""Ring sizes are defaults (governance.md section 6): a plan far outside is told so, and never refused."""

import pytest

from eucora.domain.ring_sizes import size_warning
from eucora.domain.rings import Ring


@pytest.mark.parametrize(
    ("ring", "few", "least", "most", "many"),
    [
        (Ring.LAB, 2, 3, 20, 21),
        (Ring.CANARY, 24, 25, 200, 201),
        (Ring.PILOT, 249, 250, 2_000, 2_001),
        (Ring.DEPARTMENT, 499, 500, 20_000, 20_001),
    ],
)
def test_less_than_half_of_the_least_and_more_than_twice_the_most_is_told(
    ring: Ring, few: int, least: int, most: int, many: int
) -> None:
    assert size_warning(ring, least) == size_warning(ring, most) == ""
    assert "so few say little" in size_warning(ring, few)
    assert f"has {many:,} devices" in size_warning(ring, many)
    assert "a fault reaches that many" in size_warning(ring, many)


def test_the_last_ring_is_the_rest_whatever_its_size() -> None:
    assert size_warning(Ring.GLOBAL, 1) == size_warning(Ring.GLOBAL, 300_000) == ""
