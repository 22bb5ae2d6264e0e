"""What a request of a workflow may hold beside its address: header fields, and a body for some methods."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from workflows.web_target import RequestError
from workflows.wording import shown

__all__ = ["READS", "encoded", "field_name", "field_value", "no_body"]

READS: Final = frozenset({"GET", "HEAD"})
"""Methods that only read."""
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_LONGEST = 8_192
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-connection", "forwarded", "via"}
)
"""Fields by which a request is framed and routed: whoever sets them speaks for somebody else."""
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def field_name(name: str) -> str:
    """The name in lower case. RequestError `invalid_header` for a field that a workflow may not set."""
    lower = name.lower()
    if not _FIELD_NAME.fullmatch(name):
        raise RequestError("invalid_header", f"{shown(name)} is no name of a header")
    if lower in _SECRET:
        raise RequestError(
            "invalid_header",
            f"the header {name!r} is a credential, and those come from the configuration: name its environment variable"
            ' by token_env or headers_env in [http.hosts."HOST"] of orchestrator.toml',
        )
    if lower in _OURS:
        raise RequestError("invalid_header", f"the header {name!r} is set by the program; leave it out")
    return lower


def field_value(name: str, value: str) -> str:
    """The value as it is sent. RequestError `invalid_header`."""
    if len(value) > _LONGEST:
        raise RequestError("invalid_header", f"the header {name!r} has more than {_LONGEST:,} characters")
    if not (value.isascii() and value.isprintable()):
        raise RequestError(
            "invalid_header", f"the header {name!r} has line ends or other characters that no header can"
        )
    return value.strip()


def no_body(method: str) -> RequestError:
    """Why a request that only reads cannot be sent with its body."""
    return RequestError("invalid_body", f"a {method} request has no body; use `query`, or another method")


def encoded(body: Any) -> tuple[bytes, str]:
    """The body and its media type. RequestError `invalid_body`."""
    try:
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        # Not orjson, which refuses integers of more than 64 bits.
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(), "application/json"
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError("invalid_body", f"`body` cannot be written as JSON ({error})") from None
