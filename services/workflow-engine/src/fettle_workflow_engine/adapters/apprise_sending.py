"""Messages by Apprise, where it is installed (`pip install fettle-workflow-engine[apprise]`).

Apprise makes its connections itself, so the place is judged before: its services at fixed addresses are used as they
are, servers of one's own only where the installation allows their name or address as it is written.
"""

import asyncio
import logging
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, Retry
from fettle_workflow_engine.domain.destinations import Allowed, Barred, host_of
from fettle_workflow_engine.domain.notifications import Message, title_of
from fettle_workflow_engine.domain.run import Failure

WITHIN_S = 50.0
MISSING = "Apprise is not installed: pip install 'fettle-workflow-engine[apprise]' where the workflow engine runs."
_FAILURES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, OSError)
"""What its services raise where they forget to catch; a bug of one of 170 must not end the engine."""
_OF_THIS_MACHINE = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})


def installed() -> Any | None:
    """The library, if it is there."""
    try:
        return import_module("apprise")
    except ModuleNotFoundError:
        return None


class AppriseSending:
    """Sends to one address of Apprise's."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    async def send(self, message: Message, url: str) -> Outcome:
        """Takes a thread for as long as Apprise does. It says no more than whether it went well."""
        library = installed()
        if library is None:
            return Failed(Failure("apprise_missing", MISSING))
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log addresses with their tokens
        if "?" in url:
            said = "The channel's address has parameters behind ?, of which some name files of this machine."
            return Failed(Failure("input_invalid", said))
        service = library.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None or url.partition(":")[0].lower() in _OF_THIS_MACHINE:
            return Failed(Failure("input_invalid", "The channel's address is none that Apprise can send to from here."))
        if not self._may_go(service):
            way_out = "FETTLE_WORKFLOW_ALLOW_HOSTS must name the server"
            return Failed(Failure("address_refused", f"Not sent: a server of one's own, and {way_out}."))
        try:
            async with asyncio.timeout(WITHIN_S):
                went = await asyncio.to_thread(service.notify, body=message.text, title=title_of(message))
        except TimeoutError:
            return Retry(Failure("timeout", f"Apprise did not finish within {WITHIN_S:g} s."))
        except _FAILURES as error:
            return Retry(Failure("apprise_failed", f"Apprise could not send it: {type(error).__name__}."))
        if not went:
            return Retry(Failure("apprise_failed", "Apprise could not send it, and does not say why."))
        return Done({"outcome": "sent", "channel": message.channel, "refused": []})

    def _may_go(self, service: Any) -> bool:
        written = service.host if "host" in service.template_tokens else None
        if not written:
            return True
        try:
            host = host_of(written)
        except Barred:
            return False
        try:
            return self._allowed.has(host, ip_address(host))
        except ValueError:
            return self._allowed.names_host(host)
