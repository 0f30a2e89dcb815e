"""The same work is done once for all who ask for it meanwhile, and for nobody it is not done."""

import asyncio

import pytest

from eucora.application.together import Together


class Work:
    """Counts how often it is begun and ended early; comes to ``result`` when let go."""

    def __init__(self, result: str = "done") -> None:
        self.begun = self.cut_off = 0
        self.let_go = asyncio.Event()
        self.result: str | Exception = result

    async def do(self) -> str:
        self.begun += 1
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_for_the_same_waits_for_the_same() -> None:
    together, work, other = Together[str](), Work(), Work("other")
    asked = [asyncio.create_task(together.of("pack", work.do)) for _ in range(60)]
    beside = asyncio.create_task(together.of("another", other.do))
    await settled()
    assert (work.begun, other.begun) == (1, 1)
    work.let_go.set()
    assert {await one for one in asked} == {"done"}
    other.let_go.set()
    assert await beside == "other"
    assert await together.of("pack", work.do) == "done"
    assert work.begun == 2, "nothing was kept"


async def test_it_goes_on_for_those_who_stay_and_ends_with_the_last() -> None:
    together, work = Together[str](), Work()
    leaves, stays = [asyncio.create_task(together.of("pack", work.do)) for _ in range(2)]
    await settled()
    leaves.cancel()
    await settled()
    assert (work.cut_off, stays.done()) == (0, False)
    stays.cancel()
    await settled()
    assert work.cut_off == 1
    again = asyncio.create_task(together.of("pack", work.do))
    await settled()
    assert work.begun == 2
    work.let_go.set()
    assert await again == "done"


async def test_everybody_is_told_of_a_failure_and_the_next_tries_anew() -> None:
    together, work = Together[str](), Work()
    work.result = ValueError("unreadable")
    asked = [asyncio.create_task(together.of("pack", work.do)) for _ in range(3)]
    await settled()
    work.let_go.set()
    for one in asked:
        with pytest.raises(ValueError, match="unreadable"):
            await one
    work.result = "done"
    assert await together.of("pack", work.do) == "done"
