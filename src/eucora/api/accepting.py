"""Accept: whether a caller takes what a route answers (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from starlette.requests import Request

from eucora.api.problems import Problem, Refused, Row

NOT_ACCEPTABLE: Final = Row(406, "not-acceptable", "The route does not answer in a media type that the caller takes")
_TOKEN: Final = r"[\w!#$%&'*+.^`|~-]+"
_RANGE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}")


def refuse_unacceptable(request: Request, offered: Collection[str]) -> None:
    """Raises Refused when the request names media types, and what the route answers is not among them.

    Asked before anything is done, so that nothing happens whose answer nobody can read. Refusals themselves are sent
    as problem documents whatever the caller takes.
    """
    lines = request.headers.getlist("accept")
    if lines and offered and not any(takes(lines, kind) for kind in offered):
        kinds = " or ".join(sorted(offered))
        raise Refused(Problem(NOT_ACCEPTABLE, f"This route answers {kinds}: name it in Accept, or send no Accept."))


def takes(lines: Iterable[str], kind: str) -> bool:
    """Whether Accept, over all of its lines, names the media type, its family or everything, and not with weight 0.

    The most exact range counts. What is no range asks for nothing, and where there is none everything is taken.
    """
    exactness = {"*/*": 0, kind.partition("/")[0] + "/*": 1, kind: 2}
    best, weight, read = -1, 0.0, False
    for item in ",".join(lines).split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if not _RANGE.fullmatch(name):
            continue
        read, exact = True, exactness.get(name, -1)
        if exact >= max(best, 0):
            weight = max(_weight(parameters), weight if exact == best else 0.0)
            best = exact
    return not read or weight > 0


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                break
    return 1.0
