"""Signatures of AWS (SigV4), and the environment variables that they are made from.

The algorithm is botocore's, an extra; its own way of signing is not used because it logs what it signs, session token
and all. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from unified_api.errors import ConfigurationError
from unified_api.providers import ProviderRow
from unified_api.settings import Environment

__all__ = ["Credentials", "Signer", "bearer_key", "missing_variable", "signer_of"]

_SERVICE = "bedrock"
_REGION = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")
_ID, _SECRET, _TOKEN, _BEARER = "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "BEARER_TOKEN_BEDROCK"
_SIGNED = frozenset({"content-type"})
"""Headers that are signed beside the host and those of the signature: the ones that nothing on the way may change."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of AWS. Nothing of it is ever shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Signer:
    """Signs requests with one access key, for one region."""

    def __init__(self, credentials: Credentials, *, region: str, service: str = _SERVICE) -> None:
        self._credentials = credentials
        self._region = region
        self._service = service

    def __repr__(self) -> str:
        return f"Signer({self._service!r}, {self._region!r})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear in no message: AWS repeats what was signed when a signature does not match."""
        given = self._credentials
        return tuple(secret for secret in (given.access_key, given.secret_key, given.token) if secret)

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, *, now: datetime | None = None
    ) -> dict[str, str]:
        """The headers to add to a request, which is sent within minutes of `now` or not at all.

        Raises:
            ConfigurationError: botocore is not installed.

        """
        try:
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest
        except ImportError as error:
            raise ConfigurationError(
                "calls that AWS wants signed need botocore: pip install 'meta-orchestrator[bedrock]', or set "
                f"AWS_{_BEARER} to a Bedrock API key"
            ) from error
        added = {"x-amz-date": (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")}
        if self._credentials.token:
            added["x-amz-security-token"] = self._credentials.token
        signed = {name: value for name, value in headers.items() if name.lower() in _SIGNED}
        request = AWSRequest(method=method, url=url, headers={**signed, **added}, data=content)
        request.context["timestamp"] = added["x-amz-date"]
        auth = SigV4Auth(self._credentials, self._service, self._region)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        names = auth.signed_headers(auth.headers_to_sign(request))
        added["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"
        )
        return added


def bearer_key(row: ProviderRow, environment: Environment) -> str | None:
    """The Bedrock API key that takes the place of a signature (https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html)."""
    return None if row.api_key_env is None else environment.key(_prefix(row.api_key_env) + _BEARER)


def signer_of(row: ProviderRow, environment: Environment) -> Signer | None:
    """What signs the calls of a row whose `auth` is `sigv4`; None where a bearer key is set, or no access key.

    Raises:
        ConfigurationError: no region is known, or `api_key_env` is no name of an access key.

    """
    if row.auth != "sigv4" or row.api_key_env is None or bearer_key(row, environment) is not None:
        return None
    prefix = _prefix(row.api_key_env)
    access_key, secret_key = environment.key(prefix + _ID), environment.key(prefix + _SECRET)
    if access_key is None or secret_key is None:
        return None
    token = environment.key(prefix + _TOKEN)
    return Signer(Credentials(access_key, secret_key, token), region=_region(row, environment))


def missing_variable(row: ProviderRow, environment: Environment) -> str | None:
    """The first variable that is not set of those that a row whose `auth` is `sigv4` needs; none without a name."""
    if row.api_key_env is None or bearer_key(row, environment) is not None:
        return None
    names = (_prefix(row.api_key_env) + part for part in (_ID, _SECRET))
    return next((name for name in names if environment.key(name) is None), None)


def _prefix(variable: str) -> str:
    """What the names of one access key's variables begin with, mostly `AWS_`."""
    if not variable.endswith(_ID):
        raise ConfigurationError(
            f"api_key_env is {variable!r}, but calls that are signed need the name of an access key's variable, such "
            f"as AWS_{_ID}, beside which AWS_{_SECRET} lies"
        )
    return variable.removesuffix(_ID)


def _region(row: ProviderRow, environment: Environment) -> str:
    """By the host, which says where the call goes; a proxy's host says nothing, and the environment is asked."""
    host = urlsplit(row.base_url or "").hostname or ""
    found = _REGION.search(host)
    region = found[1] if found else environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if region is None:
        raise ConfigurationError(
            f"a call to {host!r} is to be signed, but neither the host nor AWS_REGION says for which region: set it"
        )
    return region
