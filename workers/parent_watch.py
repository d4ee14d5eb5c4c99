"""How a child lives beside its parent: it notices when that is gone, and leaves it a processor."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Thread

from workers.processor import own_threads

NICENESS = 10


def watch_parent(descriptor: int, on_gone: Callable[[], None]) -> Thread:
    """Call `on_gone` from a thread when the pipe `descriptor` (standard input) ends.

    The parent holds the other end and never writes, so it ends when the parent does, even by
    SIGKILL.
    """

    def wait() -> None:
        # No sys.stdin here: its lock, held by a waiting thread, ends the interpreter badly.
        while os.read(descriptor, 4096):
            pass
        on_gone()

    thread = Thread(target=wait, name="parent-watch", daemon=True)
    thread.start()
    return thread


def yield_to_parent() -> None:
    """Lower the priority of all threads and keep them off the parent's processor.

    Of a parent that is on all of them one is left to it. Both belong to threads on Linux, and
    numeric libraries have started theirs by now; threads to come inherit it.
    """
    for thread in own_threads():
        os.setpriority(os.PRIO_PROCESS, thread, NICENESS)
        if hasattr(os, "sched_setaffinity"):
            processors = os.sched_getaffinity(thread)
            left = processors - os.sched_getaffinity(os.getppid()) or set(sorted(processors)[1:])
            os.sched_setaffinity(thread, left or processors)
