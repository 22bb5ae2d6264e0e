"""One request as each model of its route can take it, learning from what the servers refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic

from unified_api.errors import ProviderError, SchemaRefusedError
from unified_api.in_words import blames_schema, is_about_one_schema
from unified_api.models import Model
from unified_api.needs import AnyRequest, Asked, fit
from unified_api.types import Request

__all__ = ["Fitting"]


class Fitting(Generic[Asked]):
    """Belongs to one logical call; `wordy` belongs to the gateway and outlives it."""

    def __init__(self, request: Asked, wordy: set[str]) -> None:
        self._request: Asked = request
        self._named = request.model != "auto"
        self._wordy = wordy
        self._refused: set[str] = set()

    def request_for(self, model: Model) -> Asked:
        return self._fit(model)[0]

    def note_for(self, model: Model) -> str | None:
        """What was changed for the model, for the record of the attempt."""
        return self._fit(model)[1]

    @contextmanager
    def judged(self, model: Model, sent: AnyRequest) -> Iterator[None]:
        """Notices a refused schema: the next try asks in words, and so do later calls unless only this one was bad.

        Raises:
            SchemaRefusedError: instead of the server's error, so that the model is asked again.

        """
        try:
            yield
        except ProviderError as error:
            if not (isinstance(sent, Request) and sent.output_schema is not None and blames_schema(error)):
                raise
            (self._refused if is_about_one_schema(error) else self._wordy).add(model.id)
            raise SchemaRefusedError(
                error.message,
                provider=error.provider,
                model=error.model or model.id,
                status=error.status,
                provider_code=error.provider_code,
                param=error.param,
                retry_after=error.retry_after,
                request_id=error.request_id,
            ) from error

    def _fit(self, model: Model) -> tuple[Asked, str | None]:
        in_words = model.id in self._wordy or model.id in self._refused
        return fit(self._request, model, named=self._named, in_words=in_words)
