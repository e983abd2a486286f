"""Which network addresses a tool may reach: public ones, or also private ones where the operator says so."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Cloud metadata and platform services: they hand out credentials. Some count as global, so they are named.
_NEVER = tuple(
    map(
        ip_network,
        ("169.254.0.0/16", "168.63.129.16/32", "192.0.0.0/24", "100.100.100.200/32", "fe80::/10", "fd00:ec2::254/128"),
    )
)
# Not for ordinary hosts, though ipaddress may call them global (it depends on the Python version).
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",
            "192.88.99.0/24",
            "240.0.0.0/4",
            "fec0::/10",
            "64:ff9b:1::/48",
            "3fff::/20",
            "5f00::/16",
            "::/96",
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def problem(text: str, private: bool = False) -> str | None:
    """Why the address is not to be connected to; None: it may be. `private` admits private and loopback ones."""
    try:
        addresses = _unwrapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return "is no address"
    return next((reason for address in addresses if (reason := _problem(address, private))), None)


def _problem(address: Address, private: bool) -> str | None:
    if any(address.version == net.version and address in net for net in _NEVER):
        return "is a link-local or metadata address"
    if address.is_multicast or address.is_unspecified:
        return "is a multicast or unspecified address"
    if private and (address.is_private or address.is_loopback):
        return None
    listed = any(address.version == net.version and address in net for net in _NOT_PUBLIC)
    return None if address.is_global and not listed else "is not a public address"


def _unwrapped(address: Address) -> list[Address]:
    """The address and any IPv4 addresses that it carries: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    found: list[Address] = [i for i in inner if i is not None]
    return found if address.ipv4_mapped else [address, *found]
