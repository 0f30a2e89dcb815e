"""What everybody is told who would grant more than he holds himself."""

from collections.abc import Iterable


def beyond_the_held(grants: Iterable[object], way_out: str = "leave it out, or ask somebody who does") -> str:
    """The sentence. ``grants``: what goes beyond, each with its own text."""
    return f"You cannot grant what you do not hold: {', '.join(map(str, grants))}; {way_out}."
