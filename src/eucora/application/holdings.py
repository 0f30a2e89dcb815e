"""What a group that we keep on a plane holds, beside what it was gathered for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """What a group of ours holds beside what it is to hold. ``exists`` False: nobody finds it any more.

    ``missing``: devices that are in ``source`` and not in it. ``foreign``: members that nobody asked for and that may
    get what is offered, in a few words each, sorted; a device that is not enrolled gets nothing.
    """

    exists: bool
    missing: int = 0
    foreign: tuple[str, ...] = ()
