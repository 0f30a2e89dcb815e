"""App Installers of the simulated server: a small catalog, and deployments of two of its titles."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.jamf.errors import ProRefused
from eucora.lab.jamf.paging import page_of, select

_FIELDS: Final = frozenset(("id",))
TITLES: Final = tuple(
    {
        "id": f"{number:03X}",
        "titleName": name,
        "publisher": f"{name.split()[-1]} Software",
        "bundleId": f"example.lab.{name.split()[-1].lower()}",
        "version": version,
        "shortVersion": version,
        "architecture": "universal",
        "minimumOsVersion": "14.0",
        "language": "multi",
        "availabilityDate": "2026-11-01T08:00:00Z",
        "sizeInBytes": 100_000_000 + number,
        "installationPathShared": False,
        "iconUrl": f"https://icons.lab.example/{number}.png",
    }
    for number, (name, version) in enumerate((("Lab Browser", "143.0.1"), ("Lab Meeting", "6.4"), ("Lab Notes", "2.0")))
)


def _deployment(number: int, **more: Any) -> dict[str, Any]:
    title = TITLES[number]
    return {
        "id": str(number + 1),
        "name": title["titleName"],
        "enabled": True,
        "deploymentType": "INSTALL_AUTOMATICALLY",
        "updateBehavior": "AUTOMATIC",
        "selectedVersion": title["version"],
        "latestAvailableVersion": title["version"],
        "versionRemoved": False,
        "app": {name: title[name] for name in ("id", "titleName", "publisher", "iconUrl")},
        "site": {"id": "-1", "name": "None"},
        "category": {"id": "-1", "name": "No category assigned"},
        "smartGroup": {"id": "1", "name": "All Managed Clients"},
        "computerStatuses": {"available": 0, "failed": 2, "inProgress": 1, "installed": 40, "unqualified": 0},
    } | more


DEPLOYMENTS: Final = (
    _deployment(0),
    _deployment(1, deploymentType="SELF_SERVICE", updateBehavior="MANUAL", selectedVersion="6.1", enabled=False),
)


class InstallerRoutes:
    """``there`` False: a server that has no App Installers."""

    def __init__(self) -> None:
        self.there = True

    def routes(self) -> list[Route]:
        return [
            Route("/v1/app-installers/titles", self._titles, methods=["GET"]),
            Route("/v1/app-installers/deployments", self._deployments, methods=["GET"]),
        ]

    async def _titles(self, request: Request) -> Response:
        return self._list(request, TITLES)

    async def _deployments(self, request: Request) -> Response:
        return self._list(request, DEPLOYMENTS)

    def _list(self, request: Request, rows: tuple[dict[str, Any], ...]) -> Response:
        if not self.there:
            raise ProRefused(404)
        total, page = select(request, rows, lambda row, field: row[field], _FIELDS)
        return JSONResponse(page_of(total, page))
