"""How many devices a ring usually has. Defaults that tell and never refuse: a small fleet has no canary of fifty."""

from typing import Final

from eucora.domain.rings import Ring

# Devices, from the least to the most; the last ring is the rest and has no size of its own.
USUAL: Final = {
    Ring.LAB: (5, 10),
    Ring.CANARY: (50, 100),
    Ring.PILOT: (500, 1_000),
    Ring.DEPARTMENT: (1_000, 10_000),
}
FAR: Final = 2  # so many times under the least or over the most is worth a word


def size_warning(ring: Ring, devices: int) -> str:
    """What is to be known of a ring whose size is far from the usual, a sentence without a full stop; else empty."""
    if ring not in USUAL:
        return ""
    least, most = USUAL[ring]
    told = f"ring {ring:d} ({ring.name.lower()}) has {devices:,} devices, and {least:,} to {most:,} are usual"
    if devices * FAR < least:
        return f"{told}: so few say little about the rings after it"
    if devices > most * FAR:
        return f"{told}: a fault reaches that many before a gate can stop it"
    return ""
