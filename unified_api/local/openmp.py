"""The system's OpenMP library, which llama.cpp is linked against on Linux: whether it is there, and how it waits."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INSTALL", "missing_library", "threads_sleep"]

INSTALL = "install it with your system's package tool (Debian, Ubuntu: libgomp1; Fedora: libgomp)"
_LIBRARY = "libgomp.so.1"


def missing_library(name: str = _LIBRARY) -> str | None:
    """The name of the OpenMP library where this system needs one and has none; None where all is well."""
    if sys.platform != "linux":
        return None  # the wheels for macOS and Windows carry what they need
    try:
        with threads_sleep():
            ctypes.CDLL(name)
    except OSError:
        return name
    return None


@contextmanager
def threads_sleep() -> Iterator[None]:
    """Have OpenMP's threads sleep while they wait for each other, where the user has not said how.

    Spinning, which is its default, made six short calls take 25 s instead of 3 beside two busy processes on two cores.
    The library reads the variable once, when it is loaded, so it is set for that moment alone.
    """
    if "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        yield
    finally:
        os.environ.pop("OMP_WAIT_POLICY", None)
