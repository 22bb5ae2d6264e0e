"""What an error answer's body says, whichever of the dozen shapes it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unified_api.types import Json, JsonObject
from unified_api.wire.json_text import parse_json
from unified_api.wire.quoting import shorten, whole_words

__all__ = ["ErrorBody", "find_error", "read_error", "read_error_body"]

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.IGNORECASE | re.DOTALL)
_MESSAGES = (
    "message", "detail", "msg", "error_msg", "error_message", "errorMessage", "error_description", "title", "text",
    "raw",
)  # fmt: skip
_CODES = ("code", "error_code", "errorCode", "status")
_TYPES = ("type", "error_type", "__type")
_STATUS = re.compile("[45][0-9][0-9]")
_OF_AN_ANSWER = frozenset({"id", "object", "created", "model", "choices", "usage"})
_DEPTH = 6
"""How many times an error may be wrapped in another: arrays, JSON inside a message, `metadata.raw`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The parts of an error body that matter. `codes` holds every code, type, status and reason, lower case."""

    message: str = ""
    code: str | None = None
    """The first code or type as the provider wrote it."""
    codes: frozenset[str] = frozenset()
    param: str | None = None
    status: int | None = None
    """An HTTP status that the body itself claims."""
    request_id: str | None = None
    flagged: bool = False
    """Whether a moderation names what it found (`metadata.reasons` of OpenRouter)."""
    retry_delay: str | None = None
    """Google's RetryInfo: a duration such as `22s`."""


def read_error_body(body: bytes) -> ErrorBody:
    """The error in `body`, which may be JSON of any shape, a web page, plain text or nothing."""
    try:
        value = parse_json(body)
    except ValueError:
        return ErrorBody(message=_prose(body.decode("utf-8", "replace")))
    return read_error(value)


def read_error(value: Json) -> ErrorBody:
    found = _Found()
    found.take(value, 0)
    return found.body()


def find_error(value: JsonObject) -> Json:
    """The error that a JSON object answered under status 200 means, or None when it is no error."""
    if value.get("error"):
        return {name: part for name, part in value.items() if name not in _OF_AN_ANSWER}
    if "choices" in value or "data" in value:
        return None
    kind = value.get("object") or value.get("type")
    coded = value.get("code") or value.get("error_code") or _STATUS.fullmatch(str(value.get("status")))
    if kind == "error" or (coded and any(isinstance(value.get(name), str) for name in _MESSAGES)):
        return value
    return None


def _prose(text: str) -> str:
    # A page's beginning is enough, and keeps the patterns quick on a hostile one.
    start = whole_words(text, 8000)
    title = _TITLE.search(start)
    return shorten(title.group(1) if title else _TAGS.sub(" ", start))


class _Found:
    """Gathers from the outside in: the outermost word wins, except that an inner message is the fuller one."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.words: list[str] = []
        self.param: str | None = None
        self.status: int | None = None
        self.request_id: str | None = None
        self.retry_delay: str | None = None
        self.flagged = False

    def body(self) -> ErrorBody:
        code = next((word for word in self.words if not word.isdigit()), None) or next(iter(self.words), None)
        return ErrorBody(
            message="; ".join(dict.fromkeys(self.messages)),
            code=code,
            codes=frozenset(word.lower() for word in self.words),
            param=self.param,
            status=self.status,
            request_id=self.request_id,
            flagged=self.flagged,
            retry_delay=self.retry_delay,
        )

    def take(self, value: Json, depth: int) -> None:
        if depth > _DEPTH:
            return
        if isinstance(value, str):
            self._take_text(value, depth)
        elif isinstance(value, list):
            for item in value[:10]:
                self.take(item, depth + 1)
        elif isinstance(value, dict):
            self._take_object(value, depth)

    def _take_text(self, text: str, depth: int) -> None:
        if text.lstrip()[:1] in {"{", "["}:
            try:
                return self.take(parse_json(text.encode("utf-8", "replace")), depth + 1)
            except ValueError:
                pass
        if text.strip():
            self.messages.append(shorten(_prose(text) if text.lstrip().startswith("<") else text))
        return None

    def _take_object(self, value: JsonObject, depth: int) -> None:
        self._take_words(value)
        for name in ("error", "errors", *_MESSAGES, "metadata", "details", "fault", "innererror"):
            self.take(value.get(name), depth + 1)

    def _take_words(self, value: JsonObject) -> None:
        for name in (*_CODES, *_TYPES, "reason"):
            word = value.get(name)
            if isinstance(word, str) and word and word != "error" and len(word) <= 100:
                self.words.append(word)
            elif type(word) is int and name in _CODES:
                self.words.append(str(word))
        for name in ("code", "status_code", "raw_status_code", "status", "error_code", "originalStatusCode"):
            number = value.get(name)
            if self.status is None and isinstance(number, int | str) and _STATUS.fullmatch(str(number)):
                self.status = int(number)
        param = value.get("param")
        if self.param is None and isinstance(param, str):
            self.param = param or None
        place = value.get("loc")
        if self.param is None and isinstance(place, list):
            self.param = ".".join(str(step) for step in place if step != "body") or None
        for name in ("request_id", "requestId", "request-id"):
            found = value.get(name)
            if self.request_id is None and isinstance(found, str):
                self.request_id = found or None
        for name in ("retryDelay", "retry_after", "retryAfter", "retry_after_seconds"):
            self.retry_delay = self.retry_delay or _delay(value.get(name))
        self.flagged = self.flagged or "flagged_input" in value


def _delay(value: Json) -> str | None:
    """A delay as a duration with its unit; a bare number is seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return f"{text}s" if text.replace(".", "", 1).isdecimal() else text or None
