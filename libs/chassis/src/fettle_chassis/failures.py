"""The vocabulary of failures. Each kind has exactly one ending; nothing else is caught.

- `TransientError`: passes by itself (server away). The work is held and tried again, for ever, with a growing pause.
- `BadRecord`: the data is wrong and stays wrong. The record goes to `<topic>.dlq`.
- any other exception: a bug. The process stops loudly.
"""


class TransientError(Exception):
    """Something that passes by itself; trying the same again later is right.

    Adapters raise it for what only they can recognise. Lost database or broker connections, deadlocks,
    serialization failures and timeouts are recognised by the chassis without it (`is_transient`).
    """


class BadRecord(Exception):
    """The record's data is wrong; it can never be handled.

    `code` is stable, for machines (header `dlq-reason`), `message` is for people (header `dlq-message`).
    A handler that knows the guilty one passes `index`, its position in the batch it was given; without it the
    chassis splits the batch until the guilty record is alone.
    """

    def __init__(self, code: str, message: str, *, index: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.index = index


class MessageTooLarge(Exception):
    """An outgoing message over 900 KB, refused inside the writing transaction, which rolls back.

    A handler that can say more about the cause translates it (to a rejection, or to `BadRecord`); unhandled it
    is a bug like any other.
    """

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes for {topic} is over the limit of {limit}")
        self.topic = topic
        self.size = size
        self.limit = limit


class StartRefused(Exception):
    """The process must not start (or go on) and one line says why: impossible topic settings, another database
    version. `process.run` prints the line and exits with status 1."""
