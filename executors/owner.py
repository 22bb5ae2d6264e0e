"""Tells whether who began a run still lives: a process, and in it a journal that is in use."""

from __future__ import annotations

import os
import platform
import secrets
from functools import lru_cache
from pathlib import Path

__all__ = ["is_gone", "new_owner", "retire", "revive", "this_owner"]

_DEAD = "ZX"
"""States of processes that have ended and were not yet asked how (proc(5), field 3)."""
_living: set[str] = set()
"""The owners in this process that are in use."""


@lru_cache(maxsize=1)
def _this(pid: int) -> str:
    return f"{platform.node()}/{pid}/{_birth(pid)}"


def this_owner() -> str:
    """Host, process id and the process's birth, which tells a reused process id apart."""
    return _this(os.getpid())


def new_owner() -> str:
    """One of several in this process, in use once it was revived."""
    return f"{this_owner()}/{secrets.token_hex(4)}"


def revive(owner: str) -> None:
    """What it has is its own from now on."""
    _living.add(owner)


def retire(owner: str) -> None:
    """What it has may be taken by others from now on."""
    _living.discard(owner)


def is_gone(owner: str) -> bool:
    """Whether the owner is certainly dead; False when it lives, or cannot be asked (another host, Windows)."""
    process = "/".join(owner.split("/")[:3])
    if process == this_owner():
        return owner != process and owner not in _living
    host, pid, birth = process.split("/")
    if host != platform.node() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, as another user
    stat = _stat(int(pid))
    return bool(stat) and (stat[0] in _DEAD or birth != stat[19])


def _birth(pid: int) -> str:
    """The start time in clock ticks since boot (proc(5), field 22), or nothing where there is no /proc."""
    stat = _stat(pid)
    return stat[19] if stat else ""


def _stat(pid: int) -> list[str]:
    """What proc(5) tells of a process from field 3 on; nothing where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The command's name, field 2, is in brackets and may hold spaces.
    return stat.rpartition(")")[2].split()
