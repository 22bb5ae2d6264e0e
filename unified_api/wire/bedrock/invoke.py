"""The chat wire family of Bedrock's `invoke`, where each publisher's models keep their own words.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html. Answers of every publisher are
read, told apart by their shape. Requests are written in the words of the Messages API, which Claude takes there
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html); other models
are asked through Converse.
"""

from __future__ import annotations

from unified_api.errors import InvalidRequestError
from unified_api.types import JsonObject, Request
from unified_api.wire.anthropic import encoder as anthropic_encode
from unified_api.wire.anthropic import request as anthropic_request
from unified_api.wire.base import WireProfile, WireRequest
from unified_api.wire.bedrock.encoder import model_path
from unified_api.wire.bedrock.invoke_decode import decode
from unified_api.wire.bedrock.invoke_stream import StreamDecoder
from unified_api.wire.json_text import dump_json

__all__ = ["UNSUPPORTED", "StreamDecoder", "decode", "encode", "read_request"]

UNSUPPORTED = anthropic_encode.UNSUPPORTED
_VERSION = "bedrock-2023-05-31"


def encode(request: Request, *, provider: str, model: str, profile: WireProfile, stream: bool = False) -> WireRequest:
    """The HTTP request for `request` to a Claude. Raises what the encoder of `anthropic` raises."""
    body = anthropic_encode.request_body(request, provider=provider, model=model, profile=profile)
    del body["model"]
    body["anthropic_version"] = _VERSION
    accept = "application/vnd.amazon.eventstream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accept}
    operation = "invoke-with-response-stream" if stream else "invoke"
    return WireRequest("POST", model_path(model, operation), headers, dump_json(body, provider=provider, model=model))


def read_request(body: JsonObject, *, provider: str, model: str | None = None) -> Request:
    """The request in a body for Claude. Raises InvalidRequestError for one in the words of another publisher."""
    if "anthropic_version" not in body:
        raise InvalidRequestError(
            f"the body has no anthropic_version, so it is not for Claude; it has {sorted(body)}. Other models of "
            "Bedrock are asked through Converse.",
            provider=provider,
            param="anthropic_version",
        )
    rest: JsonObject = {name: value for name, value in body.items() if name != "anthropic_version"}
    return anthropic_request.read_request(rest, provider=provider, model=model)
