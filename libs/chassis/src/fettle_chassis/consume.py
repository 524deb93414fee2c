"""The batch consumer: one transaction per batch (fence, inbox, handler, outbox), then an explicit offset commit.

What happens to a record that fails stands in `failures.py`, the steps in `batch.py`. What is promised: every record
that is not bad has its effect exactly once in the database, in partition order, whatever is killed when.
"""

import asyncio
from typing import Any

from fettle_chassis.batch import Batches
from fettle_chassis.database import Database
from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.fence import Fence
from fettle_chassis.log_identity import LogIdentity
from fettle_chassis.membership import Membership
from fettle_chassis.patience import patiently
from fettle_chassis.records import Record
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.slots import Slot
from fettle_chassis.subscription import Subscription
from fettle_chassis.topic_ids import TopicIds
from fettle_chassis.watchdog import Watchdog

__all__ = ["Consumers", "Record", "Subscription"]


class Consumers(Part):
    """Runs subscriptions, each in its own consumer group with static membership and under a watchdog.

    Start waits up to 60 s for a broker that is away. Ready when every subscription has joined its group. Not live when
    a consumer stays dead after three restarts. Stop finishes the batch in hand and leaves the partitions to the next
    process of the same slot.
    """

    name = "consumers"

    def __init__(
        self, settings: ServiceSettings, database: Database, slot: Slot, *subscriptions: Subscription[Any]
    ) -> None:
        self._settings = settings
        self._database = database
        self._slot = slot
        self._subscriptions = subscriptions
        self._dead_letters = DeadLetters(settings, slot.service)
        self._topic_ids: TopicIds | None = None
        self._members: list[Membership] = []
        self._watchdogs: list[Watchdog] = []

    async def start(self) -> None:
        await patiently(self._dead_letters.start)
        self._topic_ids = TopicIds(self._settings, self._slot.instance_id)
        await patiently(self._topic_ids.start)
        for subscription in self._subscriptions:
            member = self._member(subscription, self._topic_ids)
            self._members.append(member)
            self._watchdogs.append(Watchdog(member))
        for member in self._members:
            await patiently(member.start)

    async def run(self) -> None:
        await asyncio.gather(
            *(member.failed for member in self._members), *(watchdog.run() for watchdog in self._watchdogs)
        )

    async def stop(self) -> None:
        await asyncio.gather(*(member.stop() for member in self._members))
        await self._dead_letters.stop()
        if self._topic_ids is not None:
            await self._topic_ids.stop()

    def not_ready(self) -> str | None:
        waiting = [member.name for member in self._members if not member.joined]
        return f"not in its group yet: {', '.join(waiting)}" if waiting else None

    def not_live(self) -> str | None:
        dead = [watchdog.name for watchdog in self._watchdogs if watchdog.gave_up]
        return f"does not come back: {', '.join(dead)}" if dead else None

    def _member(self, subscription: Subscription[Any], topic_ids: TopicIds) -> Membership:
        logs = LogIdentity(
            subscription.name, subscription.topics, self._settings.topic_prefix, self._database, topic_ids
        )
        fence = Fence(subscription.name, logs.ids)
        member = Membership(
            self._settings,
            name=subscription.name,
            topics=subscription.topics,
            instance_id=self._slot.instance_id,
            max_records=subscription.max_records,
            fence=fence,
            logs=logs,
        )
        member.on_batch = Batches(subscription, self._database, self._dead_letters, member, fence).take
        return member
