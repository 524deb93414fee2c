"""What a judge process counts, with its meaning."""

from fettle_chassis.metrics import counter, gauge, histogram

RECORDS = counter("judge_records", "Records of device.heartbeats folded, control records included.")
IGNORED = counter("judge_ignored", "Records that were as they should be and were not judged, by why.", "why")
REFUSED = counter("judge_refused", "Wrong records, by the reason; only so many are dead-lettered.", "code")
SET_ASIDE = counter("judge_set_aside", "Records left out because a bug ended the process at each of them three times.")
JUDGEMENTS = counter("judge_judgements", "Messages written for the correlator, clocks included, by kind.", "kind")
BACKLOG = gauge("judge_backlog_messages", "Messages for the correlator that Kafka has not acknowledged.")
BEHIND = gauge("judge_behind_seconds", "Age of the last record judged, by shard.", "shard")
LAG = gauge("judge_lag_records", "Records that the broker has and the shard has not judged, by shard.", "shard")
JUDGED_UNTIL = gauge(
    "judge_judged_until_timestamp_seconds",
    "The instant up to which a shard has judged, in seconds since 1970.",
    "shard",
)
SUBJECTS = gauge("judge_subjects", "Subjects watched, by shard.", "shard")
TIMERS = gauge("judge_timers", "Timers that run, with such as were moved and are not dropped yet, by shard.", "shard")
TIMERS_DUE = gauge(
    "judge_timers_due",
    "Timers that are due by the wall clock and wait for the shard's log, by shard; no more than 10,000 are looked at.",
    "shard",
)
CHECKPOINT_AGE = gauge(
    "judge_checkpoint_age_seconds", "Age of the record that a restart would go on behind, by shard.", "shard"
)
OPENED = counter("judge_shards_opened", "Shards taken over: after a checkpoint, anew, or after lost log.", "how")
SHARD_UNOBSERVED = gauge(
    "judge_shard_unobserved", "1 while the owner of a shard does not read its own pulses, else 0.", "shard"
)
CHECKPOINTS = counter("judge_checkpoints", "Checkpoints written, or left because another owner is further.", "outcome")
CHECKPOINT_SECONDS = histogram("judge_checkpoint_seconds", "From copying a shard's state to having it in the database.")
CONSUMER_RESTARTS = counter(
    "judge_consumer_restarts", "Clients thrown away: nothing came of them any more, or Kafka failed."
)
