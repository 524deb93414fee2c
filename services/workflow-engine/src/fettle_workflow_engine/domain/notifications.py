"""A message and the forms in which it goes out. Pure: keys and times are arguments."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.channels import RECIPIENTS_LIMIT, EmailSettings, mail_address
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure

TEXT_LIMIT = 20_000
"""Characters of a text: what the narrowest kind takes. The rest is cut, and the text says so."""
SUBJECT_LIMIT = 200
_CUT = "\n… (cut)"


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is the same however often it is sent. `to`: mail addresses instead of the channel's own. `held`: of a
    digest, the messages that it tells of. `depth`: its run's; a digest begins anew."""

    id: UUID
    org: str
    channel: str
    text: str
    subject: str = ""
    to: tuple[str, ...] = ()
    workflow: str | None = None
    run: str | None = None
    held: tuple[Mapping[str, Any], ...] = ()
    depth: int = 0


def read_message(id: UUID, org: str, request: Mapping[str, Any]) -> Message:
    """The message of a `notify`. Raises InputFailed (`input_invalid`)."""
    text = _text("text", request.get("text"))
    if not text.strip():
        raise InputFailed("input_invalid", "text is empty.")
    return Message(
        id,
        org,
        _text("channel", request.get("channel")),
        text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - len(_CUT)] + _CUT,
        " ".join(_text("subject", request.get("subject") or "").split())[:SUBJECT_LIMIT],
        _addresses(request.get("to")),
        request.get("workflow"),
        request.get("run"),
        depth=request.get("depth", 0),
    )


def channel_missing(channel: str) -> Failure:
    """Why nothing is sent by a channel that the org does not have."""
    return Failure("channel_missing", f"The org has no channel {channel!r}.")


def recipients(message: Message, settings: EmailSettings) -> tuple[str, ...]:
    """Whom a mail goes to. Raises InputFailed (`address_not_allowed`, `input_invalid`)."""
    for address in message.to:
        if address.rpartition("@")[2] not in settings.allowed_domains:
            allowed = ", ".join(settings.allowed_domains) or "none"
            raise InputFailed(
                "address_not_allowed", f"{address} is not in a domain that the channel may write to: {allowed}."
            )
    found = message.to or settings.to
    if not found:
        raise InputFailed("input_invalid", "Neither the message nor the channel names a recipient.")
    return found


def title_of(message: Message) -> str:
    """The subject, or how the text begins."""
    return message.subject or message.text.strip().splitlines()[0][:SUBJECT_LIMIT]


def slack(message: Message) -> dict[str, Any]:
    """Slack's incoming webhook. Its three special characters are escaped: no text calls everybody in a channel."""
    text = _escaped(message.text)
    return {"text": f"*{_escaped(message.subject)}*\n{text}" if message.subject else text}


def teams(message: Message) -> dict[str, Any]:
    """A Teams workflow that posts what it gets: an adaptive card in a message."""
    blocks = [{"type": "TextBlock", "text": message.text, "wrap": True}]
    if message.subject:
        blocks.insert(0, {"type": "TextBlock", "text": message.subject, "wrap": True, "weight": "Bolder"})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def webhook(message: Message, now: datetime) -> str:
    """The body of a webhook, after Standard Webhooks."""
    data = {
        "org": message.org,
        "channel": message.channel,
        "subject": message.subject,
        "text": message.text,
        "workflow": message.workflow,
        "run": message.run,
    }
    kind = "fettle.digest" if message.held else "fettle.notification"
    held = {"held": list(message.held)} if message.held else {}
    return json.dumps({"type": kind, "timestamp": rfc3339(now), "data": {**data, **held}}, ensure_ascii=False)


def signed(id: UUID, body: str, key: str, now: datetime) -> dict[str, str]:
    """The headers of a webhook (Standard Webhooks 1.0, symmetric). `key` is `whsec_` and base64 of 24 to 64 bytes.
    Raises InputFailed (`key_invalid`)."""
    try:
        secret = base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if not 24 <= len(secret) <= 64:
        raise InputFailed("key_invalid", "The channel's key must be whsec_ and base64 of 24 to 64 bytes.")
    moment = str(int(now.timestamp()))
    mac = hmac.digest(secret, f"{id}.{moment}.{body}".encode(), hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": str(id), "webhook-timestamp": moment, "webhook-signature": signature}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _addresses(value: Any) -> tuple[str, ...]:
    """One address, several with commas between, or a list of them; each once."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    given: Sequence[Any] = value or ()
    if not isinstance(given, list | tuple) or len(given) > RECIPIENTS_LIMIT:
        raise InputFailed("input_invalid", f"to must be mail addresses, at most {RECIPIENTS_LIMIT}.")
    try:
        found = [mail_address(_text("to", one)) for one in given]
    except ValueError as error:
        raise InputFailed("input_invalid", f"to {error}.") from None
    return tuple(dict.fromkeys(found))


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputFailed("input_invalid", f"{name} must be text.")
    return str(value).replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
