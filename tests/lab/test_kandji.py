"""The simulated Kandji tenant, asked the way the vendor's own scripts ask."""

from typing import Any

import httpx
import pytest
from lab_world import World


async def asked(world: World, path: str, **params: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {world.lab.kandji.token}"}
    return await world.http.get(f"/kandji/api/v1{path}", params=params, headers=headers)


async def test_the_list_ends_with_an_empty_page() -> None:
    async with World() as world:
        sizes, names = [], []
        for offset in range(0, 20, 5):
            page = (await asked(world, "/devices", limit=5, offset=offset, ordering="serial_number")).json()
            sizes.append(len(page))
            names += [device["serial_number"] for device in page]
        assert sizes == [5, 3, 0, 0]
        assert names == sorted(mac.serial for mac in world.lab.kandji.devices())


@pytest.mark.parametrize("params", [{"limit": 301}, {"limit": -1}, {"offset": "x"}, {"ordering": "colour"}])
async def test_a_list_that_cannot_be_is_refused(params: dict[str, Any]) -> None:
    async with World() as world:
        assert (await asked(world, "/devices", **params)).status_code == 400


async def test_each_call_tells_of_the_same_device_and_none_of_a_stranger() -> None:
    async with World() as world:
        first = (await asked(world, "/devices", limit=1)).json()[0]
        path = f"/devices/{first['device_id']}"
        assert (await asked(world, path)).json() == first
        details = (await asked(world, f"{path}/details")).json()
        assert details["general"]["device_id"] == first["device_id"]
        assert (details["mdm"]["mdm_enabled"], first["mdm_enabled"]) == ("True", True)
        assert (await asked(world, f"{path}/status")).json()["library_items"]
        for call in ("", "/details", "/status"):
            assert (await asked(world, f"/devices/nobody{call}")).status_code == 404


async def test_nobody_gets_in_without_the_token() -> None:
    async with World() as world:
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": world.lab.kandji.token}):
            refused = await world.http.get("/kandji/api/v1/devices", headers=headers)
            assert (refused.status_code, refused.json()) == (401, {"detail": "Invalid token."})
