"""Memory of a process, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def resident_mib(pid: int | str = "self") -> float:
    """Resident now, MiB."""
    return _mib("VmRSS", pid)


def peak_mib(pid: int | str = "self") -> float:
    """The most that was ever resident, MiB; not that of the parent, which `ru_maxrss` passes on."""
    return _mib("VmHWM", pid)


def _mib(field: str, pid: int | str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/{pid}/status: no {field}")
