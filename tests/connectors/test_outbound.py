"""Where somebody else names the address: no connection into a network of ours, whatever the name leads to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from eucora.connectors.outbound import (
    OWN,
    Address,
    AddressRefused,
    OutboundGuard,
    guarded_client,
    looked_up,
    public,
)
from eucora.connectors.transports import BodyTooLarge
from eucora.domain.workload_trust_issuers import IssuerList

FORBIDDEN = (
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fec0::1", "ff02::1", "4000::1",
)  # fmt: skip
WELCOME = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "140.82.112.5", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:50c0:8000::153",
    "2a00:1450:4001::1", "3fe0::1",
)  # fmt: skip
LISTED = IssuerList(("https://ci.test", "https://git.test:8443"))
BODY_MAX = 1_000


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_special_address_is_gone_to(address: str) -> None:
    assert not public(ip_address(address))


@pytest.mark.parametrize("address", WELCOME)
def test_hosts_on_the_internet_are_up_to_the_edges(address: str) -> None:
    assert public(ip_address(address))


class Wire(httpx.AsyncBaseTransport):
    """What would be dialled. ``dead``: addresses where nobody listens."""

    def __init__(self, *dead: str) -> None:
        self.requests: list[httpx.Request] = []
        self.dead = dead

    @property
    def dialled(self) -> list[str]:
        return [request.url.host for request in self.requests]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self.dead:
            raise httpx.ConnectError("nobody listens", request=request)
        return httpx.Response(200, json={})


class Names:
    """A resolver whose answers change with every question; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = [[ip_address(one) for one in answer] for answer in answers]
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def get(guard: OutboundGuard, url: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=guard) as http:
        return await http.get(url)


async def test_the_address_that_was_judged_is_dialled_under_the_name_that_was_asked_for() -> None:
    wire, names = Wire(), Names(["93.184.216.34"])
    await get(OutboundGuard(wire, LISTED.reaches, resolve=names), "https://git.test:8443/keys?x=1")
    [sent] = wire.requests
    assert str(sent.url) == "https://93.184.216.34:8443/keys?x=1"
    assert sent.headers["host"] == "git.test:8443"
    assert sent.extensions["sni_hostname"] == "git.test"
    assert names.asked == [("git.test", 8443)]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_there_is_not_followed(address: str) -> None:
    wire = Wire()
    with pytest.raises(AddressRefused):
        await get(OutboundGuard(wire, LISTED.reaches, resolve=Names([address])), "https://ci.test/keys")
    assert wire.dialled == []


async def test_a_name_that_leads_elsewhere_a_moment_later_changes_nothing() -> None:
    """Rebinding: judged and dialled are one answer of the resolver."""
    wire, names = Wire(), Names(["93.184.216.34"], ["127.0.0.1"])
    guard = OutboundGuard(wire, LISTED.reaches, resolve=names)
    async with httpx.AsyncClient(transport=guard) as http:
        await http.get("https://ci.test/keys")
        with pytest.raises(AddressRefused):
            await http.get("https://ci.test/keys")
    assert wire.dialled == ["93.184.216.34"]
    assert len(names.asked) == 2


async def test_of_several_addresses_only_good_ones_are_tried_until_somebody_listens() -> None:
    wire = Wire("2606:50c0:8000::153")
    found = ["127.0.0.1", "2606:50c0:8000::153", "64:ff9b::808:808", "93.184.216.34", "9.9.9.9"]
    await get(OutboundGuard(wire, LISTED.reaches, resolve=Names(found)), "https://ci.test/keys")
    assert wire.dialled == ["2606:50c0:8000::153", "93.184.216.34"]
    nobody = Wire("93.184.216.34")
    with pytest.raises(httpx.ConnectError):
        await get(OutboundGuard(nobody, LISTED.reaches, resolve=Names(["93.184.216.34"])), "https://ci.test/keys")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/keys",
        "http://ci.test/keys",
        "https://ci.test:8443/keys",
        "https://git.test/keys",
        "https://ci.test.evil.test/keys",
        "https://ci.test@evil.test/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
    ],
)
async def test_only_listed_hosts_are_looked_up_at_all(url: str) -> None:
    wire, names = Wire(), Names(["93.184.216.34"])
    with pytest.raises(AddressRefused):
        await get(OutboundGuard(wire, LISTED.reaches, resolve=names), url)
    assert (names.asked, wire.dialled) == ([], [])


