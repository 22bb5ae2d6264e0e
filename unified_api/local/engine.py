"""The embedded language model: one llama.cpp server object a process, shared, loaded at first use."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from unified_api.errors import ConfigurationError, ContextOverflowError, InvalidRequestError, ProviderError, ServerError
from unified_api.local import openmp
from unified_api.local.weights import PULL_COMMAND
from unified_api.types import JsonObject

__all__ = ["CONTEXT", "PARALLEL", "Engine", "OnChunk", "acquire", "release"]

PARALLEL = 2
"""Calls decoded side by side; on two cores more share the same speed."""
CONTEXT = 4096
"""Tokens of prompt and answer together, for each of them."""

_BATCH = 128
"""Prompt tokens between two looks at a cancellation: half a second of work on two slow cores."""
_PROMPT_THREADS = 8
_SOCKET_PATH_LIMIT = 100
"""Bytes; the system's own limit for a socket's path is 104 or 108."""

RawChunk: TypeAlias = Mapping[str, Any]
OnChunk: TypeAlias = Callable[[RawChunk], bool]
"""Gets each piece of the answer in the decoding thread; returning True stops the decoding."""


class Engine:
    """One loaded model. Every method blocks; use it from worker threads."""

    def __init__(self, path: Path) -> None:
        library = _import_library(path.parent)
        try:
            self._server = _serve(library, path)
        except (RuntimeError, ValueError, OSError) as error:
            message = f"llama.cpp cannot load {path} ({error}): run `orchestrate models pull local --verify`"
            raise ConfigurationError(message, provider="local") from error

    def decode(self, body: JsonObject, on_chunk: OnChunk) -> None:
        """Answer one chat request (llama.cpp's OpenAI-compatible body), piece by piece, until it ends or is stopped.

        Raises ContextOverflowError, InvalidRequestError (a schema that no grammar can hold) or ServerError.
        """
        failure: list[ProviderError] = []

        def receive(chunk: RawChunk) -> bool:
            if "error" in chunk:
                failure.append(_error(chunk["error"]))
                return True
            return on_chunk(chunk)

        try:
            self._server.handle_chat_completions(body, receive)
        except ValueError as error:  # what the request's parsing raises, a schema's translation included
            raise InvalidRequestError(f"the local model cannot take the request: {error}", provider="local") from error
        except RuntimeError as error:
            raise ServerError(f"the local model failed: {error}", provider="local") from error
        if failure:
            raise failure[0]


def _import_library(folder: Path) -> Any:
    try:
        openmp.load(folder)
        with openmp.threads_sleep():
            import xllamacpp  # an extra, and 20 MB of native code
    except ModuleNotFoundError as error:
        message = f"the local model's engine is not installed ({error}): pip install 'meta-orchestrator[local]'"
        raise ConfigurationError(message, provider="local") from error
    except (ImportError, OSError) as error:
        message = f"the local model's engine cannot be loaded ({error}): {openmp.INSTALL} run `{PULL_COMMAND}`"
        raise ConfigurationError(message, provider="local") from error
    return xllamacpp


def _serve(library: Any, path: Path) -> Any:
    cores = _cores()
    params = library.CommonParams()
    params.model.path = str(path)
    params.n_parallel = PARALLEL
    params.n_ctx = CONTEXT * PARALLEL  # llama.cpp divides it by n_parallel
    params.n_batch = params.n_ubatch = _BATCH
    # One thread decodes as fast as two on two idle cores and faster on busy ones; a prompt's tokens go in parallel.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = min(cores, _PROMPT_THREADS)
    params.cache_ram_mib = 0  # else prompts are kept, up to 8 GiB of them
    params.verbosity = 0
    params.warmup = False
    params.endpoint_slots = False
    params.ui = False
    # The object cannot be had without a listening HTTP server, which nobody needs: it gets a key that nobody knows ...
    params.api_keys = [secrets.token_urlsafe(32)]
    params.n_threads_http = 1
    with _unreachable_address() as address:
        if address is not None:
            params.hostnames = [address]
        return library.Server(params)


@contextmanager
def _unreachable_address() -> Iterator[str | None]:
    """... and a socket in a private folder, which is gone the moment the server listens on it.

    None where the system has no such sockets or the temporary folder's name is too long for one: then the server
    listens on a loopback port, guarded by the key alone.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrate-", ignore_cleanup_errors=True) as folder:
        address = str(Path(folder) / "llama.sock")
        yield address if os.name == "posix" and len(os.fsencode(address)) <= _SOCKET_PATH_LIMIT else None


def _cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _error(facts: Mapping[str, Any]) -> ProviderError:
    message, kind = str(facts.get("message") or facts), str(facts.get("type") or "")
    if kind == "exceed_context_size_error":
        needed = facts.get("n_prompt_tokens")
        return ContextOverflowError(
            f"the prompt has {needed} tokens, the local model reads {CONTEXT}: shorten it or name a larger model",
            provider="local",
            provider_code=kind,
        )
    if kind == "invalid_request_error":
        return InvalidRequestError(f"the local model refused: {message}", provider="local", provider_code=kind)
    return ServerError(f"the local model failed: {message}", provider="local", provider_code=kind or None)


class _Shelf:
    """The engines of this process with the number of their users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[tuple[int, Path], tuple[Engine, int]] = {}

    def acquire(self, path: Path) -> Engine:
        # A forked child has the object without its threads, so it must load its own.
        key = (os.getpid(), path)
        with self._lock:
            engine, users = self._engines.get(key) or (Engine(path), 0)
            self._engines[key] = (engine, users + 1)
            return engine

    def release(self, path: Path) -> None:
        key = (os.getpid(), path)
        with self._lock:
            engine, users = self._engines.pop(key)
            if users > 1:
                self._engines[key] = (engine, users - 1)


_SHELF = _Shelf()


def acquire(path: Path) -> Engine:
    """The process's one engine for these weights; blocks while it is loaded (about 0.4 s). Thread-safe.

    Raises ConfigurationError when the engine is not installed or cannot read the file.
    """
    return _SHELF.acquire(path)


def release(path: Path) -> None:
    """Undo one `acquire`; the last one frees the memory as soon as no call is being decoded."""
    _SHELF.release(path)
