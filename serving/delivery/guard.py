"""Where a target's address may lead: not, unless the configuration says so, into the network that we stand in.

The name is looked up once, every address that it has is judged, and the call goes to the address that was judged, so
that a name which changes its mind in between (DNS rebinding) changes nothing. Loopback is allowed where the address
itself says so (`localhost`, `127.0.0.1`, `::1`), and only there may it be plain http without `allow_http`.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from serving.errors import ServingError

Resolve = Callable[[str, int], list[str]]
"""The numeric addresses of a host and port."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}


def is_allowed_scheme(url: str, *, allow_http: bool) -> bool:
    """Whether the address is https with a host, or http where that is allowed."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (allow_http or parts.hostname in LOOPBACK))


def checked(url: str, *, allow_http: bool, allow_private: bool, resolve: Resolve) -> list[str]:
    """The numeric addresses to call for a URL, each as good as the next.

    Raises:
        ServingError: the URL is not allowed, its host has no address, or one of them lies in a private network.
    """
    if not is_allowed_scheme(url, allow_http=allow_http):
        raise ServingError("the address is not https://host/...; correct it, or set allow_http")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = resolve(host, port)
    except OSError as error:
        raise ServingError(f"{host} has no address ({error}); check its spelling") from error
    if not found:
        raise ServingError(f"{host} has no address; check its spelling")
    if not allow_private and not all(is_allowed(ip_address(one), host) for one in found):
        raise ServingError(f"{host} lies in a private network; allow_private = true sends there")
    return found


def is_allowed(address: IPv4Address | IPv6Address, host: str) -> bool:
    """Whether an address is a public one, or loopback under one of its own names."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return host in LOOPBACK
    return address.is_global and not address.is_multicast


def look_up(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, as the system knows them.

    Raises:
        OSError: it knows none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
