"""Route of the ring board: applications × rings, what stands where."""

from datetime import datetime

from eucora.api.asking import HouseDep, Listing, PagingDep, Told, fresh
from eucora.api.routes import noun, readers
from eucora.domain.gate_types import Verdict
from eucora.domain.rings import Counts, Ring
from eucora.projections.ring_cells import CellStatus

router = noun("ring-board")


class CellBody(Told):
    """One ring of one intent. ``devices``: in the frozen cohort, planned before; ``counts``: latest measurement."""

    intent_id: str
    app_version: str
    ring: Ring
    status: CellStatus
    devices: int
    counts: tuple[Counts, ...]
    verdict: Verdict | None
    gates_at: datetime | None
    opened_at: datetime | None
    left_at: datetime | None


class BoardLine(Told):
    """One application: the newest intent of each ring ever opened, and the rings that its newest intent plans."""

    application_id: str
    application: str
    newest_intent: str
    cells: tuple[CellBody, ...]
    planned: tuple[CellBody, ...]


@router.get("", dependencies=[fresh("intents")])
@readers()
async def get_ring_board(house: HouseDep, page: PagingDep) -> Listing[BoardLine]:
    """The board, by application id."""
    found = await house.reads.ring_board.page(after=page.after, limit=page.limit, within=page.within)
    items = [BoardLine.model_validate(row) for row in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))
