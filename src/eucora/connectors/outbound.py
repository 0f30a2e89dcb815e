"""A way out to addresses that somebody else names: to listed hosts alone, and never into the network that we stand in.

A name is resolved here, every address that it leads to is judged, and what was judged is what is dialled: so a name
that leads elsewhere a moment later changes nothing. No redirect is followed, and no proxy of the environment asked.

Sources: IANA's registries of special-purpose addresses, IPv4 and IPv6 (read 2026-11-23). They are written out because
``ipaddress.is_global`` calls multicast, NAT64, site-local and some reserved addresses global.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

import httpx

from eucora.connectors.transports import BoundedBodyTransport
from eucora.domain.workload_trust_issuers import LOOPBACK

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
Reaches: TypeAlias = Callable[[str, str, int], bool]
"""Whether a request may go to a scheme, host and port."""

UNICAST_V6: Final = IPv6Network("2000::/3")  # all that is given out; the rest is reserved, local or a translation
SPECIAL: Final[tuple[Network, ...]] = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
OWN: Final[tuple[Network, ...]] = tuple(
    ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""Networks that an organisation numbers by itself; an operator may open parts of them, and nothing else."""


class AddressRefused(httpx.RequestError):
    """The request would go where none of ours goes."""


def public(address: Address) -> bool:
    """Whether the address is a host's on the internet, and by nobody's translation one elsewhere."""
    if isinstance(address, IPv6Address) and address not in UNICAST_V6:
        return False
    return not any(address in network for network in SPECIAL)


async def looked_up(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host, as the machine resolves it. Raises OSError, UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


class OutboundGuard(httpx.AsyncBaseTransport):
    """Sends what may go there to an address that was judged, under the name that was asked for.

    ``networks``: where hosts may be beside the internet. ``inner`` must keep no connection: two hosts of one address
    would share it, and the second one's certificate would not be looked at.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        reaches: Reaches,
        networks: Sequence[Network] = (),
        resolve: Resolve = looked_up,
    ) -> None:
        self._inner, self._reaches, self._networks, self._resolve = inner, reaches, networks, resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, host = request.url, request.url.raw_host.decode("ascii")
        port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
        if not self._reaches(url.scheme, host, port):
            raise AddressRefused(f"{url.scheme}://{host}:{port} is not among the hosts to go to", request=request)
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} has no address", request=request) from error
        failed: httpx.RequestError = AddressRefused(f"{host} leads into a network that is not gone to", request=request)
        for address in dict.fromkeys(found):
            if self._fine(address, host):
                try:
                    return await self._inner.handle_async_request(_dialling(request, address, host))
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failed = error
        raise failed

    def _fine(self, address: Address, host: str) -> bool:
        if host in LOOPBACK:  # listed as such: a simulator on this machine
            return address.is_loopback
        return public(address) or any(address in network for network in self._networks)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _dialling(request: httpx.Request, address: Address, host: str) -> httpx.Request:
    """The request for that address; the server is asked, and has to prove, to be the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,  # with the Host that was asked for
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def guarded_client(reaches: Reaches, networks: Sequence[Network], body_max_bytes: int) -> httpx.AsyncClient:
    """A client for such addresses; its owner closes it. Answers are read, decoded, up to ``body_max_bytes``."""
    wire = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
    guard = OutboundGuard(wire, reaches, networks)
    return httpx.AsyncClient(transport=BoundedBodyTransport(guard, body_max_bytes), trust_env=False)
