"""`fettle tickets policy`: what an org decides about its tickets."""

import json
from typing import cast

from fettle_cli.api import calling
from fettle_cli.commands.policies import Changes, PolicyFile, read_policy, wanted
from fettle_cli.installation import Installation
from fettle_cli.options import Json, Org
from fettle_cli.output import say, show_fields, show_json
from fettle_client.shapes.tickets import TicketPolicy


def policy(file: PolicyFile = None, changes: Changes = None, org: Org = None, as_json: Json = False) -> None:
    """Show the org's ticket policy, or change it. `--set` is refused if somebody else changed it meanwhile."""
    fields = wanted(changes, "reopen_window_s=3600")
    here = Installation.here()
    with calling(here, org) as fettle:
        shown = fettle.get_ticket_policy() if file is None else cast("TicketPolicy", read_policy(file))
        if file is not None or fields:
            seen = None if file else shown.get("version")
            shown = fettle.put_ticket_policy(cast("TicketPolicy", {**shown, **fields}), version=seen)
    if as_json:
        show_json(shown)
        return
    show_fields((name, value) for name, value in shown.items() if not isinstance(value, list))
    for pattern in shown.get("link_patterns", ()):
        say(f"link pattern  {json.dumps(pattern, ensure_ascii=False)}")
