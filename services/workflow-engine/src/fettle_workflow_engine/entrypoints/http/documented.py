"""What the OpenAPI document says of the engine's operations and their parameters. One without words here fails a
test."""

from collections.abc import Mapping

from fettle_chassis.documented import About, Words
from fettle_workflow_engine.entrypoints.http import examples as eg
from fettle_workflow_engine.entrypoints.http import shapes, trial_shapes

_INVALID = {422: "invalid"}
_IN_THE_WAY = {409: "conflict"}
_NO_ROOM = {429: "too_many"}
_SAVED = {201: "The new workflow.", 200: "The workflow as it is now."}
_CHANNEL_NAMED = {"name": "The channel's name."}
_SECRET_NAMED = {"name": "The secret's name."}

_WORKFLOWS: Mapping[str, About] = {
    "get /workflows": About("List workflows", eg.WORKFLOWS, model=shapes.WorkflowPage),
    "post /workflows": About(
        "Save a new workflow",
        eg.WORKFLOW,
        refusals={**_IN_THE_WAY, **_INVALID},
        statuses={201: "The new workflow.", 200: "A dry run: the document could be saved."},
        examples={200: eg.CHECKED},
    ),
    "get /workflows/{name}": About("Show a workflow", eg.WORKFLOW),
    "get /workflows/{name}/graph": About(
        "Show what follows what", eg.GRAPH, refusals=_INVALID, model=shapes.WorkflowGraph
    ),
    "put /workflows/{name}": About(
        "Save a workflow", eg.WORKFLOW, refusals={**_INVALID, 412: "stale"}, model=shapes.Workflow, statuses=_SAVED
    ),
    "delete /workflows/{name}": About("Delete a workflow", refusals={412: "stale"}, statuses={204: "It is gone."}),
    "get /workflows/{name}/versions": About("List a workflow's versions", eg.VERSIONS, model=shapes.VersionPage),
    "get /workflows/{name}/versions/{version}": About("Show a version", eg.VERSION, model=shapes.WorkflowVersion),
    "get /workflows/{name}/versions/{version}/difference": About(
        "Compare two versions", eg.DIFFERENCE, model=shapes.WorkflowDifference
    ),
    "post /workflows/{name}/versions/{version}/restore": About(
        "Bring a version back", eg.WORKFLOW, refusals={**_INVALID, 412: "stale"}, model=shapes.Workflow
    ),
    "post /workflows/{name}/test-runs": About(
        "Try a workflow out", eg.TRIED, eg.ASKED_TO_TRY, _INVALID, trial_shapes.TriedRun
    ),
    "post /workflows/{name}/preview": About(
        "Preview a workflow on the past",
        eg.PREVIEW,
        {"days": 7},
        {**_INVALID, **_NO_ROOM},
        trial_shapes.Previewed,
    ),
    "get /workflow-policy": About("Show whether workflows run", eg.POLICY),
    "put /workflow-policy": About("Switch all workflows off or on", eg.POLICY, {"enabled": True}),
}
_RUNS: Mapping[str, About] = {
    "get /runs": About("List runs", eg.RUNS, model=shapes.RunPage),
    "get /workflows/{name}/runs": About("List a workflow's runs", eg.RUNS, model=shapes.RunPage),
    "get /runs/{run_id}": About("Show a run", eg.RUN, model=shapes.ShownRun),
    "post /workflows/{name}/runs": About(
        "Start a run by hand",
        eg.RUN,
        eg.PRESSED,
        _IN_THE_WAY,
        shapes.ShownRun,
        statuses={201: "The run, as far as it has come."},
    ),
    "post /runs/{run_id}/cancel": About("Cancel a run", eg.CANCELLED, refusals=_IN_THE_WAY, model=shapes.ShownRun),
    "post /runs/{run_id}/retry": About(
        "Retry a run from where it failed", eg.RUN, refusals=_IN_THE_WAY, model=shapes.ShownRun
    ),
    "post /runs/{run_id}/rerun": About(
        "Run by the same event again",
        eg.RERUN,
        {"version": 2},
        {**_IN_THE_WAY, **_INVALID},
        shapes.ShownRun,
        statuses={201: "The new run."},
    ),
}
_HOOKS: Mapping[str, About] = {
    "post /workflows/{name}/hook": About(
        "Knock at a workflow's hook",
        eg.KNOCKED,
        eg.KNOCK,
        statuses={202: "The run that it started, or why it started none."},
        parameters={"idempotency-key": "By what a repeat is known, if the request has no `webhook-id`."},
    ),
    "get /workflows/{name}/hook": About("Show a workflow's hook", eg.HOOK),
    "post /workflows/{name}/hook/secrets": About(
        "Make a secret for a hook",
        eg.MADE_HOOK_SECRET,
        {"old_holds_s": 3600},
        _IN_THE_WAY,
        statuses={
            201: "The new secret with its text, this once.",
            200: "This Idempotency-Key came before: the secret of that time, without its text.",
        },
        examples={200: eg.HOOK_SECRET},
    ),
    "delete /workflows/{name}/hook/secrets/{secret_id}": About("End a hook's secret", statuses={204: "It has ended."}),
}
_OUTSIDE: Mapping[str, About] = {
    "get /secrets": About("List secrets", eg.SECRETS, model=shapes.SecretPage),
    "put /secrets/{name}": About(
        "Keep a secret",
        eg.SECRET,
        {"value": "https://pager.test/hooks/T04/B17"},
        {**_IN_THE_WAY, **_INVALID},
        shapes.Secret,
        statuses={201: "The new secret.", 200: "The secret, which has another value now."},
        parameters=_SECRET_NAMED,
    ),
    "delete /secrets/{name}": About(
        "Delete a secret", refusals=_IN_THE_WAY, statuses={204: "It is gone."}, parameters=_SECRET_NAMED
    ),
    "get /channels": About("List channels", eg.CHANNELS, model=shapes.ChannelPage),
    "post /channels": About(
        "Make a channel",
        eg.CHANNEL,
        eg.NEW_CHANNEL,
        {**_IN_THE_WAY, **_INVALID},
        shapes.ShownChannel,
        statuses={201: "The new channel."},
    ),
    "get /channels/{name}": About("Show a channel", eg.CHANNEL, model=shapes.ShownChannel, parameters=_CHANNEL_NAMED),
    "put /channels/{name}": About(
        "Make or change a channel",
        eg.CHANNEL,
        eg.CHANNEL_BODY,
        _INVALID,
        shapes.ShownChannel,
        statuses={201: "The new channel.", 200: "The channel as it is now."},
        parameters=_CHANNEL_NAMED,
    ),
    "delete /channels/{name}": About("Delete a channel", statuses={204: "It is gone."}, parameters=_CHANNEL_NAMED),
    "post /channels/{name}/test": About(
        "Try a channel out",
        eg.TRIAL,
        {"to": ["ann@acme.test"]},
        {**_INVALID, **_NO_ROOM},
        parameters=_CHANNEL_NAMED,
    ),
}

_PARAMETERS: Mapping[str, str] = {
    "name": "The workflow's name.",
    "if-match": '`"<saved_at>"` of the workflow that the caller saw, or `*` to replace any.',
    "version": "The version's number: 1, 2, 3 …",
    "from_version": "The version to compare with; left out, the one before.",
    "documents": "Whether each workflow comes with its document.",
    "dry_run": "Whether to say only what is wrong with the document, and keep nothing.",
    "state": "Only runs in this state.",
    "event": "Only runs that these entries of a ticket's timeline started, by their ids, 50 at most.",
    "run_id": "The run's id.",
    "secret_id": "The id of the hook's secret.",
    "fettle-hook-secret": "A secret of the hook, by whoever cannot sign.",
}

WORDS = Words({**_WORKFLOWS, **_RUNS, **_HOOKS, **_OUTSIDE}, _PARAMETERS)
