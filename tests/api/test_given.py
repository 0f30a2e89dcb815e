"""What a route is given directly is what it would have got as a dependency, beside all that is solved for it."""

from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.routing import APIRoute

from eucora.api.given import hand_over, made_of


def path_of(request: Request) -> str:
    return str(request.url.path)


Path = Annotated[str, Depends(made_of(path_of))]


class Handed(APIRoute):
    """A route that solves less."""

    def get_route_handler(self):  # type: ignore[no-untyped-def]  # as the framework has it
        hand_over(self.dependant)
        return super().get_route_handler()


async def method(request: Request, path: Path) -> str:
    return f"{request.method} {path}"


async def answered(route_class: type[APIRoute], url: str) -> tuple[int, object]:
    router = APIRouter(route_class=route_class)

    @router.get("/plain")
    async def plain(path: Path) -> str:
        return path

    @router.get("/with/request")
    async def with_request(first: Path, request: Request, second: Path) -> list[str]:
        return [first, str(request.url.query), second]

    @router.get("/beside")
    async def beside(
        path: Path, solved: Annotated[str, Depends(method)], many: Annotated[int, Query(le=9)]
    ) -> list[str]:
        return [path, solved, str(many)]

    @router.get("/not/awaited")
    def not_awaited(path: Path) -> str:
        return path

    app = FastAPI(openapi_url=None)
    app.router.routes.extend(router.routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://eucora.test") as client:
        answer = await client.get(url)
    return answer.status_code, answer.json()


async def test_a_route_answers_the_same_whoever_makes_its_values() -> None:
    told = {
        "/plain": (200, "/plain"),
        "/with/request?a=b": (200, ["/with/request", "a=b", "/with/request"]),
        "/beside?many=3": (200, ["/beside", "GET /beside", "3"]),
        "/not/awaited": (200, "/not/awaited"),
    }
    for url, expected in told.items():
        assert await answered(Handed, url) == await answered(APIRoute, url) == expected
    refused = await answered(Handed, "/beside?many=10")
    assert refused == await answered(APIRoute, "/beside?many=10")
    assert refused[0] == 422


async def test_what_is_handed_over_is_solved_no_more() -> None:
    router = APIRouter(route_class=Handed)

    @router.get("/beside")
    async def beside(path: Path, solved: Annotated[str, Depends(method)]) -> str:
        return path + solved

    (route,) = router.routes
    assert isinstance(route, APIRoute)
    assert [one.name for one in route.dependant.dependencies] == ["solved"]
