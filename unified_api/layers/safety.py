"""The layer that judges every answer before its reader sees it, streams in windows that are held back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from unified_api.call import AnyCall, Call, Consult, Handler, StreamHandler
from unified_api.clock import Clock
from unified_api.errors import GatewayError
from unified_api.models import Model
from unified_api.safety.answers import judged_images, judged_response
from unified_api.safety.guards import Selecting, check_model, guard_of
from unified_api.safety.judging import Findings, Judge
from unified_api.safety.verdicts import no_verdict
from unified_api.safety.windows import Windows
from unified_api.safety.withholding import marker, refusal
from unified_api.settings.safety import SafetySettings
from unified_api.types import (
    Chunk,
    FinishChunk,
    ImageResponse,
    RefusalChunk,
    Request,
    Response,
    RestartChunk,
    SentChunk,
    SkippedChunk,
    UsageChunk,
)

__all__ = ["Safety"]


class Safety:
    """Judges answers as `[safety]` says. `select` and `ready` tell whether the model that judges is there."""

    def __init__(
        self,
        settings: SafetySettings,
        *,
        consult: Consult,
        clock: Clock,
        select: Selecting,
        ready: Callable[[], Iterable[Model]],
    ) -> None:
        self._settings = settings
        self._judge = Judge(settings, guard_of(settings, consult), clock)
        self._select = select
        self._ready = ready
        self._checked = False

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        if call.purpose != "answer" or call.operation not in {"chat", "image"}:
            return await proceed(call)
        self._check()
        response = await proceed(call)
        if isinstance(response, Response):
            return await judged_response(self._judge, call, response)
        if isinstance(response, ImageResponse):
            return await judged_images(self._judge, call, response)
        return response

    @asynccontextmanager
    async def stream(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        if call.purpose != "answer":
            async with proceed(call) as chunks:
                yield chunks
            return
        self._check()
        async with proceed(call) as chunks:
            held = _HeldBack(self._judge, call)
            try:
                async with aclosing(_judged(call, chunks, held)) as judged:
                    yield judged
            finally:
                held.findings.end()

    def _check(self) -> None:
        """Whether the model that judges can be asked; before anything is paid for, and once."""
        if not self._checked:
            check_model(self._settings, self._select, self._ready)
            self._checked = True


async def _judged(call: Call[Request], chunks: AsyncIterator[Chunk], held: _HeldBack) -> AsyncGenerator[Chunk]:
    """The chunks that may be shown; after what may not, a refusal and the end."""
    failure: GatewayError | None = None
    chunk: Chunk | None = None
    while held.why is None:
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except GatewayError as error:  # what came before it is judged and shown first
            failure = error
            break
        for one in await held.take(chunk):
            yield one
    if held.why is None:
        for one in await held.rest():
            yield one
    if failure is not None:
        raise failure
    if held.why is not None:
        is_whole = isinstance(chunk, FinishChunk) and (call.request.n or 1) == 1
        async for one in _withheld(chunks, held, is_whole=is_whole):
            yield one
    held.findings.end()


async def _withheld(chunks: AsyncIterator[Chunk], held: _HeldBack, *, is_whole: bool) -> AsyncGenerator[Chunk]:
    """The refusal that ends the stream. What is still coming is not waited for; a whole answer may tell its usage."""
    for one in held.plain():
        yield one
    if not is_whole and isinstance(chunks, AsyncGenerator):
        # Whoever reads may be in another task, or in cancel scopes of its own: ending the iterator alone ends the call
        # upstream, and what is left ends with the reader's block.
        await chunks.aclose()
    yield RefusalChunk(refusal(held.why or "", begun=held.shown))
    yield FinishChunk("content_filter")
    if is_whole:
        async for chunk in chunks:
            if isinstance(chunk, UsageChunk | SkippedChunk):
                yield chunk


class _HeldBack:
    """What of one stream is not shown yet, and what has been found in it."""

    def __init__(self, judge: Judge, call: Call[Request]) -> None:
        self.findings = Findings(judge, call)
        self.why: str | None = None
        """Why nothing more may be shown."""
        self.shown: bool
        """Whether something of the answer has been."""
        self._judge = judge
        self._call = call
        settings = judge.settings
        self._shows_all = settings.action == "flag" and settings.fail == "open"
        self._begin()

    def _begin(self) -> None:
        settings = self._judge.settings
        self._windows = Windows(settings.window, settings.overlap)
        self.plain = self._windows.plain
        self.shown = False

    async def take(self, chunk: Chunk) -> list[Chunk]:
        """The chunks that may be shown now that `chunk` has come."""
        if isinstance(chunk, RestartChunk) and not self._shows_all:
            self._begin()  # what is held is void, and nobody will see it
            return [chunk]
        given: list[Chunk] = []
        for piece in self._windows.split(chunk):
            self._windows.add(piece)
            if self._windows.due or self._windows.full:
                given += await self._ruled()
            if self.why is not None:
                break
        return [chunk] if self._shows_all else given

    async def rest(self) -> list[Chunk]:
        """The same after the last chunk."""
        self._windows.close()
        given = await self._ruled()
        return [] if self._shows_all else given

    async def _ruled(self) -> list[Chunk]:
        """Has what is held judged, and cut where it is to be."""
        wanted = self._windows.windows()
        if self._windows.full:
            self.why = self.findings.add([no_verdict("more of it was held back than can be judged")])
            self._windows.close()
        elif wanted:
            verdicts = await self._judge.verdicts(self._call, [one.piece for one in wanted])
            self.why = self.findings.add(verdicts)
            if self._judge.settings.action == "redact":
                for window, verdict in zip(wanted, verdicts, strict=True):
                    if verdict.ruling == "unsafe":
                        self._windows.cut(window, marker(verdict.categories))
        if self.why is not None:
            return []
        given = self._windows.release()
        self.shown = self.shown or not all(isinstance(one, SentChunk | UsageChunk) for one in given)
        return given
