"""Broken rules of calls to the outside: where they may go, what they send on, and what an answer means."""

from tests.mutation import Mutant, Part

_PLACES, _GUARD, _HTTP, _FIELDS = (
    "domain/destinations", "adapters/destinations", "adapters/http_calls", "domain/http_requests",
)  # fmt: skip

CALLS = (
    Part(
        ("destinations", "http_calls"),
        (
            # where a call may go
            Mutant(_PLACES, '        ("127.0.0.0/8", "this machine itself"),\n', ""),
            Mutant(_PLACES, '        ("169.254.0.0/16", "link-local"),\n', ""),
            Mutant(_PLACES, '        ("168.63.129.16/32", "a cloud\'s own"),\n', ""),
            Mutant(_PLACES, '        ("2002::/16", "reserved"),\n', ""),
            Mutant(_PLACES, "    address = inner(address)\n", ""),
            Mutant(_PLACES, "        if address.ipv4_mapped is not None:\n", "        if False:\n"),
            Mutant(_PLACES, "        if address in _NAT64:\n", "        if False:\n"),
            Mutant(_PLACES, 'None if address in _V6_PUBLIC else "reserved"', "None"),
            Mutant(_PLACES, "or _NUMBER.fullmatch(bare.rpartition(\".\")[2]):", "or False:"),
            Mutant(_PLACES, "if isinstance(address, IPv6Address) and address.scope_id:", "if False:"),
            Mutant(_PLACES, "    for address in addresses:\n", "    for address in addresses[:1]:\n"),
            Mutant(_PLACES, "        if port not in ports:\n", "        if False:\n"),
            Mutant(_PLACES, "return host in self.names or host.endswith", "return host.endswith"),
            Mutant(_PLACES, 'below.append(f".{name}")', "below.append(name)"),
            Mutant(_PLACES, "spellings = (address, inner(address))", "spellings = (address,)"),
            Mutant(_GUARD, "self._plain.connect_tcp(str(address), port", "self._plain.connect_tcp(host, port"),
            Mutant(_GUARD, "host, port, WEB_PORTS)", "host, port, frozenset(range(65_536)))"),
            # what is sent, and sent on
            Mutant(_FIELDS, "if not _HEADER_NAME.fullmatch(name) or name in OWN_HEADERS:",
                   "if not _HEADER_NAME.fullmatch(name):"),
            Mutant(_FIELDS, "if not value.isprintable() or not value.isascii():", "if not value.isascii():"),
            Mutant(_FIELDS, "if isinstance(value, bool) or not 0 < seconds <= LONGEST_TIMEOUT_S:",
                   "if isinstance(value, bool) or not 0 < seconds:"),
            Mutant(_HTTP, '("idempotency-key", str(call.id))', '("x-id", str(call.id))'),
            Mutant(_HTTP, "same_origin=_origin(url) == _origin(target)", "same_origin=True"),
            Mutant(_HTTP, "if status in _SAME_AGAIN and not same_origin and not keeps:", "if False:"),
            Mutant(_HTTP, "    if not keeps and status in _SEE_OTHER:\n", "    if False:\n"),
            Mutant(_HTTP, "return replace(request, headers=kept, body=None)", "return replace(request, body=None)"),
            Mutant(_HTTP, "    if url.userinfo:\n", "    if False:\n"),
            # what an answer means
            Mutant(_FIELDS, "return status in _WAIT or status >= 500", "return status >= 500"),
            Mutant(_FIELDS, "return status in _WAIT or status >= 500", "return status in _WAIT"),
            Mutant(_HTTP, 'retry_after(answer.headers.get("retry-after"), self._clock())', "None"),
            Mutant(_HTTP, ".total_seconds(), 0.0)", ".total_seconds(), -9.0)"),
            Mutant(_HTTP, "tzinfo=moment.tzinfo or UTC", "tzinfo=UTC"),
            Mutant(_HTTP, "        if len(content) > READ_LIMIT:\n", "        if False:\n"),
            Mutant(_HTTP, 'return Retry(Failure("timeout"', 'return Failed(Failure("timeout"'),
            Mutant(_HTTP, 'return Retry(Failure("network"', 'return Failed(Failure("network"'),
            Mutant(_FIELDS, "        if not whole:\n            return None, True\n", ""),
            Mutant(_FIELDS, "            if not _deep(value):\n", "            if True:\n"),
        ),
    ),
)  # fmt: skip
