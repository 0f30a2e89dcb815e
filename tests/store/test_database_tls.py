"""The way to a database is encrypted and ends where its certificate says; what keeps it from that is one line."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from databases import Database
from eucora.store import migrate
from eucora.store.database import Pool, UnsafeDatabase, connected, read_cursor_key
from eucora.store.embedded import Server

ASKS_FOR_TLS = bytes.fromhex("0000000804d2162f")  # SSLRequest; PostgreSQL documentation, "Message Formats"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed one for the name localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.crt", folder / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


class Door:
    """TLS in front of the embedded server, whose build has none: as Postgres itself answers, then byte for byte."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self._socket, self._context = server.socket_dir / ".s.PGSQL.5432", context
        self.encrypted, self._under_way = 0, set[asyncio.Task[None]]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            if await reader.readexactly(8) != ASKS_FOR_TLS:
                return  # plain text is not served
            writer.write(b"S")
            await writer.start_tls(self._context)
            self.encrypted += 1
            inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket)
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # who did not like the certificate hung up
        finally:
            writer.close()
            self._under_way.discard(task)

    async def closed(self) -> None:
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def door(server: Server, folder: Path) -> AsyncIterator[tuple[Door, int, Path]]:
    """The door, its port on loopback, and the file with the CA that vouches for it."""
    ca, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    served = Door(server, context)
    async with await asyncio.start_server(served, "127.0.0.1", 0) as listening:
        yield served, listening.sockets[0].getsockname()[1], ca
        await served.closed()


async def test_the_app_and_its_migrations_go_through_tls_and_check_who_answers(
    postgres: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where the driver looks for a CA that nobody named
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    async with door(postgres, tmp_path) as (served, port, ca):
        proven = f"sslmode=verify-full&sslrootcert={ca}"
        async with connected(f"postgresql://eucora_app@localhost:{port}/{database.name}?{proven}", size=1) as pool:
            assert await pool.fetchval("select 1") == 1
        assert served.encrypted == 1
        owner = f"postgresql://eucora@localhost:{port}/{database.name}?{proven}"
        assert await migrate.current(owner) == migrate.newest()
        assert served.encrypted == 2
        await asyncio.to_thread(migrate.upgrade, owner)
        assert served.encrypted == 3

        stranger = tmp_path / "stranger"
        stranger.mkdir()
        another = certificate(stranger)[0]
        refused = {
            "another name": f"127.0.0.1:{port}/{database.name}?{proven}",
            "another CA": f"localhost:{port}/{database.name}?sslmode=verify-full&sslrootcert={another}",
            "no CA's file": f"localhost:{port}/{database.name}?sslmode=verify-full&sslrootcert={tmp_path}/none",
            "no CA named": f"localhost:{port}/{database.name}?sslmode=verify-full",
        }
        for why, place in refused.items():
            with pytest.raises(UnsafeDatabase, match=r"^EUCORA_DATABASE_URL: no connection: ") as refusal:
                async with connected(f"postgresql://eucora_app@{place}", size=1):
                    pytest.fail(why)
            assert "\n" not in str(refusal.value)


async def test_a_key_for_cursors_that_can_be_guessed_stops_the_start(database: Database, pool: Pool) -> None:
    assert len(await read_cursor_key(pool)) == 32
    owner = await asyncpg.connect(database.owner_url)
    for key in (b"", b"\0", b"\xab" * 32, b"\1\2" * 16, bytes(range(31))):
        await owner.execute("update installation set cursor_key = $1", key)
        with pytest.raises(UnsafeDatabase, match="key for list cursors is no random one of 32 bytes") as refusal:
            await read_cursor_key(pool)
    await owner.execute(str(refusal.value).split('"')[1])  # the way out that it names
    assert len(await read_cursor_key(pool)) == 32
    await owner.close()
