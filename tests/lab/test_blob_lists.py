"""Put Block List: a list whose answer was lost is put once more, and stands."""

from lab_world import World, sealed


async def test_the_same_list_may_be_put_twice_and_the_content_stays() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        await world.upload(file, package.data)
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        assert (await world.put_block_list(uri, ["MDAwMA==", "MDAwMQ=="])).status_code == 201
        assert await world.commit(file, package.info) == "commitFileSuccess"


async def test_a_later_list_takes_newer_blocks_before_those_of_the_list_before() -> None:
    async with World() as world:
        package = sealed()
        file = await world.open_file(await world.create_app(), package)
        uri = (await world.graph("GET", file)).json()["azureStorageUri"]
        half = len(package.data) // 2
        await world.put_block(uri, "MDAwMA==", b"spoilt")
        await world.put_block(uri, "MDAwMQ==", package.data[half:])
        assert (await world.put_block_list(uri, ["MDAwMA==", "MDAwMQ=="])).status_code == 201
        await world.put_block(uri, "MDAwMA==", package.data[:half])
        assert (await world.put_block_list(uri, ["MDAwMA==", "MDAwMQ=="])).status_code == 201
        assert await world.commit(file, package.info) == "commitFileSuccess"
