"""Calls with secrets in them: filled in before, taken out of whatever comes back."""

from dataclasses import replace

from fettle_workflow_engine.adapters.vault import Vault
from fettle_workflow_engine.domain.calls import Caller, Done, Failed, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.secrets import Redaction, filled, named


class WithSecrets:
    """`domain.calls.Caller` around another one, which never needs to know what in its request was a secret."""

    def __init__(self, vault: Vault, inner: Caller) -> None:
        self._vault = vault
        self._inner = inner

    async def perform(self, call: OutsideCall) -> Outcome:
        secrets = await self._vault.open(call.org, named(call.request))
        if not isinstance(secrets, dict):
            return secrets
        outcome = await self._inner.perform(replace(call, request=filled(call.request, secrets)))
        return redacted(outcome, Redaction(secrets.values()))


def redacted(outcome: Outcome, redaction: Redaction) -> Outcome:
    """The outcome without the secrets."""
    match outcome:
        case Done(output):
            return Done(redaction(dict(output)))
        case Failed(failure):
            return Failed(_failure(failure, redaction))
        case Retry(failure, after_s):
            return Retry(_failure(failure, redaction), after_s)


def _failure(failure: Failure, redaction: Redaction) -> Failure:
    return replace(failure, message=redaction(failure.message))
