"""`fettle doctor`: is everything as it should be?"""

import asyncio
from dataclasses import asdict

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Json
from fettle_cli.output import show_json, show_table


def doctor(as_json: Json = False) -> None:
    """Look at servers, topics, dead letters and services. Exit status 1 when something is wrong."""
    from fettle_cli.examination import examine

    findings = asyncio.run(examine(Installation.here()))
    if as_json:
        show_json({"items": [asdict(finding) for finding in findings]})
    else:
        show_table(
            ("WHAT", "STATE", "FINDING"),
            ((finding.what, finding.state, finding.text) for finding in findings),
            empty="Nothing to look at.",
        )
    wrong = sum(finding.state == "wrong" for finding in findings)
    if wrong:
        raise CliError(f"{wrong} things are wrong" if wrong > 1 else "one thing is wrong")
