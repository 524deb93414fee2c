"""What happens when something arrives: facts are loaded, the domain decides, what follows is written.

Its doors, a module a cause: `judgements.py` (what shards say), `tickets.py` (events and answers of the ticket service),
`orgs.py`; and for people `policies.py`, `registry.py`, `silences.py`, `hearing.py`, `verifying.py`, `why.py`.

Behind `judgements.py`, in this order: `reach.py` (what is no repeat, and how far all shards have come), `news.py` (the
same by kind), `changes.py` (what is shown of it, and the verdicts that wait), `policy_effects.py` (what a new policy
and a watch that is due call for; `retiming.py`: what runs already lasts as long as the new one says), `deciding.py`
(verdicts into outcomes, outcomes into commands), `greeting.py` (a shard that knows nothing is told). Where a change is
not about one subject alone: `holding_back.py`, `losing.py` and `loss_course.py` before it is shown (of lost heartbeats,
not of silences that people make), `sharing.py` (with `joining.py`, `former_lists.py`, `list_ends.py`,
`taking_back.py`) and `silencing.py` before it is decided.

Everything runs inside the unit of work of whoever calls. Locks are taken in one order: shards' progress, orgs, the
shards' gaps, the control counter.
"""
