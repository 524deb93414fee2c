"""A service that takes long to stop."""

import asyncio

from fettle_chassis.process import run
from fettle_chassis.service import Part, Service
from fettle_chassis.settings import ServiceSettings


class Sleepy(Part):
    name = "sleepy"

    async def stop(self) -> None:
        await asyncio.sleep(20)


def build(_settings: ServiceSettings) -> Service:
    service = Service("sleepy")
    service.add(Sleepy())
    return service


if __name__ == "__main__":
    run("sleepy", ServiceSettings, {"service": build})
