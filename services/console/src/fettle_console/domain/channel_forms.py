"""What a form asks for each kind of channel, and what of it is sent to the engine, which knows the rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

KINDS = {"email": "Mail", "slack": "Slack", "teams": "Teams", "webhook": "Webhook", "apprise": "Apprise"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One field. `takes` says what its text becomes: a `list` is parted by commas or spaces, a `secret` is the name of
    one, `address` is a text or the name of a secret."""

    name: str
    label: str
    takes: Literal["text", "number", "list", "secret", "choice", "address"] = "text"
    hint: str = ""
    needed: bool = False
    choices: Sequence[tuple[str, str]] = ()


_SECURITY = (("starttls", "STARTTLS"), ("tls", "TLS from the start"), ("none", "none"))
_ADDRESS = Asked("url", "Its address", "secret", "whoever has it may post, so that it is kept as a secret", needed=True)

FIELDS: Mapping[str, Sequence[Asked]] = {
    "email": (
        Asked("host", "Mail server", hint="mail.acme.test", needed=True),
        Asked("port", "Port", "number", "587"),
        Asked("security", "Connection", "choice", choices=_SECURITY),
        Asked("username", "User name", hint="none where the server asks for none"),
        Asked("password", "Password", "secret"),
        Asked("from", "From", hint="fettle@acme.test", needed=True),
        Asked("to", "To", "list", "addresses with commas between, for messages that name nobody"),
        Asked("allowed_domains", "Messages may name addresses under", "list", "domains with commas between"),
    ),
    "slack": (_ADDRESS,),
    "teams": (_ADDRESS,),
    "webhook": (
        Asked("url", "Its address", "address", "https://… or a secret that holds it", needed=True),
        Asked("key", "Key to sign with", "secret", "whsec_…, after Standard Webhooks", needed=True),
    ),
    "apprise": (_ADDRESS,),
}

SECOND = "_secret"
"""What the name of the second field of an `address` ends with."""


def settings_of(kind: str, said: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a filled form comes to. What is left empty is left out."""
    return {asked.name: value for asked in FIELDS[kind] if (value := _value(asked, said)) not in ("", [])}


def _value(asked: Asked, said: Mapping[str, str]) -> Any:
    text = said.get(asked.name, "").strip()
    secret = said.get(f"{asked.name}{SECOND}", "") if asked.takes == "address" else ""
    if asked.takes == "secret" or (secret and not text):
        name = secret or text
        return {"secret": name} if name else ""
    if asked.takes == "list":
        return [one for one in re.split(r"[,;\s]+", text) if one]
    return int(text) if asked.takes == "number" and re.fullmatch("[0-9]{1,9}", text) else text


def filled(kind: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The form as it has to be filled to come to these settings."""
    said = {}
    for asked in FIELDS[kind]:
        value = settings.get(asked.name)
        if isinstance(value, Mapping):
            said[f"{asked.name}{SECOND}" if asked.takes == "address" else asked.name] = str(value.get("secret", ""))
        elif isinstance(value, list):
            said[asked.name] = ", ".join(map(str, value))
        elif value is not None:
            said[asked.name] = str(value)
    return said
