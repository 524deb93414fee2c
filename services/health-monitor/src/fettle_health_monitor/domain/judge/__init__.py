"""The judge: one shard is a pure fold over one partition of `device.heartbeats`.

Read `states.py` (what can be the matter with a subject), `clock.py` (which time counts), `judge.py` (one subject
judged), `shard.py` (the fold over the log), in this order.
"""
