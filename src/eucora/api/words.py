"""Texts that come in: how long they may be, and what they look like."""

from typing import Annotated, TypeAlias

from pydantic import StringConstraints

Line: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
Prose: TypeAlias = Annotated[str, StringConstraints(max_length=4_000)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Version: TypeAlias = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
