"""`notify`, carried out: a place under the channel's cap and the message sent, or kept for the digest."""

from collections.abc import Callable
from datetime import datetime

import structlog

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import channel_places, channel_rows
from fettle_workflow_engine.adapters.senders import Senders
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, OutsideCall
from fettle_workflow_engine.domain.channels import Channel
from fettle_workflow_engine.domain.notifications import Message, channel_missing, read_message
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure

log = structlog.get_logger(__name__)


class NotifyCalls:
    """`domain.calls.Caller` for `notify`."""

    def __init__(self, database: Database, senders: Senders, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._senders = senders
        self._clock = clock

    async def perform(self, call: OutsideCall) -> Outcome:
        try:
            message = read_message(call.id, call.org, call.request)
        except InputFailed as failure:
            return Failed(Failure(failure.code, failure.message))
        channel = await self.enter(message)
        if channel is None:
            return Failed(channel_missing(message.channel))
        if isinstance(channel, Done):
            return channel
        return await self.send(channel, message)

    async def enter(self, message: Message, *, hold: bool = True) -> Channel | Done | None:
        """The channel, in which the message has a place now; Done when there is none and it is kept for the digest, if
        it is to be held; None without the channel."""
        now = self._clock()
        async with unit_of_work(self._database) as work:
            channel = await channel_rows.find(work.connection, message.org, message.channel, locked=True)
            if channel is None or await channel_places.take(work.connection, channel, message.id, now):
                return channel
            if hold:
                await channel_places.hold(work.connection, message, now)
        metrics.MESSAGES.labels(channel.kind, "held_back").inc()
        log.info("message.held_back", org=message.org, channel=message.channel, message=str(message.id))
        return Done({"outcome": "held_back", "channel": message.channel, "refused": []})

    async def send(self, channel: Channel, message: Message) -> Outcome:
        outcome = await self._senders.send(channel, message)
        metrics.MESSAGES.labels(channel.kind, type(outcome).__name__.lower()).inc()
        return outcome
