"""The only place where Kafka clients are made, with the values that are safe."""

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512
from faststream.types import LoggerProto

from fettle_chassis.legible import make_names_legible
from fettle_chassis.oauth import ClientCredentials
from fettle_chassis.settings import ServiceSettings

make_names_legible()

REQUEST_TIMEOUT_MS = 10_000

_STOP_WITHIN_S = 15.0

METADATA_MAX_AGE_MS = 10_000
"""A topic that comes (back) is noticed by then, not after five minutes."""


GROUP_MEMBER: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 2_000,
    "rebalance_timeout_ms": 60_000,
    "max_poll_interval_ms": 300_000,
}
"""How every member of a group behaves: back within a second after a crash (with its static id), and never skipping
what was there before the group."""


def client_options(settings: ServiceSettings) -> dict[str, Any]:
    """Servers and security, for any aiokafka client."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _ssl_context(settings),
    }
    match settings.kafka_sasl_mechanism:
        case None:
            return options
        case "OAUTHBEARER":
            return {**options, "sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _tokens(settings)}
        case mechanism:
            return {
                **options,
                "sasl_mechanism": "SCRAM-SHA-512" if mechanism == "SCRAM" else mechanism,
                "sasl_plain_username": settings.kafka_sasl_username,
                "sasl_plain_password": _password(settings),
            }


def build_broker(settings: ServiceSettings, *, client_id: str, logger: LoggerProto | None = None) -> KafkaBroker:
    """A FastStream broker for subscribers: it creates no topics, publishes nothing and logs next to nothing.

    Not started. Whatever a service publishes goes through the outbox or a producer of its own (`build_producer`).
    """
    oauth = settings.kafka_sasl_mechanism == "OAUTHBEARER"
    return KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=client_id,
        security=_faststream_security(settings),
        sasl_oauth_token_provider=_tokens(settings) if oauth else None,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        consumer_only=True,
        allow_auto_create_topics=False,
        apply_types=False,
        graceful_timeout=25.0,
        logger=logger,
        log_level=logging.DEBUG,
    )


def build_producer(
    settings: ServiceSettings, *, client_id: str, idempotent: bool = True, **options: Any
) -> AIOKafkaProducer:
    """A producer with acks=all, lz4, linger 5 ms. Not started. Call inside a running loop.

    Idempotent ones never expire a send while the broker is away: bound every wait by `asyncio.timeout`. With
    `idempotent=False` a send fails for good after 5 s (heartbeats posted by HTTP, dead letters). `options` go to
    aiokafka as they are and win.
    """
    safe = {
        **client_options(settings),
        "client_id": client_id,
        "acks": "all",
        "enable_idempotence": idempotent,
        "linger_ms": 5,
        "compression_type": "lz4",
        "request_timeout_ms": REQUEST_TIMEOUT_MS if idempotent else 5_000,
    }
    return AIOKafkaProducer(**{**safe, **options})


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's consumer, whose stop ends as it should whatever the broker does, and whatever state it is in.

    A stop cancels the client's own fetches and awaits them. One that waits until it may be tried again, since the
    broker is away, then raises `CancelledError` at whoever stops the client, as if that was cancelled, and leaves the
    client half open (aiokafka issues 647 and 974; `Fetcher.close` of 0.14). And it waits for a join that is under way,
    however long that takes.
    """

    async def stop(self) -> None:
        """Leaves the group, and closes all connections. Blocks for as long as the broker takes to answer, at most half
        a minute."""
        if await _let_go(super().stop()):
            if self._fetcher is not None:
                await _let_go(self._fetcher.close())
            await self._client.close()


async def _let_go(action: Coroutine[Any, Any, None]) -> bool:
    """Awaits it for 15 s, and cancels it then. Whether it was cancelled, also from within."""
    task = asyncio.ensure_future(action)
    try:
        await asyncio.wait([task], timeout=_STOP_WITHIN_S)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise
    if not task.cancelled():
        task.result()
    return task.cancelled()


def build_consumer(
    settings: ServiceSettings,
    *topics: str,
    client_id: str,
    group: str | None = None,
    instance_id: str | None = None,
    **options: Any,
) -> Consumer:
    """A bare consumer without auto-commit. `topics` and `group` are full names on the broker. Not started.

    `options` go to aiokafka as they are and win over the safe values. Call inside a running loop.
    """
    safe = {
        **client_options(settings),
        **GROUP_MEMBER,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "enable_auto_commit": False,
    }
    return Consumer(
        *topics, **{**safe, "client_id": client_id, "group_id": group, "group_instance_id": instance_id, **options}
    )


def build_admin(settings: ServiceSettings) -> AIOKafkaAdminClient:
    """An admin client. Not started. Call inside a running loop."""
    return AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=REQUEST_TIMEOUT_MS)


def _ssl_context(settings: ServiceSettings) -> ssl.SSLContext | None:
    if "SSL" not in settings.kafka_security_protocol:
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_ca)
    if settings.kafka_ssl_cert:
        context.load_cert_chain(settings.kafka_ssl_cert, settings.kafka_ssl_key)
    return context


def _faststream_security(settings: ServiceSettings) -> BaseSecurity:
    context = _ssl_context(settings)
    user, password = settings.kafka_sasl_username or "", _password(settings)
    match settings.kafka_sasl_mechanism:
        case None:
            return BaseSecurity(ssl_context=context, use_ssl=context is not None)
        case "PLAIN":
            return SASLPlaintext(user, password, ssl_context=context, use_ssl=context is not None)
        case "SCRAM-SHA-256":
            return SASLScram256(user, password, ssl_context=context, use_ssl=context is not None)
        case "OAUTHBEARER":
            return SASLOAuthBearer(ssl_context=context, use_ssl=context is not None)
        case _:
            return SASLScram512(user, password, ssl_context=context, use_ssl=context is not None)


def _password(settings: ServiceSettings) -> str:
    return settings.kafka_sasl_password.get_secret_value() if settings.kafka_sasl_password else ""


def _tokens(settings: ServiceSettings) -> ClientCredentials:
    return ClientCredentials(
        settings.kafka_sasl_token_url or "", settings.kafka_sasl_username or "", _password(settings)
    )
