"""Topics that are created and checked while the console already serves: pages and most of the API need no Kafka."""

import structlog
from aiokafka.errors import KafkaError

from fettle_chassis.patience import is_transient
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topics import ensure_topics

log = structlog.get_logger(__name__)


class LateTopics(Part):
    """`ensure_topics` beside everything else, for as long as Kafka is away. What it refuses stops the service."""

    name = "topics"

    def __init__(self, settings: ServiceSettings, *names: str) -> None:
        self._settings, self._names = settings, names

    async def run(self) -> None:
        while not await self._ensured():
            log.warning("topics.kafka_away")

    async def _ensured(self) -> bool:
        try:
            await ensure_topics(self._settings, self._names)
        except (KafkaError, OSError, TimeoutError) as error:
            if not is_transient(error):
                raise
            return False
        return True
