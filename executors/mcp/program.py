"""A server that runs as a program of ours, spoken to over its standard input and output.

The SDK's own transport reads lines of any length and shows the program's complaints to nobody; this one bounds both.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.abc

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared.message import SessionMessage

    Streams: TypeAlias = (
        "tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]"
    )

__all__ = ["INHERITED", "Program", "running"]

INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
    *("APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
)
"""The variables that any program may need to start, and none of which is a secret."""
_COMPLAINTS = 8_192
"""Bytes of what it wrote to its standard error that are kept, the last ones."""
_CLOSING_S = 2.0
"""Seconds to end by itself once its input is closed, and again once it is asked to end."""
_ANSWER = re.compile(rb'"(?:result|error)"\s*:')
_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
_LAST = re.compile(rb'"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_FAILURES = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


@dataclass(slots=True)
class Program:
    """What is known of a program that was started."""

    max_bytes: int
    complaints: bytearray = field(default_factory=bytearray, repr=False)
    ended: bool = False
    """Whether nothing more comes from it."""
    why: str = ""
    """Why it was ended, where it was by us."""
    pid: int | None = None

    def keep(self, piece: bytes) -> None:
        self.complaints += piece
        del self.complaints[:-_COMPLAINTS]

    def last_words(self) -> str:
        """The last lines of its standard error, for a message."""
        lines = self.complaints.decode(errors="replace").split("\n")
        kept = " | ".join(line.strip() for line in lines if line.strip())[-500:]
        return "".join(character if character.isprintable() else "\ufffd" for character in kept)


@asynccontextmanager
async def running(
    command: tuple[str, ...], program: Program, *, environ: Mapping[str, str], cwd: str | None
) -> AsyncIterator[Streams]:
    """Starts it in a process group of its own, and leaves nothing of the group behind.

    Raises:
        OSError: it cannot be started.
    """
    # A start that is given up half-way would leave a process that nobody waits for.
    with anyio.CancelScope(shield=True):
        started = await anyio.open_process(
            list(command), env=dict(environ), cwd=cwd, start_new_session=hasattr(os, "killpg")
        )
    # From here to the task group nothing waits, or a cancellation would leave the process behind.
    program.pid = started.pid
    inbox, received = anyio.create_memory_object_stream["SessionMessage | Exception"](0)
    outbox, sent = anyio.create_memory_object_stream["SessionMessage"](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, started, program, inbox)
        tasks.start_soon(_write, started, program, sent, inbox)
        tasks.start_soon(_listen, started, program)
        try:
            yield received, outbox
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(started)
                for stream in (received, outbox, inbox, sent):
                    stream.close()
            tasks.cancel_scope.cancel()


async def _read(
    started: anyio.abc.Process, program: Program, inbox: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    """One message a line; a line that does not end in time ends the program."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    line = bytearray()
    stdout = started.stdout
    if stdout is None:  # it was opened with pipes
        return
    with suppress(*_FAILURES):
        while True:
            pieces = (await stdout.receive()).split(b"\n")
            for number, piece in enumerate(pieces):
                line += piece
                if len(line) > program.max_bytes:
                    program.why = f"it sent a message of more than {program.max_bytes:,} bytes (max_bytes)"
                    _kill(started, signal.SIGTERM)
                    break
                if number == len(pieces) - 1:
                    break
                message, line = bytes(line), bytearray()
                if not message.strip():
                    continue
                try:
                    read = jsonrpc_message_adapter.validate_json(message, by_name=False)
                except ValueError as error:
                    program.keep(b"(not of the protocol:) " + message[:200] + b"\n")
                    await inbox.send(_refusal(message) or error)
                else:
                    await inbox.send(SessionMessage(read))
            if program.why:
                break
    program.ended = True
    # Whoever waits for an answer is told so by the end of the stream.
    inbox.close()


def _refusal(message: bytes) -> SessionMessage | None:
    """For a line that is meant as the answer to a request and cannot be read: that the request has failed.

    Nobody would tell the request otherwise, and it would wait for all of its time.
    """
    from mcp.shared.message import SessionMessage
    from mcp.types import PARSE_ERROR
    from mcp_types import ErrorData, JSONRPCError

    number = _answered(message)
    if number is None:
        return None
    why = ErrorData(code=PARSE_ERROR, message="its answer is no message of the protocol")
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=why))


def _answered(message: bytes) -> int | str | None:
    """The number of the request that a line answers, as far as can be told."""
    try:
        read = json.loads(message)  # it lets more pass than the protocol does
    except (ValueError, RecursionError):
        found = (_FIRST.match(message) or _LAST.search(message)) if _ANSWER.search(message) else None
        return None if found is None else int(found[1])
    number = read.get("id") if isinstance(read, dict) and not {"result", "error"}.isdisjoint(read) else None
    return number if isinstance(number, int | str) and not isinstance(number, bool) else None


async def _write(
    started: anyio.abc.Process,
    program: Program,
    sent: MemoryObjectReceiveStream[SessionMessage],
    inbox: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    stdin = started.stdin
    if stdin is None:
        return
    with suppress(*_FAILURES):
        async for one in sent:
            text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            await stdin.send(text.encode() + b"\n")
        return
    program.ended = True
    inbox.close()


async def _listen(started: anyio.abc.Process, program: Program) -> None:
    stderr = started.stderr
    if stderr is None:
        return
    with suppress(*_FAILURES):
        while True:
            program.keep(await stderr.receive())


async def _stop(started: anyio.abc.Process) -> None:
    """Closes its input, asks it to end, and ends it; then whatever it has started itself."""
    if started.stdin is not None:
        with suppress(*_FAILURES):
            await started.stdin.aclose()
    if not await _ends(started):
        _kill(started, signal.SIGTERM)
        if not await _ends(started):
            _kill(started, getattr(signal, "SIGKILL", signal.SIGTERM))
            await _ends(started)
    _kill(started, getattr(signal, "SIGKILL", signal.SIGTERM))
    for stream in (started.stdout, started.stderr):
        if stream is not None:
            with suppress(*_FAILURES):
                await stream.aclose()
    # A grandchild that left the group may hold a pipe open; nothing public closes our end of it.
    transport = getattr(getattr(started, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()


async def _ends(started: anyio.abc.Process) -> bool:
    """Looks instead of waiting: to wait would be for the pipes too, which its own children may hold."""
    with anyio.move_on_after(_CLOSING_S):
        while started.returncode is None:  # noqa: ASYNC110  # nobody tells of an end but the system
            await anyio.sleep(0.01)
    return started.returncode is not None


def _kill(started: anyio.abc.Process, signal_: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(started.pid, signal_)  # it leads its group, whose number stays its own while one is in it
        elif started.returncode is None:
            started.send_signal(signal_)
