"""What the health monitor's processes take from `FETTLE_*`, besides what every service takes."""

from pydantic import Field

from fettle_chassis.settings import ServiceSettings


class HealthSettings(ServiceSettings):
    """Settings of judge and correlator. No setting changes what a heartbeat means: that is policy, and stands in the
    log."""

    shard_patience_s: float = Field(default=5.0, ge=0)
    """How long a verdict waits for a slower shard, on the fastest shard's clock."""
    shard_stalled_s: float = Field(default=60.0, gt=0)
    """Lag behind the fastest shard from which on a shard is not waited for at all."""
    acknowledged_within_s: float = Field(default=5.0, gt=0)
    """How long a PUT waits for Kafka to have what it wrote, before it answers 202."""
    last_heard_within_s: float = Field(default=1.0, gt=0)
    """How long an answer about one subject waits for the owner of its shard."""
    checkpoint_every_s: float = Field(default=10.0, gt=0)
    """How often the judge saves a shard; what came since is read again after a crash."""
