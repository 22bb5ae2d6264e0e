"""Tells whether the process that began a run still lives."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path

__all__ = ["is_gone", "this_owner"]


@lru_cache(maxsize=1)
def _this(pid: int) -> str:
    return f"{platform.node()}/{pid}/{_birth(pid)}"


def this_owner() -> str:
    """Host, process id and the process's birth, which tells a reused process id apart."""
    return _this(os.getpid())


def is_gone(owner: str) -> bool:
    """Whether the owner is certainly dead; False when it lives, or cannot be asked (another host, Windows)."""
    if owner == this_owner():
        return False
    host, pid, birth = owner.rsplit("/", 2)
    if host != platform.node() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, as another user
    return birth != _birth(int(pid))


def _birth(pid: int) -> str:
    """The start time in clock ticks since boot (proc(5), field 22), or nothing where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The command's name, field 2, is in brackets and may hold spaces.
    return stat.rpartition(")")[2].split()[19]
