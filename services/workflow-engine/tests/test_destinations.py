"""Where calls may go: by a list of addresses and spellings, and by what names lead to."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.settings import SettingsError
from fettle_workflow_engine.adapters.destinations import Destinations, GuardedNetwork, look_up
from fettle_workflow_engine.domain.destinations import (
    MAIL_PORTS,
    WEB_PORTS,
    Address,
    Allowed,
    Barred,
    checked,
    host_of,
    why_barred,
)
from fettle_workflow_engine.settings import WorkflowSettings

BARRED = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    "this machine itself": ["127.0.0.1", "127.255.255.254", "127.1.1.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
    "private": [
        "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "fc00::1",
        "fd00:ec2::254", "fdff:ffff::1", "fec0::1", "::ffff:10.0.0.1", "::ffff:c0a8:1", "64:ff9b::10.0.0.1",
    ],
    "link-local": ["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "febf::1", "::ffff:169.254.169.254",
                   "64:ff9b::a9fe:a9fe"],
    "shared by a carrier": ["100.64.0.1", "100.100.100.200", "100.127.255.255", "::ffff:100.64.0.1"],
    "a cloud's own": ["168.63.129.16", "::ffff:168.63.129.16"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": [
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
        "203.0.113.9", "240.0.0.1", "255.255.255.255", "2001::1", "2001:0:7f00:1::", "2001:20::1", "2001:db8::1",
        "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "64:ff9b:1::1", "100::1", "::127.0.0.1", "::7f00:1", "::2",
        "4000::1", "5f00::1", "e000::1",
    ],
}  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1",
    "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
SPELLINGS = [
    "2130706433", "0x7f000001", "017700000001", "0x7f.0.0.1", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01",
    "010.0.0.1", "1.2.3", "256.1.1.1", "1.2.3.4.5", "0", "0x0", "127.0.0.1:80", "[::1", "::1]", "[fe80::1%25eth0]",
    "fe80::1%eth0", "[::ffff:7f000001x]", "", ".", "..", "a..b", "-a.example", "a-.example", "exa mple.org",
    "exam\tple", "ⓛocalhost", "１２７.0.0.1", "127。0。0。1", "example.org#@evil", "user@example.org", "a/b", "a\\b",
    "a%2fb", "a" * 64, "a." * 127 + "ab", "example.0x1", "example.1",
]  # fmt: skip


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize(("what", "address"), [(what, one) for what, every in BARRED.items() for one in every])
def test_addresses_that_are_not_public_are_barred(what: str, address: str) -> None:
    assert why_barred(ip_address(address)) == what


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    assert why_barred(ip_address(address)) is None


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize("written", SPELLINGS)
def test_hosts_that_readers_understand_differently_are_barred(written: str) -> None:
    with pytest.raises(Barred):
        host_of(written)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Hooks.Example.ORG.", "hooks.example.org"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[2606:4700:0::1111]", "2606:4700::1111"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
    ],
)
def test_other_hosts_have_one_spelling(written: str, host: str) -> None:
    assert host_of(written) == host


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_passes_that_the_standard_library_calls_special(address: Address) -> None:
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    if special or address.is_unspecified or (isinstance(address, IPv4Address) and address.is_reserved):
        mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
        nat64 = isinstance(address, IPv6Address) and int(address) >> 32 == 0x64FF9B0000000000000000
        assert mapped or nat64 or why_barred(address) is not None
    if isinstance(address, IPv4Address):
        for inside in (f"::ffff:{address}", f"64:ff9b::{address}"):
            assert why_barred(ip_address(inside)) == why_barred(address)


@pytest.mark.rule("WF-91")
def test_one_bad_answer_of_several_is_enough() -> None:
    good, bad = ip_address("93.184.216.34"), ip_address("10.0.0.1")
    assert checked("a.example", 443, [good], Allowed(), WEB_PORTS) == (good,)
    for answers in ([good, bad], [bad, good]):
        with pytest.raises(Barred, match=r"the address of 'a.example' is private") as barred:
            checked("a.example", 443, answers, Allowed(), WEB_PORTS)
        assert "10.0.0.1" not in str(barred.value)


@pytest.mark.rule("WF-91")
def test_ports_below_1024_are_for_what_they_are_for() -> None:
    good = [ip_address("93.184.216.34")]
    for port in (22, 25, 110, 587, 1023):
        with pytest.raises(Barred, match=str(port)):
            checked("a.example", port, good, Allowed(), WEB_PORTS)
    for port in (80, 443, 22, 3306, 8080):
        with pytest.raises(Barred, match=str(port)):
            checked("a.example", port, good, Allowed(), MAIL_PORTS)
    assert checked("a.example", 8443, good, Allowed(), WEB_PORTS)
    assert checked("a.example", 587, good, Allowed(), MAIL_PORTS)


@pytest.mark.rule("WF-91")
async def test_a_request_goes_to_no_port_of_another_trade() -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        return [ip_address("93.184.216.34")]

    with pytest.raises(Barred, match="port 25 "):
        await GuardedNetwork(Destinations(Allowed(), lookup)).connect_tcp("a.example", 25)


@pytest.mark.rule("WF-92")
def test_an_installation_allows_names_and_networks() -> None:
    allowed = Allowed.parse("Hooks.corp.example., *.lan, 10.1.0.0/16, fd00:1::/64 ,192.168.7.7")
    inside = ip_address("10.200.0.1")
    for host, address, passes in (
        ("hooks.corp.example", inside, True),
        ("a.hooks.corp.example", inside, False),
        ("x.lan", inside, True),
        ("x.y.lan", inside, True),
        ("lan", inside, False),
        ("notlan", inside, False),
        ("any.example", ip_address("10.1.2.3"), True),
        ("any.example", ip_address("::ffff:10.1.2.3"), True),
        ("any.example", ip_address("10.2.2.3"), False),
        ("any.example", ip_address("fd00:1::9"), True),
        ("any.example", ip_address("fd00:2::9"), False),
        ("any.example", ip_address("192.168.7.7"), True),
        ("any.example", ip_address("192.168.7.8"), False),
    ):
        assert allowed.has(host, address) is passes, (host, address)
    assert checked("x.lan", 25, [inside], allowed, WEB_PORTS) == (inside,)
    for wrong in ("10.0.0.0/33", "10.1.2.3/16", "a b", "*", "*.", "http://x", "x:80", "10.0.0.256"):
        with pytest.raises(ValueError, match="neither"):
            Allowed.parse(wrong)


@pytest.mark.rule("WF-92")
def test_what_is_allowed_is_a_setting() -> None:
    nowhere = {"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "FETTLE_SIGNING_KEYS": f"k1:{'QUFB' * 11}"}
    assert WorkflowSettings.load(nowhere).workflow_allow_hosts == Allowed()
    settings = WorkflowSettings.load({**nowhere, "FETTLE_WORKFLOW_ALLOW_HOSTS": "*.lan,10.1.0.0/16"})
    assert settings.workflow_allow_hosts == Allowed.parse("*.lan,10.1.0.0/16")
    with pytest.raises(SettingsError, match=r"FETTLE_WORKFLOW_ALLOW_HOSTS .*'a b' is neither a name nor a network"):
        WorkflowSettings.load({**nowhere, "FETTLE_WORKFLOW_ALLOW_HOSTS": "*.lan,a b"})


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]"])
async def test_real_names_of_this_machine_are_barred(name: str) -> None:
    with pytest.raises(Barred, match="this machine itself"):
        await Destinations(Allowed()).addresses(name, 443, WEB_PORTS)


@pytest.mark.rule("WF-91")
async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged() -> None:
    asked = 0

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        nonlocal asked
        asked += 1
        return [ip_address("192.0.2.1")] if asked > 1 else [ip_address("127.0.0.1")]

    destinations = Destinations(Allowed.parse("127.0.0.1"), rebinding)
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await destinations.connect("a.example", 1, WEB_PORTS)
    assert asked == 1
    with pytest.raises(Barred):
        await destinations.connect("a.example", 1, WEB_PORTS)
    assert ip_address("127.0.0.1") in await look_up("localhost", 80)
