"""What the server says about itself and about who asks: its version, and the privileges of the token's account."""

from collections.abc import Collection
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

VERSION: Final = "11.30.1-t1783944000"  # the release whose schema the lab is held to, in the form that servers answer
ALL: Final = tuple(
    f"{verb} {noun}"
    for noun in ("Computers", "Packages", "Policies", "Static Computer Groups", "Smart Computer Groups")
    for verb in ("Create", "Read", "Update", "Delete")
)


class AboutRoutes:
    """``privileges`` may be set anew at any time: the next answer tells them."""

    def __init__(self, privileges: Collection[str] = ALL) -> None:
        self.privileges = privileges

    def routes(self) -> list[Route]:
        return [
            Route("/v1/jamf-pro-version", self._version, methods=["GET"]),
            Route("/v1/auth", self._authorization, methods=["GET"]),
        ]

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def _authorization(self, _: Request) -> Response:
        """Source: AuthorizationV1 in the schema of the Jamf Pro 11.30.1 server."""
        account = {
            "id": "1",
            "username": "eucora",
            "multiSiteAdmin": False,
            "accessLevel": "FullAccess",
            "privilegeSet": "CUSTOM",
            "privilegesBySite": {"-1": sorted(self.privileges)},
            "groupIds": [],
            "currentSiteId": "-1",
        }
        answer = {"account": account, "accountGroups": [], "sites": [], "authenticationType": "CLIENT_CREDENTIALS"}
        return JSONResponse(answer)
