"""How long a sentence on record may get: what it names is counted, and what people wrote is cut, not left out.

An event has room for 65,535 bytes, and the one that says why a rollout must stop may never fail to fit.
"""

from collections.abc import Sequence
from typing import Final

SENTENCE_MAX: Final = 500  # characters
PROSE_MAX: Final = 300  # characters of what a person wrote, inside a sentence
NAMED_MAX: Final = 5
NAME_MAX: Final = 60  # characters
SENTENCES_MAX: Final = 20


def cut(text: str, length: int = SENTENCE_MAX) -> str:
    """``text``, at most ``length`` characters long; the last one is "…" where some are missing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def named(names: Sequence[str]) -> str:
    """The first five names, each cut to 60 characters, and how many there are beside them."""
    shown = ", ".join(cut(name, NAME_MAX) for name in names[:NAMED_MAX])
    return shown if len(names) <= NAMED_MAX else f"{shown} and {len(names) - NAMED_MAX} more"


def latest(sentences: Sequence[str]) -> tuple[str, ...]:
    """The last twenty sentences, each once and cut to 500 characters; the first of them says so where some are gone."""
    known = tuple(dict.fromkeys(cut(sentence) for sentence in sentences))
    if len(known) <= SENTENCES_MAX:
        return known
    kept = known[1 - SENTENCES_MAX :]
    return (f"{len(known) - len(kept)} earlier changes", *kept)
