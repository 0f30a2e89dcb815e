"""A look at many Macs that one of them breaks off: what was read is told first, so the next look has less to do."""

from pathlib import Path

import httpx
import pytest
from jamf_rig import CORRELATION, Distorting, Rig, a_publication, a_watch, offered

from eucora.application.planes import Observation, PlaneUnavailable


async def test_what_was_read_before_a_request_failed_is_told_before_the_failure(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 1)
    rig.clock.advance(6 * 3600)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[1])]
    failing = devices[-1]

    def busy(request: httpx.Request, _: int) -> httpx.Response | None:
        ours = f"/computerhistory/id/{failing}/" in request.url.path
        return httpx.Response(503, text="busy", request=request) if ours else None

    told: list[Observation] = []
    watch = a_watch(publication, ref, devices)

    async def look() -> None:
        async for batch in rig.plane(Distorting(rig, busy)).observe(watch, correlation_id=CORRELATION):
            told.extend(batch)

    with pytest.raises(PlaneUnavailable):
        await look()
    assert len(told) >= len(devices) - 10  # at most those that were on their way along with it are lost
    assert failing not in {seen.device_id for seen in told}
