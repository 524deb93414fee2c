from chassis_echo.app import build_app, build_relay
from fettle_chassis.process import run
from fettle_chassis.settings import ServiceSettings

run("echo", ServiceSettings, {"service": build_app, "relay": build_relay})
