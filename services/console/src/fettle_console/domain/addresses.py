"""Whose an address is, as far as limits go."""

from ipaddress import IPv6Address, ip_address, ip_network

_ONE_HOLDERS_BITS = 64
"""Of an IPv6 address, what an operator gives to one household or machine (RFC 6177); the rest is theirs to vary."""


def holder_of(host: str | None) -> str:
    """The address itself, or the network that one holder has of IPv6. What is no address is itself."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _ONE_HOLDERS_BITS), strict=False))
