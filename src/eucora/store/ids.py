"""Fresh identifiers: UUID version 7 (RFC 9562), which sort by the time they were made."""

import os
import time
from uuid import UUID


class RandomIds:
    """Version 7 ids from the system's clock and random source. Uniqueness rests on the 74 random bits."""

    def new(self) -> UUID:
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10))
        value = (
            (milliseconds & (2**48 - 1)) << 80
            | 0x7 << 76
            | (random >> 68 & 0xFFF) << 64
            | 0b10 << 62
            | random & (2**62 - 1)
        )
        return UUID(int=value)
