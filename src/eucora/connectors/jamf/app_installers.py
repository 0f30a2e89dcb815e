"""Jamf's App Installers, read only: what an administrator deploys from the App Catalog.

A title that is deployed there is installed and updated by Jamf itself, beside any rollout of ours: two owners of one
application. The calls are live but not in the schema of a Jamf Pro server. Source: Jamf-Concepts/jamfplatform-go-sdk,
app_installers_api.json at cd8fd1ed, read 2026-11-22.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eucora.application.planes import PlaneForbidden, PlaneRejected
from eucora.connectors.jamf.api import JamfApi, off_schema

_DEPLOYMENTS: Final = "/api/v1/app-installers/deployments"
_PAGES_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class CatalogDeployment:
    """A title that is deployed. ``automatic``: installed without anybody's doing, not offered in Self Service.

    ``version`` is the one chosen; ``updates`` tells whether a newer one is taken by itself.
    """

    id: str
    title: str
    enabled: bool
    automatic: bool
    updates: bool
    version: str
    group: str

    def __str__(self) -> str:
        """In the words of a finding: ``App Installers: Firefox 143.0 and later for All Managed Clients``."""
        version = f" {self.version}" if self.version else ""
        later = " and later" if self.updates else ""
        how = "" if self.automatic else ", in Self Service"
        return f"App Installers: {self.title}{version}{later} for {self.group or 'a group'}{how}"


async def deployments_of(api: JamfApi, application: str) -> Sequence[CatalogDeployment]:
    """Deployments of the title that is called like ``application`` and are on; none where we cannot see them.

    What may not be read, or is not as described, fails nothing: few rollouts meet such a deployment.
    """
    try:
        found = await catalog_deployments(api)
    except (PlaneForbidden, PlaneRejected):
        return ()
    name = application.strip().casefold()
    return [one for one in found or () if one.enabled and one.title.strip().casefold() == name]


async def catalog_deployments(api: JamfApi) -> Sequence[CatalogDeployment] | None:
    """What is deployed from the catalog; None where the server has no App Installers."""
    try:
        return [_deployment(api, row) async for row in _rows(api)]
    except PlaneRejected as error:
        if error.status == 404:
            return None
        raise


async def _rows(api: JamfApi) -> AsyncIterator[Mapping[str, Any]]:
    """The list as it is described, without parameters; where the first answer is not all of it, the rest in pages."""
    seen, params = 0, dict[str, int]()
    for number in range(1, _PAGES_MAX + 1):
        answer = await api.call("GET", _DEPLOYMENTS, params=params)
        body = api.object_in(answer)
        rows, total = body.get("results"), body.get("totalCount")
        if not isinstance(rows, list) or not isinstance(total, int):
            raise off_schema(api.operation, "a list page without results or totalCount")
        for row in rows:
            if not isinstance(row, dict):
                raise off_schema(api.operation, "a row that is no object")
            yield row
        seen += len(rows)
        if not rows or seen >= total:
            return
        params = {"page": number, "page-size": params.get("page-size", len(rows))}


def _deployment(api: JamfApi, row: Mapping[str, Any]) -> CatalogDeployment:
    if not (id_ := _text(row, "id")):
        raise off_schema(api.operation, "a row without id")
    return CatalogDeployment(
        id=id_,
        title=_text(_part(row, "app"), "titleName"),
        enabled=row.get("enabled") is True,
        automatic=row.get("deploymentType") == "INSTALL_AUTOMATICALLY",
        updates=row.get("updateBehavior") == "AUTOMATIC",
        version=_text(row, "selectedVersion"),
        group=_text(_part(row, "smartGroup"), "name"),
    )


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = row.get(name)
    return part if isinstance(part, dict) else {}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
