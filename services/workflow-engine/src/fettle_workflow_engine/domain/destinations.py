"""Where calls may go: to public addresses, and to what the installation allows.

What is written (a URL, a mail server) is never judged by its spelling alone: a name is worth what it leads to, so the
addresses are judged, all of them, and the connection goes to one that was. After the registries of special addresses
(RFC 6890 and IANA's lists of it), with the services of clouds that hide behind public addresses.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_V4 = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "this machine itself"),
        ("168.63.129.16/32", "a cloud's own"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6_PUBLIC = IPv6Network("2000::/3")
_V6 = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "unspecified"),
        ("::1/128", "this machine itself"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("2002::/16", "reserved"),
        ("3fff::/20", "reserved"),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")

WEB_PORTS = frozenset({80, 443, *range(1024, 65_536)})
MAIL_PORTS = frozenset({25, 465, 587, 2525})


class Barred(Exception):
    """No call goes there. The text says why, and holds no address that a name leads to."""


class RedirectBarred(Barred):
    """The place is in order, the way on from there is not gone."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an installation allows besides public addresses: names (`*.` before one: all below it) and networks."""

    names: frozenset[str] = frozenset()
    below: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """`hooks.corp.example, *.lan, 10.1.0.0/16, 10.2.3.4`. Raises ValueError for what is none of these."""
        names, below, networks = set(), [], []
        for entry in filter(None, (part.strip().lower().rstrip(".") for part in text.split(","))):
            try:
                networks.append(ip_network(entry))
                continue
            except ValueError:
                pass
            name = entry.removeprefix("*.")
            if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
                raise ValueError(f"{entry!r} is neither a name nor a network")
            if name == entry:
                names.add(name)
            else:
                below.append(f".{name}")
        return cls(frozenset(names), tuple(below), tuple(networks))

    def names_host(self, host: str) -> bool:
        """Whether `host` is allowed by its name, wherever it leads."""
        return host in self.names or host.endswith(self.below or ("\n",))

    def has(self, host: str, address: Address) -> bool:
        """Whether a call to `host` may use `address` whatever it is."""
        if self.names_host(host):
            return True
        spellings = (address, inner(address))
        return any(one in network for one in spellings for network in self.networks)


def inner(address: Address) -> Address:
    """The IPv4 address that a mapped or translated IPv6 address stands for; others as they are."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def why_barred(address: Address) -> str | None:
    """What is wrong with an address, in words that follow "is"; None for a public one."""
    address = inner(address)
    if isinstance(address, IPv4Address):
        return next((what for network, what in _V4 if address in network), None)
    named = next((what for network, what in _V6 if address in network), None)
    return named or (None if address in _V6_PUBLIC else "reserved")


def host_of(written: str) -> str:
    """A host as it is looked up: in lower case, without a dot at its end or brackets around it. Raises Barred for what
    readers understand differently: numbers in other forms than `192.0.2.1`, zones, what is no name."""
    host = written.lower().removesuffix(".")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or _NUMBER.fullmatch(bare.rpartition(".")[2]):
        try:
            address = ip_address(bare)
        except ValueError:
            raise Barred(f"{written[:100]!r} is no address in its usual form") from None
        if isinstance(address, IPv6Address) and address.scope_id:
            raise Barred("an address with a zone is of this machine only")
        return str(address)
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise Barred(f"{written[:100]!r} is no name of a host")
    return host


def checked(
    host: str, port: int, addresses: Sequence[Address], allowed: Allowed, ports: frozenset[int]
) -> tuple[Address, ...]:
    """The addresses, if a call may go to every one of them. `host` is as `host_of` gives it, and they are all that it
    leads to. Raises Barred: one bad answer of several is how names are made to pass."""
    for address in addresses:
        if allowed.has(host, address):
            continue
        what = why_barred(address)
        if what is not None:
            way_out = "FETTLE_WORKFLOW_ALLOW_HOSTS says what is allowed besides public ones"
            raise Barred(f"the address of {host!r} is {what}; {way_out}")
        if port not in ports:
            raise Barred(f"port {port} is not for this kind of call")
    return tuple(addresses)
