"""What is sent: the method, the headers and the body of a request, and what a redirect makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from executors.failures import StepFailure
from workflows.wording import shown

__all__ = ["Request"]

_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_LONGEST = 8_192
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-connection", "forwarded", "via"}
)
"""Fields by which a request is framed and routed: whoever sets them speaks for somebody else."""
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "content-language", "user-agent"})
"""Fields that may follow a redirect to another host; any other may be a credential."""
_READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its address."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, method: str, headers: Mapping[str, str], body: Any, *, max_bytes: int) -> Request:
        """Raises StepFailure: `invalid_header`, `invalid_body`, or `too_large`."""
        fields = {name.lower(): _field(name, value) for name, value in headers.items()}
        if body is None:
            return cls(method, fields)
        if method in _READS:
            raise StepFailure("invalid_body", f"a {method} request has no body; use `query`, or another method")
        content, media_type = _encoded(body)
        if len(content) > max_bytes:
            raise StepFailure(
                "too_large", f"the body has {len(content):,} bytes; at most {max_bytes:,} are sent ([http] max_bytes)"
            )
        return cls(method, {"content-type": media_type, **fields}, content)

    @property
    def only_reads(self) -> bool:
        return self.method in _READS

    def redirected(self, status: int, *, elsewhere: bool) -> Request:
        """What the next host is asked (RFC 9110, section 15.4)."""
        headers = {name: value for name, value in self.headers.items() if not elsewhere or name in _HARMLESS}
        becomes_get = (status == 303 and self.method != "HEAD") or (status in {301, 302} and self.method == "POST")
        if not becomes_get:
            return replace(self, headers=headers)
        about_body = ("content-type", "content-language", "content-encoding")
        return Request("GET", {name: value for name, value in headers.items() if name not in about_body})


def _field(name: str, value: str) -> str:
    lower = name.lower()
    if not _FIELD_NAME.fullmatch(name):
        raise StepFailure("invalid_header", f"{shown(name)} is no name of a header")
    if lower in _SECRET:
        raise StepFailure(
            "invalid_header",
            f"the header {name!r} is a credential, and those come from the configuration: name its environment variable"
            ' by token_env or headers_env in [http.hosts."HOST"] of orchestrator.toml',
        )
    if lower in _OURS:
        raise StepFailure("invalid_header", f"the header {name!r} is set by the program; leave it out")
    if len(value) > _LONGEST:
        raise StepFailure("invalid_header", f"the header {name!r} has more than {_LONGEST:,} characters")
    if not (value.isascii() and value.isprintable()):
        raise StepFailure("invalid_header", f"the header {name!r} has line ends or other characters that no header can")
    return value.strip()


def _encoded(body: Any) -> tuple[bytes, str]:
    try:
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        # Not orjson, which refuses integers of more than 64 bits.
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(), "application/json"
    except (ValueError, TypeError, RecursionError) as error:
        raise StepFailure("invalid_body", f"`body` cannot be written as JSON ({error})") from None
