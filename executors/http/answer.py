"""What a step is given of an answer: its status, the headers that are no secrets, and its body as JSON or text."""

from __future__ import annotations

import base64
import codecs
import json
import re
from email.message import Message
from typing import NoReturn

from executors.failures import StepFailure
from executors.http.exchange import Answer
from executors.http.target import Target
from executors.plain import unfit
from unified_api.types import Json
from workflows.wording import shown

__all__ = ["body_of", "excerpt", "headers_of", "retry_after_s"]

_TOLD = frozenset(
    {"age", "cache-control", "content-language", "content-type", "date", "deprecation", "etag", "expires"}
    | {"last-modified", "link", "location", "ratelimit", "ratelimit-policy", "request-id", "retry-after", "sunset"}
    | {"x-correlation-id", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"}
    | {"x-total-count"}
)
"""Never cookies, and nothing that invites to log in."""
_LONGEST = 2_000
_TEXT = re.compile(
    r"text/.+|application/(json|xml|javascript|ecmascript|x-www-form-urlencoded|yaml|x-yaml|toml|graphql|x-ndjson"
    r"|ndjson|jsonl|sql|rtf|problem)|.+\+(json|xml|yaml|text)|model/.+"
)
_IMAGE = re.compile(r"image/(png|jpeg|gif|webp|avif|bmp|tiff|heic|heif)")
_CHARSET = re.compile(
    r"utf-(8|8-sig|16|16-le|16-be|32|32-le|32-be)|ascii|iso8859-\d+|cp\d+|koi8-[rut]|gb2312|gbk|gb18030|big5(hkscs)?"
    r"|shift_jis(_2004|x0213)?|euc_(jp|kr|jis_2004|jisx0213)|iso2022_\w+|mac-\w+|johab|hz|tis-620|ptcp154"
)
"""Of Python's codecs those of texts: `idna`, `punycode` and `unicode_escape` take their time or mean something else."""


def headers_of(answer: Answer) -> dict[str, Json]:
    """Those a workflow may see, by lower-case name."""
    return {name: value[:_LONGEST] for name, value in answer.headers.items() if name in _TOLD}


def body_of(answer: Answer, target: Target) -> Json:
    """JSON as its value, text as text, an image as a data URL, nothing as null.

    Raises:
        StepFailure: `malformed_response` for JSON that is none, `binary_answer` for what no workflow can use.
    """
    media_type, charset = _content_type(answer.headers.get("content-type", ""))
    if not answer.body:
        return "" if media_type.startswith("text/") and answer.status not in {204, 205, 304} else None
    if media_type == "application/json" or media_type.endswith("+json"):
        return _json(answer.body, target)
    if _IMAGE.fullmatch(media_type):
        return f"data:{media_type};base64,{base64.b64encode(answer.body).decode()}"
    if _TEXT.fullmatch(media_type):
        return _text(answer.body, charset)
    if not media_type and b"\x00" not in answer.body:
        try:
            return answer.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    raise StepFailure(
        "binary_answer",
        f"{target.named} answered with {shown(media_type or 'bytes of no type')}, and only JSON, text and images can be"
        " used in a workflow; ask for one of them with the header `accept`",
    )


def excerpt(answer: Answer) -> str:
    """The beginning of the body, for a message; empty where there is none to read."""
    media_type, charset = _content_type(answer.headers.get("content-type", ""))
    if not answer.body or not (_TEXT.fullmatch(media_type) or not media_type):
        return ""
    text = " ".join(_text(answer.body[:1_200], charset).split())
    told = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return f": {told[:300]}{'...' if len(told) > 300 else ''}"


def retry_after_s(answer: Answer, *, now: float) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3), `now` in seconds since 1970."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None


def _content_type(value: str) -> tuple[str, str]:
    message = Message()
    message["content-type"] = value[:_LONGEST]
    charset = message.get_param("charset", "")
    media_type = value.partition(";")[0].strip().lower()
    return media_type, charset if isinstance(charset, str) else ""


def _json(body: bytes, target: Target) -> Json:
    try:
        value: Json = json.loads(body.decode(json.detect_encoding(body)), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StepFailure(
            "malformed_response", f"{target.named} answered with what is no JSON, though it says so: {error}"[:500]
        ) from None
    wrong = unfit(value)
    if wrong is not None:
        raise StepFailure("malformed_response", f"the answer of {target.named} {wrong}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _text(body: bytes, charset: str) -> str:
    """By its charset, and where that is unknown as UTF-8; what cannot be read shows as U+FFFD."""
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        name = "utf-8"
    known = _CHARSET.fullmatch(name) is not None
    return body.decode(name if known else "utf-8", errors="replace").removeprefix("\ufeff")
