"""The running judge: which shards this process owns, how they are opened, kept and let go.

`owner.py` reads the log and folds it, `opening.py` decides where a shard goes on, `saving.py` writes checkpoints,
`pulses.py` makes the log tick. What a heartbeat means is none of their business: see `domain/judge`.
"""
