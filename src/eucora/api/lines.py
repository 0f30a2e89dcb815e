"""Places for requests in work, and a line behind them that nobody fills alone."""

import asyncio
from collections import Counter
from typing import Final

SHARE: Final = 4  # nobody holds more than one in four of the places, nor, once it is half full, of the line behind them
WORKING_LEAST: Final = 2  # so many each may have of a small line, too
WAITING_LEAST: Final = 4


class LineFull(Exception):
    """Nobody else may wait here."""


class ShareTaken(Exception):
    """The holder has as many requests here as one may."""


class Line:
    """``working`` at once, ``waiting`` behind them in order of arrival.

    Who names himself as holder is overtaken by others while he has his share in work, and waits with as many as he
    likes while half of the line is free, beyond that with his share of it. Who does not is told from nobody, and may
    have all of it.
    """

    def __init__(self, working: int, waiting: int) -> None:
        self._working_max, self._waiting_max, self.places = working, waiting, working + waiting
        self._each_working = max(WORKING_LEAST, working // SHARE)
        self._each_waiting, self._free = max(WAITING_LEAST, waiting // SHARE), waiting // 2
        self._at_work, self._behind = Holders(), Holders()  # behind: in line, or out for a while
        self._line: dict[asyncio.Future[None], str] = {}

    async def enter(self, holder: str = "") -> None:
        """Return when it is the caller's turn. Raises LineFull, ShareTaken."""
        if self._may_work(holder):
            self._at_work.add(holder)
            return
        self._join(holder)
        await self._turn(holder)

    def leave(self, holder: str = "") -> None:
        """Give up a place in work; the next in line has it."""
        self._at_work.drop(holder)
        for called, other in [*self._line.items()]:
            if self._at_work.in_all >= self._working_max:
                break
            if not called.done() and self._may_work(other):
                self._at_work.add(other)
                called.set_result(None)

    def step_out(self, holder: str) -> None:
        """Change a place in work for one behind it, without standing in line until :meth:`come_back`.

        Raises LineFull, ShareTaken: the place in work is still held.
        """
        self._join(holder)
        self.leave(holder)

    async def come_back(self, holder: str) -> None:
        """Return when it is the turn of whoever stepped out, however long the line is by now."""
        if self._may_work(holder):
            self._behind.drop(holder)
            self._at_work.add(holder)
            return
        await self._turn(holder)

    def stay_out(self, holder: str) -> None:
        """Whoever stepped out does not come back."""
        self._behind.drop(holder)

    def hand_over(self, holder: str, person: str) -> bool:
        """A place in work that was taken as ``holder`` is that of ``person``. False: he has his share of them, so it is
        one behind them until :meth:`come_back`. Raises LineFull, ShareTaken: nothing changed.
        """
        at_work = self._at_work.of(person) < self._each_working
        if at_work:
            self._at_work.add(person)
        else:
            self._join(person)
        self.leave(holder)
        return at_work

    def _may_work(self, holder: str) -> bool:
        if self._at_work.in_all >= self._working_max:
            return False
        return not holder or self._at_work.of(holder) < self._each_working

    def _join(self, holder: str) -> None:
        if holder and self._behind.in_all >= self._free and self._behind.of(holder) >= self._each_waiting:
            raise ShareTaken
        if self._behind.in_all >= self._waiting_max:
            raise LineFull
        self._behind.add(holder)

    async def _turn(self, holder: str) -> None:
        """Stand in line, counted as behind the others already; whoever calls has taken the place for us."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[called] = holder
        try:
            await called
        except BaseException:
            if called.done() and not called.cancelled():  # the place came in the moment in which he gave up
                self.leave(holder)
            raise
        finally:
            del self._line[called]
            self._behind.drop(holder)


class Holders:
    """Who holds how many."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self.in_all = 0

    def of(self, holder: str) -> int:
        return self._counted[holder]

    def add(self, holder: str) -> None:
        self._counted[holder] += 1
        self.in_all += 1

    def drop(self, holder: str) -> None:
        self._counted[holder] -= 1
        self.in_all -= 1
        if not self._counted[holder]:
            del self._counted[holder]


class Place:
    """The place of one request in its line. ``holder`` empty: of somebody who need not be told from others."""

    def __init__(self, line: Line, holder: str) -> None:
        self._line, self._holder, self._held = line, holder, False

    async def take(self) -> None:
        """Return when it is the request's turn. Raises LineFull, ShareTaken."""
        await self._line.enter(self._holder)
        self._held = True

    def give_up(self) -> None:
        """At the end of the request, however it ended."""
        if self._held:
            self._held = False
            self._line.leave(self._holder)

    async def is_of(self, person: str) -> None:
        """It is known by now who asks; return when it is his turn. Raises LineFull, ShareTaken: he may not wait."""
        if not self._holder or self._holder == person:
            return
        self._held = self._line.hand_over(self._holder, person)
        self._holder = person
        if not self._held:
            await self.come_back()

    def step_out(self) -> None:
        """Let others work until :meth:`come_back` or :meth:`stay_out`. Raises LineFull, ShareTaken: too many wait."""
        if self._holder:
            self._line.step_out(self._holder)
            self._held = False

    def stay_out(self) -> None:
        """Nothing is left to do but to tell why."""
        if self._holder:
            self._line.stay_out(self._holder)

    async def come_back(self) -> None:
        """Return when it is the request's turn again."""
        if self._holder:
            await self._line.come_back(self._holder)
            self._held = True
