"""One request as each model of its route can take it, learning from what is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Generic, TypeAlias, TypeVar

from unified_api.by_tool import AnswerTool, StreamReader, asked_by_tool
from unified_api.errors import (
    GatewayError,
    ParameterRefusedError,
    ProviderError,
    SchemaRefusedError,
    UnsupportedParameterError,
)
from unified_api.in_words import asked_in_words, blames_schema, blames_tool, is_about_this_call
from unified_api.models import Model
from unified_api.needs import AnyRequest, Asked, parameters_of
from unified_api.routing.filters import HINTS
from unified_api.types import (
    Chunk,
    EmbedResponse,
    ImageResponse,
    ModerationResponse,
    Policy,
    Request,
    RerankResponse,
    Response,
    SentChunk,
    StructuredBy,
)
from unified_api.wire.parameter_words import fields_of
from unified_api.wire.strict_schema import as_sent

__all__ = ["AnyResponse", "Fitted", "Fitting", "Ways", "left_out", "must_hold", "way_of"]

AnyResponse = TypeVar("AnyResponse", Response, EmbedResponse, ImageResponse, RerankResponse, ModerationResponse)
Got = TypeVar("Got")
Ways: TypeAlias = dict[str, set[StructuredBy]]
"""Model -> the ways of asking for a schema that its server has refused."""

_ESSENTIAL = frozenset({"tools", "builtin_tools", "output_schema"})
"""What makes a request another one when it is left out: no policy allows that."""
_STRICT_WIRES = frozenset({"openai_chat", "openai_responses"})
"""Wires that hold an answer to the schemas of strict decoding, and are only shown others."""


def must_hold(request: AnyRequest, policy: Policy) -> frozenset[str]:
    """The fields that a model must take to be asked at all."""
    set_ = parameters_of(request)
    return set_ & _ESSENTIAL if policy.on_unsupported == "drop" else set_


def left_out(request: AnyRequest, policy: Policy, refused: AbstractSet[str]) -> tuple[str, ...]:
    """The fields of the request that are not sent to a model that refuses `refused`."""
    droppable = parameters_of(request) & refused - _ESSENTIAL
    if policy.on_unsupported != "drop":
        droppable &= HINTS if request.model == "auto" else frozenset()
    return tuple(sorted(droppable))


def way_of(model: Model, refused: AbstractSet[StructuredBy] = frozenset()) -> StructuredBy:
    """How the model is made to keep to a schema: the surest way that it is known to have and did not refuse."""
    takes_schema = "structured_output" in model.capabilities and "output_schema" not in model.unsupported
    if takes_schema and model.structured_by not in refused:
        return model.structured_by
    takes_tools = "tools" in model.capabilities and not model.unsupported & {"tools", "tool_choice"}
    return "tool" if takes_tools and "tool" not in refused else "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted(Generic[Asked]):
    """The request as one model is sent it, and how its answer is to be read."""

    request: Asked
    dropped: tuple[str, ...] = ()
    """Fields that were left out."""
    structured_by: StructuredBy | None = None
    note: str | None = None
    """What was changed, for the record of the attempt."""
    tool: AnswerTool | None = None


@dataclass(slots=True)
class _Lesson:
    """What one model has refused in this call."""

    fields: set[str] = field(default_factory=set)
    ways: set[StructuredBy] = field(default_factory=set)


class Fitting(Generic[Asked]):
    """Belongs to one logical call; `ways` belongs to the gateway and outlives it."""

    def __init__(self, request: Asked, policy: Policy, ways: Ways) -> None:
        self._request: Asked = request
        self._policy = policy
        self._ways = ways
        self._lessons: dict[str, _Lesson] = {}

    def fitted(self, model: Model) -> Fitted[Asked]:
        """The request as `model` can take it.

        A field that it refuses is left out where the policy says so, a hint also where the router chose the model; a
        schema is asked for by the surest way.
        """
        lesson = self._lessons.get(model.id, _Lesson())
        dropped = left_out(self._request, self._policy, model.unsupported | lesson.fields)
        request = self._request
        if dropped:
            request = replace(request, **_defaults(request, dropped))
        way, tool = None, None
        if isinstance(request, Request):  # noqa: SIM102  # mypy calls the same test redundant beside an `and`
            if request.output_schema is not None:
                way = way_of(model, lesson.ways | self._ways.get(model.id, set()))
                if way == "tool":
                    request, tool = asked_by_tool(request)
                elif way == "words":
                    request = asked_in_words(request)
        note = _note(model, dropped, way, guided=_only_guided(self._request, model, way))
        return Fitted(request=request, dropped=dropped, structured_by=way, note=note, tool=tool)

    async def ask(self, model: Model, asked: Callable[[Fitted[Asked]], Awaitable[Got]]) -> tuple[Fitted[Asked], Got]:
        """What `asked` gives for the fitted request. What is refused before anything was sent is mended on the spot.

        Raises:
            SchemaRefusedError: the server refuses the way of asking for the schema: ask the model again.
            ParameterRefusedError: the server refuses what may be left out: ask the model again.
            ProviderError: anything else that `asked` raises.

        """
        while True:
            fitted = self.fitted(model)
            try:
                got = await asked(fitted)
            except ProviderError as error:
                mended = self._mended(model, fitted, error)
                if mended is None:
                    raise
                if error.status is not None:
                    raise mended from error
                continue
            return fitted, got

    def read(self, model: Model, fitted: Fitted[Asked], response: AnyResponse) -> AnyResponse:
        """The answer as the caller asked for it, with what was done to the request.

        A server that takes a forced tool and lets the model talk all the same is asked in words from then on.
        """
        dropped = tuple(dict.fromkeys((*fitted.dropped, *response.dropped)))
        if not isinstance(response, Response):
            return replace(response, dropped=dropped)
        if fitted.tool is not None:
            self._heed(model, fitted.tool, ignored=fitted.tool.was_ignored(response))
            response = fitted.tool.read(response)
        return replace(response, dropped=dropped, structured_by=fitted.structured_by)

    async def reading(self, model: Model, fitted: Fitted[Asked], chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk]:
        """The same for a stream."""
        if fitted.structured_by or fitted.dropped:
            yield SentChunk(fitted.structured_by, fitted.dropped)
        if fitted.tool is None:
            async for chunk in chunks:
                yield chunk
            return
        reader = StreamReader(fitted.tool)
        try:
            async for chunk in chunks:
                for one in reader.feed(chunk):
                    yield one
        except GatewayError:
            for one in reader.end():
                yield one
            raise
        for one in reader.end():
            yield one
        self._heed(model, fitted.tool, ignored=reader.was_ignored)

    def _heed(self, model: Model, tool: AnswerTool, *, ignored: bool) -> None:
        if ignored and tool.alone:
            self._ways.setdefault(model.id, set()).add("tool")

    def _mended(self, model: Model, fitted: Fitted[Asked], error: ProviderError) -> ProviderError | None:
        """What to raise so that the model is asked again, having learned from `error`; None where it is no lesson."""
        lesson = self._lessons.setdefault(model.id, _Lesson())
        way = fitted.structured_by
        if way is not None and way != "words" and _blames(way, error):
            beside = fitted.tool is not None and not fitted.tool.alone  # whose fault may it be?
            lasting = error.status is not None and not is_about_this_call(error) and not beside
            (self._ways.setdefault(model.id, set()) if lasting else lesson.ways).add(way)
            return _as(SchemaRefusedError, model, error)
        if not isinstance(error, UnsupportedParameterError):
            return None
        sent = parameters_of(fitted.request)
        name = _field_of(error.param, sent.intersection(left_out(self._request, self._policy, sent)))
        if name is None:
            return None
        lesson.fields.add(name)
        return _as(ParameterRefusedError, model, error)


def _blames(way: StructuredBy, error: ProviderError) -> bool:
    if isinstance(error, UnsupportedParameterError) and error.status is None:
        return error.param in (("tools", "tool_choice") if way == "tool" else ("output_schema",))
    return blames_tool(error) if way == "tool" else blames_schema(error)


def _field_of(param: str | None, candidates: AbstractSet[str]) -> str | None:
    """Which of our fields an error's `param` means."""
    return next((name for name in fields_of(param or "") if name in candidates), None)


