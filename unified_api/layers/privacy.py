"""Labels each call by what its request holds, and puts placeholders in the place of personal data where told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

import anyio
import anyio.to_thread

from unified_api.attempts import bounded
from unified_api.call import AnyCall, Call, Handler, StreamHandler
from unified_api.clock import Clock
from unified_api.errors import GatewayError
from unified_api.needs import AnyRequest
from unified_api.privacy.inspection import Look, Replacement
from unified_api.privacy.kinds import LABELS, Found, Kind
from unified_api.privacy.length import Length
from unified_api.privacy.names import Gathered
from unified_api.privacy.pipeline import Pipeline
from unified_api.privacy.placeholders import Placeholders
from unified_api.privacy.restoring import restored
from unified_api.privacy.streamed import Restored
from unified_api.privacy.texts import visited
from unified_api.settings import PrivacySettings
from unified_api.types import Chunk, Request, Sensitivity, most_sensitive

if TYPE_CHECKING:
    from unified_api.person_names import PersonNames

__all__ = ["Privacy"]

_NAME = "privacy"
_LONG = 100_000
"""Characters from which on a request is searched in a thread, one after the other."""
_NO_NAMES: Mapping[str, list[Found]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Guarded:
    """The call as it may go on, and the way back for its answer."""

    call: AnyCall
    placeholders: Placeholders | None = None
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class _Searched:
    """What is in a request, and the request with what may stand in its place."""

    look: Look
    request: AnyRequest
    replacement: Replacement | None = None


class Privacy:
    """Raises labels, never lowers them; what it found is told by kind and number alone."""

    def __init__(self, settings: PrivacySettings, *, clock: Clock) -> None:
        """Take what the settings say.

        Raises:
            ConfigurationError: the pipeline that finds names is not there, or finds none.

        """
        self._redacts = settings.redact == "placeholders"
        self._unread = settings.unread_media
        self._labels: Mapping[Kind, Sensitivity] = {**LABELS, **settings.labels}
        searched = settings.searches
        self._kinds: frozenset[Kind] = frozenset(get_args(Kind)) - settings.ignore if searched else frozenset()
        self._clock = clock
        self._turn = anyio.CapacityLimiter(1)
        self._names = None if settings.names is None else _person_names(settings.names)

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        """The response, with the values where their placeholders came back."""
        guarded = await self._guarded(call) if self._waits(call) else self._guard(call, self._search(call.request))
        response = await proceed(guarded.call)
        if guarded.placeholders is None:
            return response
        return restored(response, guarded.placeholders, is_json=guarded.is_json)

    def stream(self, call: Call[Request], proceed: StreamHandler) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        if self._waits(call):
            return self._stream_waiting(call, proceed)
        return _opened(self._guard(call, self._search(call.request)), proceed)

    @asynccontextmanager
    async def _stream_waiting(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        async with _opened(await self._guarded(call), proceed) as chunks:
            yield chunks

    def _waits(self, call: AnyCall) -> bool:
        """Whether the search is one that others should not wait for."""
        return self._names is not None or self._is_long(call)

    def _is_long(self, call: AnyCall) -> bool:
        if not self._kinds:
            return False
        length = Length()
        visited(call.request, length)
        return length.characters > _LONG

    async def _guarded(self, call: AnyCall) -> _Guarded:
        names = await self._named(call)
        search = partial(self._search, call.request, names)
        if not self._is_long(call):
            return self._guard(call, search())
        # Abandoned when the deadline passes: it changes nothing that anybody sees.
        work = partial(anyio.to_thread.run_sync, search, abandon_on_cancel=True, limiter=self._turn)
        return self._guard(call, await bounded(self._clock, call.deadline, work))

    async def _named(self, call: AnyCall) -> Mapping[str, list[Found]]:
        """The names of persons in each text of the call."""
        if self._names is None:
            return {}
        gathered = Gathered()
        visited(call.request, gathered)
        return await bounded(self._clock, call.deadline, partial(self._names.of, gathered.kept))

    def _search(self, request: AnyRequest, names: Mapping[str, list[Found]] = _NO_NAMES) -> _Searched:
        look = Look(self._kinds, names)
        visited(request, look)
        if not (self._redacts and look.found - look.kept):
            return _Searched(look, request)
        replacement = Replacement(look)
        return _Searched(look, visited(request, replacement), replacement)

    def _guard(self, call: AnyCall, searched: _Searched) -> _Guarded:
        look, replacement = searched.look, searched.replacement
        if not look.found and not look.unread:
            return _Guarded(call)
        if replacement is None:
            return self._labelled(call, self._label(call, look.found, look.unread), look.found)
        call.trail.noted(_NAME, "replaced", f"put placeholders in the place of {_words(look.found - look.kept)}")
        left = replace(call, request=searched.request)
        kept = look.kept + replacement.kept
        labelled = self._labelled(left, self._label(call, kept, look.unread), kept)
        is_json = isinstance(call.request, Request) and call.request.output_schema is not None
        return _Guarded(labelled.call, replacement.placeholders, is_json)

    def _label(self, call: AnyCall, found: Counter[Kind], unread: int) -> Sensitivity:
        media = self._unread if unread else None
        return most_sensitive(call.policy.sensitivity, media, *(self._labels[kind] for kind in found))

    def _labelled(self, call: AnyCall, label: Sensitivity, found: Counter[Kind]) -> _Guarded:
        """The call under that label; says why, where it is a higher one or something was found."""
        said = call.policy.sensitivity
        what = f"found {_words(found)}" if found else "holds media that nobody has looked into"
        if label != said:
            call.trail.noted(_NAME, "raised", f"{what}; labelled {said}, so it counts as {label}")
            call.trail.sensitivity = label
            return _Guarded(replace(call, policy=replace(call.policy, sensitivity=label)))
        if found:
            call.trail.noted(_NAME, "found", f"{what}; it stays {said}")
        return _Guarded(call)


def _person_names(pipeline: str) -> PersonNames:
    from unified_api.person_names import PersonNames

    return PersonNames(Pipeline(pipeline))


def _opened(guarded: _Guarded, proceed: StreamHandler) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
    if guarded.placeholders is None:
        return proceed(guarded.call)
    return _restoring(proceed(guarded.call), Restored(guarded.placeholders, is_json=guarded.is_json))


def _words(found: Counter[Kind]) -> str:
    return ", ".join(f"{count} of kind {kind}" for kind, count in sorted(found.items()))


@asynccontextmanager
async def _restoring(
    opened: AbstractAsyncContextManager[AsyncIterator[Chunk]], answer: Restored
) -> AsyncIterator[AsyncIterator[Chunk]]:
    async with opened as chunks, aclosing(_read(chunks, answer)) as read:
        yield read


async def _read(chunks: AsyncIterator[Chunk], answer: Restored) -> AsyncGenerator[Chunk]:
    try:
        async for chunk in chunks:
            for one in answer.feed(chunk):
                yield one
    except GatewayError:
        for one in answer.end():
            yield one
        raise
    for one in answer.end():
        yield one
