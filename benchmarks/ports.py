"""Ports of 127.0.0.1 for servers that are started, killed and started again beside each other."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_BLOCK = 500
_LOWEST = 10_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that nobody listens on now, from a block that belongs to this process.

    No other process that asks here gets it, nor does an outgoing connection: a server that was
    killed finds it free when it is started again.

    Raises:
        RuntimeError: all are taken.
    """
    for port in itertools.islice(_block(), _BLOCK):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


@cache
def _block() -> Iterator[int]:
    """Round and round the ports of a block that no other process has; until this one ends."""
    folder = Path(tempfile.gettempdir()) / f"fairreel-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for first in range(_LOWEST, _ephemeral_from() - _BLOCK, _BLOCK):
        lock = os.open(folder / str(first), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return itertools.cycle(range(first, first + _BLOCK))
    raise RuntimeError(f"all blocks of ports are taken; see {folder}")


def _ephemeral_from() -> int:
    """Where the kernel begins to take ports for outgoing connections."""
    if not _EPHEMERAL.exists():
        return 32_768
    return max(int(_EPHEMERAL.read_text().split()[0]), _LOWEST + 2 * _BLOCK)
