"""`python -m fettle_health_monitor judge|correlator`."""

from fettle_chassis.process import run
from fettle_health_monitor.correlator_app import build_app as build_correlator
from fettle_health_monitor.judge_app import build_judge
from fettle_health_monitor.settings import HealthSettings

if __name__ == "__main__":
    run("health-monitor", HealthSettings, {"judge": build_judge, "correlator": build_correlator})
