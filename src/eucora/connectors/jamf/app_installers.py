"""Jamf's App Installers, read only: what its App Catalog offers, and what an administrator deploys from it.

A title that is deployed here is installed and updated by Jamf itself, beside any rollout of ours. The calls are live
but not in the schema of a Jamf Pro server. Source: Jamf-Concepts/jamfplatform-go-sdk, app_installers_api.json at
cd8fd1ed, read 2026-11-22.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eucora.application.planes import PlaneRejected
from eucora.connectors.jamf.api import JamfApi, off_schema
from eucora.connectors.jamf.lists import pages

_TITLES: Final = "/api/v1/app-installers/titles"
_DEPLOYMENTS: Final = "/api/v1/app-installers/deployments"


@dataclass(frozen=True, slots=True)
class CatalogTitle:
    """An application of the App Catalog in the version that it offers now."""

    id: str
    name: str
    publisher: str
    bundle_id: str
    version: str


@dataclass(frozen=True, slots=True)
class CatalogDeployment:
    """A title that is deployed. ``automatic``: installed without anybody's doing, not offered in Self Service.

    ``version`` is the one chosen, ``latest`` what the catalog has. ``updates`` tells whether a newer one is taken by
    itself. Counts are of computers, and 0 where the server names none.
    """

    id: str
    name: str
    title_id: str
    title: str
    enabled: bool
    automatic: bool
    updates: bool
    version: str
    latest: str
    group_id: str
    group: str
    installed: int
    failed: int


async def catalog_titles(api: JamfApi) -> Sequence[CatalogTitle] | None:
    """The catalog; None where the server has no App Installers."""
    rows = await _all(api, _TITLES)
    if rows is None:
        return None
    return [
        CatalogTitle(
            id=_id(api, row),
            name=_text(row, "titleName"),
            publisher=_text(row, "publisher"),
            bundle_id=_text(row, "bundleId"),
            version=_text(row, "version"),
        )
        for row in rows
    ]


async def catalog_deployments(api: JamfApi) -> Sequence[CatalogDeployment] | None:
    """What is deployed from the catalog; None where the server has no App Installers."""
    rows = await _all(api, _DEPLOYMENTS)
    return None if rows is None else [_deployment(api, row) for row in rows]


async def _all(api: JamfApi, path: str) -> list[Mapping[str, Any]] | None:
    try:
        return [row async for row in _rows(api, path)]
    except PlaneRejected as error:
        if error.status == 404:
            return None
        raise


async def _rows(api: JamfApi, path: str) -> AsyncIterator[Mapping[str, Any]]:
    async for page in pages(api, path, {}):
        for row in page.rows:
            if not isinstance(row, dict):
                raise off_schema(api.operation, "a row that is no object")
            yield row


def _deployment(api: JamfApi, row: Mapping[str, Any]) -> CatalogDeployment:
    app, group, counts = (_part(row, name) for name in ("app", "smartGroup", "computerStatuses"))
    return CatalogDeployment(
        id=_id(api, row),
        name=_text(row, "name"),
        title_id=_text(app, "id"),
        title=_text(app, "titleName"),
        enabled=row.get("enabled") is True,
        automatic=row.get("deploymentType") == "INSTALL_AUTOMATICALLY",
        updates=row.get("updateBehavior") == "AUTOMATIC",
        version=_text(row, "selectedVersion"),
        latest=_text(row, "latestAvailableVersion"),
        group_id=_text(group, "id"),
        group=_text(group, "name"),
        installed=_count(counts, "installed"),
        failed=_count(counts, "failed"),
    )


def _id(api: JamfApi, row: Mapping[str, Any]) -> str:
    if not (text := _text(row, "id")):
        raise off_schema(api.operation, "a row without id")
    return text


def _part(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = row.get(name)
    return part if isinstance(part, dict) else {}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _count(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