async def test_an_operator_opens_a_network_of_his_own_and_nothing_beside_it() -> None:
    networks = [ip_network("10.20.0.0/16"), ip_network("fd12:3456::/32")]
    wire = Wire()
    for address in ("10.20.0.7", "fd12:3456::7"):
        await get(OutboundGuard(wire, LISTED.reaches, networks, Names([address])), "https://ci.test/keys")
    for address in ("10.21.0.7", "127.0.0.1", "fd12:3457::7", "::ffff:10.20.0.7", "169.254.169.254"):
        with pytest.raises(AddressRefused):
            await get(OutboundGuard(wire, LISTED.reaches, networks, Names([address])), "https://ci.test/keys")
    assert wire.dialled == ["10.20.0.7", "fd12:3456::7"]
    assert not any(public(network.network_address) for network in OWN)


async def test_a_name_without_an_address_is_an_issuer_that_is_away() -> None:
    async def unknown(host: str, port: int) -> Sequence[Address]:
        raise OSError("no such name")

    with pytest.raises(httpx.ConnectError):
        await get(OutboundGuard(Wire(), LISTED.reaches, resolve=unknown), "https://ci.test/keys")


@pytest.mark.parametrize("written", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost"])
async def test_however_loopback_is_written_it_is_judged_by_what_it_leads_to(written: str) -> None:
    found = await looked_up(written, 443)
    assert found
    assert not any(public(address) for address in found)


@asynccontextmanager
async def listener(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Somebody who listens on this machine: his port, and of each connection the head of what was asked."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(b"")
        heads[-1] = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        await server.wait_closed()


def answer(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_listener_on_this_machine_gets_no_connection_unless_it_is_listed_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client as it is built for production, over real sockets."""
    async with listener(answer("200 OK")) as (port, heads):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        listed = IssuerList((f"https://127.1:{port}", f"https://2130706433:{port}", f"https://0x7f000001:{port}"))
        async with guarded_client(listed.reaches, (), BODY_MAX) as http:
            for entry in listed.entries:
                with pytest.raises(AddressRefused):
                    await http.get(f"{entry}/keys")
        assert heads == []
        at_home = IssuerList((f"http://localhost:{port}/oidc",))
        async with guarded_client(at_home.reaches, (), BODY_MAX) as http:
            assert (await http.get(f"http://localhost:{port}/keys")).status_code == 200
        assert [head.split(b"\r\n")[0] for head in heads] == [b"GET /keys HTTP/1.1"]


async def test_a_redirect_is_not_followed_and_a_long_answer_not_read() -> None:
    async with listener(answer("200 OK", b"x" * (BODY_MAX + 1))) as (long, _), listener(b"") as (target, reached):
        moved = answer("302 Found", b"", f"Location: http://localhost:{target}/")
        async with listener(moved) as (port, _):
            listed = IssuerList(tuple(f"http://localhost:{one}" for one in (long, port, target)))
            async with guarded_client(listed.reaches, (), BODY_MAX) as http:
                assert (await http.get(f"http://localhost:{port}/")).status_code == 302
                with pytest.raises(BodyTooLarge):
                    await http.get(f"http://localhost:{long}/")
            assert reached == []


def certified(folder: Path, name: str) -> Path:
    """A certificate for the name, signed by itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_the_server_has_to_prove_the_name_and_not_the_address(tmp_path: Path) -> None:
    pem = certified(tmp_path, "ci.test")
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=pem)
    serving.load_cert_chain(pem)
    async with listener(answer("200 OK"), serving) as (port, heads):
        listed = IssuerList((f"https://ci.test:{port}", f"https://git.test:{port}"))
        wire = httpx.AsyncHTTPTransport(verify=trusting, limits=httpx.Limits(max_keepalive_connections=0))
        here = [ip_network("127.0.0.1/32")]
        guard = OutboundGuard(wire, listed.reaches, here, Names(["127.0.0.1"]))
        async with httpx.AsyncClient(transport=guard) as http:
            assert (await http.get(f"https://ci.test:{port}/keys")).status_code == 200
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await http.get(f"https://git.test:{port}/keys")
        assert len(heads) == 1
        assert f"Host: ci.test:{port}".encode().lower() in heads[0].lower()
