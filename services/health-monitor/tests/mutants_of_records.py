"""Rules broken about what a shard takes from a record: heartbeats refused, newcomers, the cap, its hello and what is
announced to it, and control records."""

from tests.mutation import Mutant, Part

HEARTBEATS = "domain/judge/heartbeats"
REFUSALS = "domain/judge/refusals"
NEWCOMERS = "domain/judge/newcomers"
SCRIBE = "domain/judge/scribe"
SHARD = "domain/judge/shard"
POLICIES = "domain/judge/policies"
STATEMENTS = "domain/judge/statements"
PROFILES = "domain/judge/profiles"
JUDGE = "domain/judge/judge"
HELD = "domain/judge/held"
CONTROL = "domain/control"
SIGNED = "adapters/judge/control_records"

RECORDS = (
    # what a change is named by
    Part(
        ("judge_change_ids",),
        (
            Mutant(SCRIBE, "if found not in self._ids:", "if True:"),
            Mutant(SCRIBE, "{moved}/{RULES_VERSION}{again}", "{moved}{again}"),
        ),
    ),
    # whom a new shard was only told of
    Part(
        ("judge_lost_log", "judge_told_of"),
        (
            Mutant(JUDGE, "if self.judging or stays:", "if self.judging:"),
            Mutant(JUDGE, "if self.judging or stays:", "if True:"),
            Mutant(JUDGE, "                self._tell_of_the_unheard(row, told)\n", ""),
            Mutant(JUDGE, "            if len(self.scribe.judgements) == told:\n                self._tell_heard_again",
                   "            if True:\n                self._tell_heard_again"),
            Mutant(JUDGE, "        self.subjects.registry[row] |= UNHEARD\n", ""),
            Mutant(JUDGE, "registry[row] & ~HEARD_UNTOLD | UNHEARD", "registry[row] & ~HEARD_UNTOLD"),
            Mutant(STATEMENTS, "UNHEARD if newcomer else ", "0 if newcomer else "),
            Mutant(STATEMENTS, "else subjects.registry[row] & (UNHEARD | HEARD_UNTOLD))", "else 0)"),
        ),
    ),
    # which heartbeats are refused, and how many of them become dead letters
    Part(
        ("judge_refusals",),
        (
            Mutant(HEARTBEATS, "    if len(value) > HEARTBEAT_MAX_BYTES:\n        raise",
                   "    if False:\n        raise"),
            Mutant(HEARTBEATS, "        return None  # numbers", "        pass  # numbers"),
            Mutant(HEARTBEATS, "is not None and not INTERVAL_MIN_S <= interval <= INTERVAL_MAX_S:\n        raise",
                   "is not None and not INTERVAL_MIN_S <= interval:\n        raise"),
            Mutant(HEARTBEATS, "is not None and not INTERVAL_MIN_S <= interval <= INTERVAL_MAX_S:\n        raise",
                   "is not None and not INTERVAL_MIN_S < interval < INTERVAL_MAX_S:\n        raise"),
            Mutant(HEARTBEATS, "reading is None or reading not in CONDITIONS[subject_type]", "reading is None"),
            Mutant(HEARTBEATS, '("integration", "name", "model", "space")', '("integration", "name", "model")'),
            Mutant(HEARTBEATS, "UnicodeDecodeError, RecursionError) as error", "UnicodeDecodeError) as error"),
            Mutant(HEARTBEATS, "        _check_integration(heartbeat.integration)\n", ""),
            Mutant(SHARD, "if belongs != self.partition:", "if False:"),
            Mutant(SHARD, 'known = org if org in self.judge.policies else ""', "known = org"),
            Mutant(REFUSALS, "key = (refusal.org, refusal.code)", 'key = ("", refusal.code)'),
            Mutant(REFUSALS, "key = (refusal.org, refusal.code)", "key = (refusal.org, DeadLetterCode.NOT_JSON)"),
            Mutant(REFUSALS, "at_ms // 60_000", "0"),
            Mutant(REFUSALS, "spent[key] <= self._per_minute", "spent[key] < self._per_minute"),
            Mutant(REFUSALS, "del self._spent[min(self._spent)]", "self._spent.clear()"),
        ),
    ),
    # who is new, who is turned away, and how many an org may have
    Part(
        ("judge_newcomers", "judge_policies"),
        (
            Mutant(NEWCOMERS, 'if policy.statement.discover == "list_only":', "if False:"),
            Mutant(NEWCOMERS, "] >= policy.cap(partitions):", "] > policy.cap(partitions):"),
            Mutant(NEWCOMERS, "self.watched[policy.statement.org] >=", "self.watched.total() >="),
            Mutant(NEWCOMERS, "key in listed or", ""),
            Mutant(NEWCOMERS, "len(listed) >= LISTED_MAX", "len(listed) > LISTED_MAX"),
            Mutant(NEWCOMERS, "        self._listed.pop(org, None)\n", "        pass\n"),
            Mutant(NEWCOMERS, "        self._listed = listed\n", "        pass\n"),
            Mutant(POLICIES, "max(1, self.statement.subject_cap // partitions)",
                   "self.statement.subject_cap // partitions"),
            Mutant(POLICIES, "self.statement.subject_cap // partitions)", "self.statement.subject_cap)"),
            Mutant(SHARD, "        self.newcomers.watched[key.org] += 1\n", ""),
            Mutant(SHARD, "                self.newcomers.watched[_org_of(key.encode())] -= 1\n", ""),
            Mutant(STATEMENTS, "        newcomers.watched[org] += 1\n", ""),
            Mutant(STATEMENTS, "        newcomers.unlist(org, key)\n", ""),
            Mutant(SHARD, "            self.newcomers.unlist(_org_of(key.encode()), key)\n", ""),
        ),
    ),
    # what is first heard, and what the registry says of it
    Part(
        ("judge_newcomers", "judge_policies", "judge_states", "judge_observation", "judge_told_of"),
        (
            Mutant(SHARD, "        judge.subjects.heard_at[row] = said.timestamp\n", ""),
            Mutant(SHARD, "heartbeat.model or None, heartbeat.interval_s)", "None, heartbeat.interval_s)"),
            Mutant(SHARD, "heartbeat.model or None, heartbeat.interval_s)", "heartbeat.model or None, None)"),
            Mutant(SHARD, "        judge.say_profile(row, heartbeat)\n        judge.subjects.heard_at",
                   "        judge.subjects.heard_at"),
            Mutant(SHARD, " or not self.judge.subjects.heard_at[row]:", ":"),
            Mutant(SHARD, "        judge.subjects.set_said(row, checksums(heartbeat))\n", ""),
            Mutant(PROFILES, "return now != before", "return profile is not known"),
            Mutant(PROFILES, "tuple(new or old for", "tuple(new for"),
            Mutant(PROFILES, "and not given & FROM_REGISTRY_INTEGRATION", ""),
            Mutant(PROFILES, "and not given & FROM_REGISTRY_MODEL", ""),
            Mutant(PROFILES, "and not given & FROM_REGISTRY_INTERVAL", ""),
            Mutant(STATEMENTS, "said.interval_s or known.interval_s", "said.interval_s"),
            Mutant(STATEMENTS, "said.model or known.model", "said.model"),
            Mutant(STATEMENTS, "said.integration or known.integration", "said.integration"),
            Mutant(HEARTBEATS, "        if is_behind_none(key):", "        if False:"),
            Mutant(STATEMENTS, "None if is_behind_none(key.encode()) else ", ""),
            Mutant(STATEMENTS, "    if newcomer:\n", "    if True:\n"),
            Mutant(STATEMENTS, "    subjects.look_again(row)\n    profile", "    profile"),
        ),
    ),
    # a shard that waits to be told what is in force
    Part(
        ("judge_observation", "judge_refusals"),
        (
            Mutant(SHARD, "            elif self.announcement is not None and not self.announcement.greeted:\n"
                   "                self._folded.ignored[Ignored.BEFORE_HELLO] += 1\n", ""),
            Mutant(SHARD, "waiting is None or waiting.greeted or waiting.nonce != hello.nonce",
                   "waiting is None or waiting.greeted"),
            Mutant(SHARD, "waiting is None or waiting.greeted or waiting.nonce", "waiting is None or waiting.nonce"),
            Mutant(SHARD, "self.announcement is None or self.announcement.greeted", "True"),
            Mutant(SHARD, "self.announcement and statement.nonce == self.announcement.nonce", "self.announcement"),
            Mutant(SHARD, "            self.judge.judge_from_now()\n", ""),
            Mutant(SHARD, "            for held in self._held.take_all():\n                self._hear_held(held)\n",
                   ""),
            Mutant(SHARD, "        self.judge.judging = False\n", ""),
            Mutant(SHARD, "        self.judge.subjects.look_again_at_all()\n", ""),
            Mutant(SHARD, "bytes((record.value or b\"\")[: HEARTBEAT_MAX_BYTES + 1])",
                   "bytes((record.value or b\"\")[:HEARTBEAT_MAX_BYTES])"),
        ),
    ),
    # what is held until all is told
    Part(
        ("judge_held", "judge_held_order", "judge_observation"),
        (
            Mutant(SHARD, "if policy is None or not self.announcement.since:", "if policy is None:"),
            Mutant(SHARD, "return self.newcomers.turned_away(policy, self.partitions) is not None", "return False"),
            Mutant(SHARD, "(said := self._held.take(key.encode())) is not None", "(said := None) is not None"),
            Mutant(SHARD, "            self._held.take(key.encode())\n", ""),
            Mutant(SHARD, "            self.judge.subjects.heard_at[row] = held.timestamp\n", ""),
            Mutant(SHARD, "        elif isinstance(held, Refusal):\n            self._folded.refusals.append(held)\n",
                   "        elif isinstance(held, Refusal):\n            pass\n"),
            Mutant(HELD, "filled(self.heartbeat, earlier.heartbeat)", "self.heartbeat"),
            Mutant(SHARD, "said if earlier is None else said.behind(earlier)", "said"),
            Mutant(SHARD, "            earlier = self._held.take(said.key)\n", "            earlier = None\n"),
            Mutant(SHARD, "1 if self._held.take(key.encode()) is None else 2", "1"),
            Mutant(HELD, "number < HELD_MAX or not more_of_them", "number <= HELD_MAX or not more_of_them"),
            Mutant(HELD, "(number < HELD_MAX or not more_of_them)", "(number < HELD_MAX)"),
            Mutant(HELD, "self._bytes -= said.size", "pass"),
            Mutant(HELD, "- (0 if before is None else before.size)", ""),
            Mutant(HELD, "        self._refused.append(refusal)\n", ""),
        ),
    ),
    # control records
    Part(
        ("judge_observation", "judge_refusals", "judge_policies", "judge_newcomers"),
        (
            Mutant(SHARD, "control.number <= self.number:", "control.number < self.number:"),
            Mutant(SHARD, "            self.number = control.number\n", ""),
            Mutant(SHARD, "            if policy is None:\n                self._folded",
                   "            if policy is None and False:\n                self._folded"),
            Mutant(CONTROL, "    if kind(statement) != header:", "    if False:"),
            Mutant(SIGNED, "    if control is None:", "    if control is None or NUMBER_HEADER not in headers:"),
            Mutant(SIGNED, "topic=self._topic, partition=self._partition, key=key",
                   "topic=self._topic, partition=0, key=key"),
            Mutant(SIGNED, "if isinstance(verdict, Verified):", "if True:"),
            Mutant(SIGNED, "except ValueError as error:", "except UnicodeError as error:"),
        ),
    ),
)  # fmt: skip
