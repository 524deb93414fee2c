"""`fettle kafka`: the topics as they are, beside what they should be, and who needs which rights."""

from typing import TYPE_CHECKING, Any

from fettle_cli.commands.kafka_acls import acls
from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Json, group
from fettle_cli.output import show_json, show_table

if TYPE_CHECKING:
    from fettle_cli.topic_check import TopicReport

app = group("kafka", "Look at Kafka.")
app.command()(acls)


@app.command()
def topics(as_json: Json = False) -> None:
    """List Fettle's topics as the broker has them; exit status 1 if one is missing or wrong."""
    from fettle_cli import kafka
    from fettle_cli.topic_check import reports

    settings = kafka.kafka_settings(Installation.here())
    found = reports(kafka.run(settings, kafka.topics_as_they_are(settings)))
    if as_json:
        show_json({"items": [_shown(report, settings.topic_prefix) for report in found]})
    else:
        show_table(
            ("TOPIC", "PARTITIONS", "RETENTION", "CLEANUP", "TIME", "STATE"),
            (_row(report, settings.topic_prefix) for report in found),
            empty="No topics.",
        )
    wrong = [report.name for report in found if report.faults]
    if wrong:
        raise CliError(f"{len(wrong)} topics are not as they should be: {', '.join(wrong)}")


def _shown(report: "TopicReport", prefix: str) -> dict[str, Any]:
    return {
        "topic": prefix + report.name,
        "exists": report.partitions is not None,
        "partitions": report.partitions,
        "config": report.config,
        "faults": list(report.faults),
    }


def _row(report: "TopicReport", prefix: str) -> tuple[object, ...]:
    retention_ms = report.config.get("retention.ms")
    compacted = report.config.get("cleanup.policy") == "compact"
    return (
        prefix + report.name,
        report.partitions,
        f"{int(retention_ms) / 86_400_000:g} d" if retention_ms and not compacted else None,
        report.config.get("cleanup.policy"),
        report.config.get("message.timestamp.type"),
        "; ".join(report.faults) or "ok",
    )
