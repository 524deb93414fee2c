"""The C library's allocator, told to give large buffers back.

glibc takes each buffer above a threshold from the system and gives it back when it is freed. But the first that is
freed raises the threshold to its own size, up to 32 MiB, and what is smaller is then cut from a heap that small things
hold open (mallopt(3), M_MMAP_THRESHOLD). What copying a large state took would thus stay with the process. A threshold
that has been set stays where it is.
"""

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD_BYTES: Final = 128 * 1024
"""glibc's own, from which it starts."""


def give_back_large_buffers() -> None:
    """Call once, before anything large is allocated. Other C libraries have no such threshold: nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
