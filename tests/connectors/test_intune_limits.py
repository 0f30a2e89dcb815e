"""What the connector sends over the shared budget stays inside what Microsoft documents, as the lab counts it."""

from pathlib import Path

from intune_lab import CORRELATION, IntuneWorld, package_file, publication

from eucora.application.planes import Assignment, Offer
from eucora.connectors.intune.connect import GRAPH_ANY, GRAPH_WRITES
from eucora.store.budget import SharedBudget
from eucora.store.database import Pool

WINDOW_S = 20
RINGS = ("ring-0-lab", "ring-1-canary", "ring-2-pilot", "ring-3-department", "ring-4-global", "ring-empty")


def test_the_budgets_hold_no_more_than_a_window_in_any_of_its_lengths() -> None:
    assert GRAPH_WRITES.burst + WINDOW_S * GRAPH_WRITES.per_s <= 100
    assert GRAPH_ANY.burst + WINDOW_S * GRAPH_ANY.per_s <= 1_000


async def test_120_assignments_one_after_the_other_are_never_throttled(pool: Pool, tmp_path: Path) -> None:
    world = IntuneWorld()
    world.budget = SharedBudget(pool, world.sleep, world.clock.now)
    world.reconnect()
    limits = world.lab.limits
    limits.on = True
    release = publication(package_file(tmp_path, size=1_000))
    published = await world.plane.publish(release, correlation_id=CORRELATION)
    began = world.clock.now()
    for number in range(120):
        offer = Offer.INSTALL if number // len(RINGS) % 2 == 0 else Offer.UNINSTALL
        group = world.group(RINGS[number % len(RINGS)])
        wanted = Assignment(release.key, published.ref, release.name, release.version, group, offer)
        assert (await world.plane.assign(wanted, correlation_id=CORRELATION)).changed
    writes = limits.windows["intune apps, writes"]
    assert writes.count >= 120
    assert limits.refused == 0
    assert 85 < writes.peak <= 100, "the budget is used, and kept"
    took_s = (world.clock.now() - began).total_seconds()
    assert took_s <= 1.3 * 120 * WINDOW_S / 100, "nor does it wait much longer than the limit asks for"
