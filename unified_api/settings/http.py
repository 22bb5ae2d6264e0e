"""`[http]`: the hosts that steps of kind `http` may reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from unified_api.settings.table import Table
from unified_api.types import Sensitivity

__all__ = ["HostSettings", "HttpSettings"]

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.(?={_LABEL}\.))?{_LABEL}(?:\.{_LABEL})*")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_Variable: TypeAlias = Annotated[str, StringConstraints(pattern=_VARIABLE)]
_FieldName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


def _entry(written: str) -> str:
    """A host as the allow-list knows it: lower case, IPv6 in brackets, a port only where one was written."""
    text = written.strip().lower()
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        return _host(text.removesuffix("."))
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("ends with a port that is no number from 1 to 65,535")
    return f"{_host(host.removesuffix('.'))}:{int(port)}"


def _host(name: str) -> str:
    if name.startswith("["):
        try:
            return f"[{IPv6Address(name[1:-1])}]"
        except ValueError:
            raise ValueError("is no IPv6 address in brackets") from None
    last = name.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):  # some programs read `0x7f.1` and `127.1` as addresses
        try:
            return str(ip_address(name))
        except ValueError:
            raise ValueError("is no IPv4 address") from None
    try:
        plain = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        plain = ""
    if not _NAME.fullmatch(plain) or len(plain) > 253:
        raise ValueError(
            'must be a host such as "api.example.com", "*.example.org" or "10.0.0.7:8080"; no scheme, path or user name'
        )
    return plain


def _listed(value: Any) -> Any:
    """A plain list of hosts is a table of hosts without settings of their own."""
    return {str(host): {} for host in value} if isinstance(value, list) else value


_Host: TypeAlias = Annotated[str, AfterValidator(_entry)]


class HostSettings(Table):
    """`[http.hosts."HOST"]`."""

    clearance: Sensitivity | None = None
    """The most sensitive data that the host may be sent; unset: `clearance` of `[http]`."""
    token_env: _Variable | None = None
    """Name of the environment variable whose value is sent as bearer token, to this host alone."""
    headers_env: Mapping[_FieldName, _Variable] = Field(default={})
    """Header -> name of the environment variable whose value is sent in it, to this host alone."""
    private_addresses: bool | None = None
    """Whether the host may lie at a private address; unset: as `[http]` says."""


class HttpSettings(Table):
    """`[http]`."""

    hosts: Annotated[Mapping[_Host, HostSettings], BeforeValidator(_listed)] = Field(default={})
    """The hosts that may be reached, each with a table of its own or all in a plain list. `*.` stands for any
    subdomain; without a port the scheme's own is meant. Nothing else is reached."""
    clearance: Sensitivity = "public"
    """The most sensitive data that a host may be sent, where its own table does not say."""
    private_addresses: bool = False
    """Whether hosts may lie at private, loopback and link-local addresses."""
    max_bytes: Annotated[int, Field(ge=1_024, le=268_435_456)] = 5_000_000
    """The most that a request or an answer may hold, unpacked; what is longer is an error."""
    timeout_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Seconds for a request with all its redirects."""
