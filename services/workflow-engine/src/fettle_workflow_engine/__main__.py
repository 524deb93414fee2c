"""`python -m fettle_workflow_engine` runs the engine."""

from fettle_chassis.process import run
from fettle_workflow_engine.app import NAME, build_app
from fettle_workflow_engine.settings import WorkflowSettings

if __name__ == "__main__":
    run(NAME, WorkflowSettings, {"service": build_app})
