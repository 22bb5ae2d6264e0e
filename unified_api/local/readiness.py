"""Which local models can be called now, and the command that brings what is missing; nothing heavy is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from unified_api.local import embedder, openmp, weights

__all__ = ["EXTRA_COMMAND", "awaits_pull", "missing", "pull"]

EXTRA_COMMAND = "pip install 'meta-orchestrator[local]'"

_CHAT, _EMBEDDINGS = "smollm2-135m-instruct", "wordllama-256"


def missing(cache_dir: Path) -> Mapping[str, str]:
    """Name of a local model that cannot be called -> what it lacks and the command that mends it.

    A model that is ready is absent. Costs a few file system calls.
    """
    lacking: dict[str, str] = {}
    if not _installed("xllamacpp"):
        lacking[_CHAT] = f"its engine xllamacpp is not installed: {EXTRA_COMMAND}"
    elif openmp.absent(cache_dir):
        lacking[_CHAT] = (
            f"its engine needs the library {openmp.LIBRARY}, which this system lacks; {openmp.INSTALL} fetch a copy: "
            + weights.PULL_COMMAND
        )
    elif weights.find(cache_dir) is None:
        lacking[_CHAT] = f"its weights are not downloaded yet: {weights.PULL_COMMAND}"
    if embedder.files() is None or not (_installed("numpy") and _installed("tokenizers")):
        lacking[_EMBEDDINGS] = f"the package wordllama is not installed: {EXTRA_COMMAND}"
    return lacking


def awaits_pull(cache_dir: Path) -> bool:
    """Whether the chat model lacks nothing but what `pull` brings."""
    return _installed("xllamacpp") and (openmp.absent(cache_dir) or weights.find(cache_dir) is None)


def pull(cache_dir: Path, *, on_progress: weights.OnProgress | None = None, verify: bool = False) -> Path:
    """Bring what the chat model lacks into `cache_dir`, and return the path of its weights.

    Blocks; called again it costs next to nothing. `on_progress` and `verify` are those of `weights.pull`, which also
    says when WeightsError is raised.
    """
    openmp.pull(cache_dir)
    return weights.pull(cache_dir, on_progress=on_progress, verify=verify)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
