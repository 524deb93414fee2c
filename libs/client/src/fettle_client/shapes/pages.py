"""Lists."""

from typing import Generic, NotRequired, TypedDict, TypeVar

Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """A part of a list. `next_cursor` is where the next one begins, null on the last. Lists about health say `as_of`,
    the time up to which heartbeats have been judged; a checklist's say how many members there are in all."""

    items: list[Item]
    next_cursor: str | None
    as_of: NotRequired[str | None]
    total: NotRequired[int]
    recovered: NotRequired[int]
