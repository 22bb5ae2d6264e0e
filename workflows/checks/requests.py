"""What no run of an `http` step could send, as far as the step itself says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from workflows.checks.subject import Subject
from workflows.expressions import template
from workflows.findings import Finding
from workflows.frames import Located
from workflows.lexer import scan
from workflows.model import HttpStep
from workflows.web_request import READS, field_name, field_value, no_body
from workflows.web_target import RequestError, WebTarget

__all__ = ["sendable", "target_of"]

_ENDS: Final = re.compile(r"[/?#]")
"""What ends the host of an address."""
_UNFINISHED: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*(:/?)?)?")
"""What may become the scheme of an address by what is computed behind it."""
_GAP: Final = re.compile(r"[\x00-\x20\x7f\\]")
_CONTROL: Final = re.compile(r"\{%|\{\{[-+]|[-+]\}\}")
"""What decides, or may decide, whether the text beside it is kept."""
_MENDS: Final = {
    "invalid_url": "Write a whole address, such as `https://example.com/path`.",
    "invalid_query": "Give each of its values a parameter of its own, or send it as `body` by another `method`.",
    "invalid_header": "Take the header out, or write it as HTTP knows it.",
    "invalid_body": "Take `body` out, or use another `method`.",
}


def sendable(subject: Subject) -> Iterator[Finding]:
    """The address, the parameters, the header fields and the body can be sent, where they do not depend on a run."""
    for located in subject.steps:
        step = located.step
        if isinstance(step, HttpStep):
            yield from _told(located, partial(target_of, step.url), "url")
            for name, value in step.query.items():
                yield from _told(located, partial(_parameter, name, value), "query", name)
            for name, value in step.headers.items():
                yield from _told(located, partial(_field, name, value), "headers", name)
            yield from _told(located, partial(_body, step), "body")


def _told(located: Located, rule: Callable[[], object], *path: str) -> Iterator[Finding]:
    try:
        rule()
    except RequestError as error:
        yield Finding(code=error.code, pointer=located.at(*path), message=error.message, fix=_MENDS[error.code])


def target_of(url: str) -> WebTarget | None:
    """Where a template's address surely leads, without what is computed; None where that is the host itself.

    RequestError `invalid_url` for one that surely leads nowhere.
    """
    if template(url).literal:
        return WebTarget.of(url)
    segments = scan(url)
    texts = [url[one.start : one.end] if one.kind == "text" else "" for one in segments]
    texts[-1] = texts[-1].removesuffix("\n")  # which a template loses
    if not _CONTROL.search(url) and any(_GAP.search(text) for text in texts):
        return WebTarget.of(url)  # which tells of them
    start = texts[0].rstrip()
    scheme, slashes, rest = start.partition("://")
    end = _ENDS.search(rest)
    if slashes and end is not None:
        return WebTarget.of(f"{scheme}://{rest[: end.start()]}/")
    may_go_on = scheme.lower() in {"http", "https"} if slashes else _UNFINISHED.fullmatch(start) is not None
    return None if may_go_on else WebTarget.of(start)


def _parameter(name: str, value: Any) -> None:
    values = [_plain(one) for one in value] if isinstance(value, list) else _plain(value)
    WebTarget.of("https://example.com/").with_query({name: values})


def _plain(value: Any) -> Any:
    """How long a text becomes only the run tells."""
    return "" if isinstance(value, str) else value


def _field(name: str, value: str) -> None:
    field_name(name)
    if template(value).literal:
        field_value(name, value)


def _body(step: HttpStep) -> None:
    may_be_null = isinstance(step.body, str) and template(step.body).whole
    if step.body is not None and step.method in READS and not may_be_null:
        raise no_body(step.method)
