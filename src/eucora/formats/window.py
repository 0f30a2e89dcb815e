"""A stretch of a file as a file of its own."""

import io
import os
from typing import BinaryIO


class Window(io.RawIOBase):
    """Bytes ``start`` to ``start + size`` of ``file``, read-only and seekable. Closing it leaves ``file`` open."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # wider Buffer is 3.12's
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        self._file.seek(self._start + self._at)
        chunk = self._file.read(wanted)
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError("negative position")
        self._at = origin + offset
        return self._at
