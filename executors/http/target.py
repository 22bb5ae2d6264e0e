"""Where a request goes, and how a step fails that names no such place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from executors.failures import StepFailure
from workflows.web_target import RequestError, WebTarget

__all__ = ["Target", "as_failure"]


@contextmanager
def as_failure() -> Iterator[None]:
    """What a workflow must not send fails its step."""
    try:
        yield
    except RequestError as error:
        raise StepFailure(error.code, error.message) from None


class Target(WebTarget):
    """A `WebTarget` of a run: StepFailure where that has RequestError."""

    __slots__ = ()

    @classmethod
    def of(cls, url: str) -> Self:
        with as_failure():
            return super().of(url)

    def with_query(self, query: Mapping[str, Any]) -> Self:
        with as_failure():
            return super().with_query(query)
