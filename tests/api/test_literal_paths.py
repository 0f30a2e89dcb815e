"""What one route of an app says literally is no id to another route of it; what other apps say does not count."""

from fastapi import FastAPI
from layered import caller

from eucora.api.app import assemble
from eucora.api.correlation import Correlation
from eucora.api.routes import noun, public


@public()
async def shown(version: str) -> str:
    """What stands under an id."""
    return version


@public()
async def planned() -> str:
    """What is made under a word."""
    return "planned"


def app(*, with_word: bool) -> FastAPI:
    router = noun("probes")
    router.add_api_route("/{version}", shown, methods=["GET"])
    if with_word:
        router.add_api_route("/plans", planned, methods=["POST"])
    return assemble("0", [router])


async def test_a_word_of_one_app_is_an_id_to_another() -> None:
    without, with_word = app(with_word=False), app(with_word=True)
    path = "/api/v1/probes/plans"
    async with caller(Correlation(without)) as http, caller(Correlation(with_word)) as other:
        assert (await http.get(path)).json() == "plans"
        refused = await other.get(path)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
        assert (await other.post(path)).json() == "planned"
        assert (await other.get("/api/v1/probes/1.0")).json() == "1.0"
