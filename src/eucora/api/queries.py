"""The query of a request: only what the route knows, and each name once.

A filter that nobody reads would be taken for one that let everything through, and of two values one would win unseen.
"""

from collections import Counter
from collections.abc import Collection

from starlette.requests import Request

from eucora.api.problems import Problem, Refused
from eucora.api.rows import INVALID

_SHOWN_MAX = 60  # characters of a name that somebody made up


def refuse_unread(request: Request, known: Collection[str]) -> None:
    """Raises Refused: a parameter that the route does not have, or one that is given more than once."""
    if not request.scope["query_string"]:
        return
    given = Counter(name for name, _ in request.query_params.multi_items())
    has = f"it has {', '.join(sorted(known))}" if known else "it has none"
    wrong = {name: f"is no parameter of this route; {has}" for name in given if name not in known}
    wrong |= {name: "is given more than once; give it once" for name, times in given.items() if times > 1}
    if wrong:
        errors = [{"parameter": name[:_SHOWN_MAX], "detail": detail, "in": "query"} for name, detail in wrong.items()]
        name, detail = errors[0]["parameter"], errors[0]["detail"]
        raise Refused(Problem(INVALID, f"{name!r} {detail}.", errors=errors))
