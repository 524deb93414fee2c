"""Real Kafka and real Postgres on one machine."""

from fettle_devstack.failures import DevstackError, DownloadFailed, HomeInUse, Interrupted, PortTaken, StartFailed
from fettle_devstack.kafka import kafka_tool
from fettle_devstack.progress import Progress
from fettle_devstack.servers import Servers, chosen, running
from fettle_devstack.settings import DevstackSettings

__all__ = [
    "DevstackError",
    "DevstackSettings",
    "DownloadFailed",
    "HomeInUse",
    "Interrupted",
    "PortTaken",
    "Progress",
    "Servers",
    "StartFailed",
    "chosen",
    "kafka_tool",
    "running",
]
