"""What happens when something arrives: facts are loaded, the domain decides, what follows is written. A module a cause.

Everything runs inside the unit of work of whoever calls. Locks are taken in one order: shards' progress, orgs, the
control counter.
"""
