"""A message by way of its channel, whatever the channel's kind."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from fettle_contracts.causation import DEPTH_HEADER
from fettle_workflow_engine.adapters.apprise_sending import AppriseSending
from fettle_workflow_engine.adapters.http_calls import Answer, HttpCalls
from fettle_workflow_engine.adapters.mail import Mail
from fettle_workflow_engine.adapters.secret_calls import redacted
from fettle_workflow_engine.adapters.vault import Vault
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome
from fettle_workflow_engine.domain.channels import (
    AppriseSettings,
    Channel,
    EmailSettings,
    Kind,
    WebhookSettings,
    secrets_of,
)
from fettle_workflow_engine.domain.http_requests import HttpRequest
from fettle_workflow_engine.domain.notifications import Message, signed, slack, teams, webhook
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.secrets import Redaction

WITHIN_S = 30.0


class Senders:
    """Sends. The channel's secrets are in memory for that long, and in nothing that comes back."""

    def __init__(
        self, vault: Vault, http: HttpCalls, mail: Mail, apprise: AppriseSending, clock: Callable[[], datetime]
    ) -> None:
        self._vault = vault
        self._http = http
        self._mail = mail
        self._apprise = apprise
        self._clock = clock

    async def send(self, channel: Channel, message: Message) -> Outcome:
        """Blocks for a minute at most. Sent again, it is the same message: by its id in `Message-ID`, `webhook-id` and
        `Idempotency-Key`."""
        fields = dict(secrets_of(channel.settings))
        secrets = await self._vault.open(channel.org, fields.values())
        if not isinstance(secrets, dict):
            return secrets
        named = {field: secrets[name] for field, name in fields.items()}
        try:
            outcome = await self._by_kind(channel, message, named)
        except InputFailed as failure:
            outcome = Failed(Failure(failure.code, failure.message))
        return redacted(outcome, Redaction(secrets.values()))

    async def _by_kind(self, channel: Channel, message: Message, secrets: Mapping[str, str]) -> Outcome:
        settings = channel.settings
        if isinstance(settings, EmailSettings):
            return await self._mail.send(message, settings, secrets.get("password"), self._clock())
        if message.to:
            raise InputFailed("input_invalid", f"A channel of kind {channel.kind} takes no addresses in `to`.")
        if isinstance(settings, AppriseSettings):
            return await self._apprise.send(message, secrets["url"])
        if isinstance(settings, WebhookSettings):
            now = self._clock()
            body = webhook(message, now)
            url = settings.url if isinstance(settings.url, str) else secrets["url"]
            return await self._post(message, url, body, signed(message.id, body, secrets["key"], now))
        body = json.dumps((teams if channel.kind is Kind.TEAMS else slack)(message), ensure_ascii=False)
        return await self._post(message, secrets["url"], body, {})

    async def _post(self, message: Message, url: str, body: str, headers: Mapping[str, str]) -> Outcome:
        sent = {
            "user-agent": "Fettle",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "idempotency-key": str(message.id),
            **({DEPTH_HEADER: str(message.depth)} if message.depth else {}),
            **headers,
        }
        request = HttpRequest("POST", url, (), tuple(sent.items()), body.encode(), WITHIN_S, redirects=0)
        answer = await self._http.ask(request)
        outcome = self._http.outcome(request, answer) if isinstance(answer, Answer) else answer
        if isinstance(outcome, Done):
            return Done({"outcome": "sent", "channel": message.channel, "refused": []})
        return outcome
