"""What is sent: the method, the headers and the body of a request, and what a redirect makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from executors.failures import StepFailure
from executors.http.target import as_failure
from workflows.web_request import READS, encoded, field_name, field_value, no_body

__all__ = ["Request"]

_HARMLESS = frozenset({"accept", "accept-language", "content-type", "content-language", "user-agent"})
"""Fields that may follow a redirect to another host; any other may be a credential."""


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
        with as_failure():
            fields = {field_name(name): field_value(name, value) for name, value in headers.items()}
            if body is None:
                return cls(method, fields)
            if method in READS:
                raise no_body(method)
            content, media_type = encoded(body)
        if len(content) > max_bytes:
            raise StepFailure(
                "too_large", f"the body has {len(content):,} bytes; at most {max_bytes:,} are sent ([http] max_bytes)"
            )
        return cls(method, {"content-type": media_type, **fields}, content)

    @property
    def only_reads(self) -> bool:
        return self.method in READS

    def redirected(self, status: int, *, elsewhere: bool) -> Request:
        """What the next host is asked (RFC 9110, section 15.4)."""
        headers = {name: value for name, value in self.headers.items() if not elsewhere or name in _HARMLESS}
        becomes_get = (status == 303 and self.method != "HEAD") or (status in {301, 302} and self.method == "POST")
        if not becomes_get:
            return replace(self, headers=headers)
        about_body = ("content-type", "content-language", "content-encoding")
        return Request("GET", {name: value for name, value in headers.items() if name not in about_body})
