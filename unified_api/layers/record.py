"""The layer that tells of every call when it is over: to OpenTelemetry, and to logs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from decimal import Decimal
from functools import partial
from typing import Any

import anyio

from unified_api.call import AnyCall, AnyResponse, Call, Handler, StreamHandler
from unified_api.clock import Clock
from unified_api.errors import GatewayError, ProviderError
from unified_api.settings import RecordSettings
from unified_api.telemetry.call_record import CallRecord, Outcome
from unified_api.telemetry.content import answered, asked
from unified_api.telemetry.sinks import Teller, spans_of, tellers_of
from unified_api.telemetry.under_way import Told, UnderWay
from unified_api.types import Chunk, FinishChunk, FinishReason, Json, Request, Response, UsageChunk, cleared

__all__ = ["Record"]


class Record:
    """Tells of each call once: when it is answered, fails, is cancelled, or its stream ends, breaks or is left.

    It lies outermost. What it may tell of content it learns from `under_way`, where a layer inside of the one that
    labels calls and replaces personal data has noted it.
    """

    def __init__(
        self, settings: RecordSettings, *, clock: Clock, under_way: UnderWay, known_as: Mapping[str, str]
    ) -> None:
        """`known_as`: provider -> its name in OpenTelemetry's conventions, where that is another."""
        self._settings = settings
        self._clock = clock
        self._under_way = under_way
        self._spans, self._tellers = spans_of(settings, known_as), tellers_of(settings, known_as)

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        told = self._begin(call)
        try:
            with self._inside(told):
                response = await proceed(call)
        except BaseException as error:  # noqa: BLE001  # raised again below
            failure = error
        else:
            self._end(call, told, "succeeded", response)
            return response
        raise self._failed(call, told, failure)

    @asynccontextmanager
    async def stream(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        told = self._begin(call)
        async with AsyncExitStack() as stack:
            stack.push(partial(self._left, call, told))
            try:
                with self._inside(told):
                    chunks = await stack.enter_async_context(proceed(call))
            except BaseException as error:  # noqa: BLE001  # raised again below
                failure = error
            else:
                told.first = self._clock.now() - told.begun  # entering waits for content; its reader may idle then
                yield await stack.enter_async_context(aclosing(self._counted(chunks, call, told)))
                return
            raise self._failed(call, told, failure)

    async def _counted(self, chunks: AsyncIterator[Chunk], call: Call[Request], told: Told) -> AsyncGenerator[Chunk]:
        try:
            async for chunk in chunks:
                if type(chunk) is UsageChunk:
                    told.usage = chunk
                elif type(chunk) is FinishChunk:
                    told.finish.append(chunk.finish_reason)
                yield chunk
        except GeneratorExit:
            raise  # whoever closes it tells that it was left
        except BaseException as error:  # noqa: BLE001  # raised again below
            failure = error
        else:
            self._end(call, told, "succeeded", None)
            return
        raise self._failed(call, told, failure)

    def _begin(self, call: AnyCall) -> Told:
        told = Told(self._clock.now(), None if self._spans is None else self._spans.begin(call))
        self._under_way.put(call, told)
        return told

    def _inside(self, told: Told) -> AbstractContextManager[object]:
        if self._spans is None or told.span is None:
            return nullcontext()
        return self._spans.inside(told.span)

    def _failed(self, call: AnyCall, told: Told, error: BaseException) -> BaseException:
        """Tell of the failure and give it back to be raised.

        Never called while an `except` block handles it: what a sink fails by then would be printed with it as its
        context, and a provider's words may quote the prompt.
        """
        if isinstance(error, anyio.get_cancelled_exc_class()):
            self._end(call, told, "cancelled", None)
        else:
            self._end(call, told, "failed", None, error)
        return error

    def _left(
        self,
        call: AnyCall,
        told: Told,
        exc_type: type[BaseException] | None,
        *_: object,
    ) -> None:
        cancelled = exc_type is not None and issubclass(exc_type, anyio.get_cancelled_exc_class())
        self._end(call, told, "cancelled" if cancelled else "left", None)

    def _end(
        self,
        call: AnyCall,
        told: Told,
        outcome: Outcome,
        response: AnyResponse | None,
        error: BaseException | None = None,
    ) -> None:
        """Tell of the call, once: what comes after the first end is its tail."""
        if not self._under_way.take(call, told):
            return
        record = self._record(call, told, outcome, response=response, error=error)
        if self._spans is not None and told.span is not None:
            _tell(partial(self._spans.end, told.span), record)
        for teller in self._tellers:
            _tell(teller, record)

    def _record(
        self,
        call: AnyCall,
        told: Told,
        outcome: Outcome,
        *,
        response: AnyResponse | None,
        error: BaseException | None,
    ) -> CallRecord:
        provider, model = _answerer(call, told, response, error)
        used = told.usage
        return CallRecord(
            call=call,
            outcome=outcome,
            seconds=self._clock.now() - told.begun,
            first_chunk_s=told.first,
            sensitivity=told.sensitivity,
            model=model,
            provider=provider,
            finish_reasons=_reasons(response) if response is not None else tuple(told.finish),
            response_id=response.id if isinstance(response, Response) else None,
            usage=response.usage if response is not None else used.usage if used is not None else None,
            cost_usd=response.cost_usd if response is not None else _cost(call, told),
            error="cancelled" if outcome == "cancelled" else None if error is None else _code(error),
            status=error.status if isinstance(error, ProviderError) else None,
            attempts=call.trail.story,
            content=self._content(call, told),
        )

    def _content(self, call: AnyCall, told: Told) -> dict[str, Json] | None:
        if not self._settings.content or call.purpose != "answer" or told.asked is None or told.sensitivity is None:
            return None
        if not cleared(self._settings.clearance, told.sensitivity):
            return None
        content: dict[str, Json] = {"input": asked(told.asked)}
        if told.answer is not None:
            content["output"] = answered(told.answer)
        return content


def _tell(teller: Teller, record: CallRecord) -> None:
    """No call may fail for its record, and no sink for another; it is told as logging tells of its own handlers."""
    try:
        teller(record)
    except Exception:  # noqa: BLE001  # filters, handlers and span processors are the user's code
        if logging.raiseExceptions:
            traceback.print_exc(chain=False)


def _answerer(
    call: AnyCall, told: Told, response: AnyResponse | None, error: BaseException | None
) -> tuple[str | None, str | None]:
    """The provider and the model that answered, or failed last."""
    if response is not None:
        return response.provider, response.model
    tried = next((one.model for one in reversed(call.trail.records) if one.number or one.outcome == "cached"), None)
    known = call.trail.model.id if call.trail.model is not None else tried
    if known is None:
        return (error.provider, error.model) if isinstance(error, GatewayError) else (None, None)
    provider = known.partition("/")[0]
    echoed = told.usage.model if told.usage is not None else None
    return provider, f"{provider}/{echoed}" if echoed else known


def _cost(call: AnyCall, told: Told) -> Decimal | None:
    """What the provider told of a stream's cost, or what its last try is taken to have cost."""
    if told.usage is not None and told.usage.cost_usd is not None:
        return told.usage.cost_usd
    return next((one.cost_usd for one in reversed(call.trail.records) if one.number), None)


def _reasons(response: AnyResponse) -> tuple[FinishReason, ...]:
    if not isinstance(response, Response):
        return ()
    return (response.finish_reason, *(other.finish_reason for other in response.alternatives))


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, GatewayError) else type(error).__name__