def _defaults(request: AnyRequest, names: tuple[str, ...]) -> dict[str, Any]:
    """The values that say nothing."""
    return {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default
        for one in fields(request)
        if one.name in names
    }


def _only_guided(request: AnyRequest, model: Model, way: StructuredBy | None) -> bool:
    """Whether the answer is to be held to a schema that the model's API is only shown."""
    wanted = request.output_schema if isinstance(request, Request) and way == "native" else None
    return wanted is not None and wanted.strict and model.wire in _STRICT_WIRES and not as_sent(wanted)[1]


def _note(model: Model, dropped: tuple[str, ...], way: StructuredBy | None, *, guided: bool) -> str | None:
    notes = [f"left out {', '.join(dropped)}, which {model.id} refuses"] if dropped else []
    if way == "tool":
        notes.append(f"asked for the schema by a tool, which {model.id} does not take otherwise")
    if way == "words":
        notes.append(f"asked for the schema in words, which {model.id} does not take otherwise")
    if guided:
        notes.append(
            f"the schema only guides {model.id}, which can be held to one that closes every object and requires each "
            "of its properties"
        )
    return "; ".join(notes) or None


def _as(kind: type[ProviderError], model: Model, error: ProviderError) -> ProviderError:
    return kind(
        error.message,
        provider=error.provider,
        model=error.model or model.id,
        status=error.status,
        provider_code=error.provider_code,
        param=error.param,
        retry_after=error.retry_after,
        request_id=error.request_id,
    )
