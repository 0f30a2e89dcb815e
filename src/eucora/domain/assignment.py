"""Percentages of a group: which devices fall into a share of it, the same ones for ever.

A device's place is the SHA-256 of ``<application id>:<device id>`` in UTF-8: its first 8 bytes as an unsigned number,
most significant byte first, modulo 10,000. Neither the rest of the group nor the release counts, so a share that grows
only adds devices, and who comes and goes moves nobody else. The application counts, so that not the same people are
always the first.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

BUCKETS: Final = 10_000
PER_CENT: Final = BUCKETS // 100

Share = tuple[int, int]  # [from, to) in whole percent of a group's devices, 0 <= from < to <= 100
WHOLE: Final[Share] = (0, 100)


def bucket_of(application: str, device_id: str) -> int:
    """The device's place among the devices that an application has, 0 to 9,999."""
    digest = hashlib.sha256(f"{application}:{device_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def in_share(application: str, device_id: str, share: Share | None) -> bool:
    """Whether the device falls into ``share`` (None: the whole group, so every device does)."""
    if share is None:
        return True
    from_, to = share
    return from_ * PER_CENT <= bucket_of(application, device_id) < to * PER_CENT


def words(share: Share) -> str:
    """The share as people read it: ``10–50 %``."""
    return f"{share[0]}–{share[1]} %"


def is_share(share: Share) -> bool:
    """Whether it holds at least one percent, and none that does not exist."""
    from_, to = share
    return 0 <= from_ < to <= WHOLE[1]


def overlapping(shares: Iterable[Share]) -> Sequence[tuple[Share, Share]]:
    """Neighbours that have percents in common, by where they begin; empty exactly when no percent is in two shares."""
    ordered = sorted(shares)
    return [(one, other) for one, other in pairwise(ordered) if other[0] < one[1]]


def without(share: Share, taken: Iterable[Share]) -> Sequence[Share]:
    """What is left of ``share`` when ``taken`` is taken out: shares in ascending order that do not touch."""
    left = sorted({*range(*share)}.difference(*(range(*one) for one in taken)))
    starts = [percent for percent in left if percent - 1 not in left]
    ends = [percent + 1 for percent in left if percent + 1 not in left]
    return list(zip(starts, ends, strict=True))
