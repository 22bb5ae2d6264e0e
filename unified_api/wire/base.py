"""What every wire family shares: the request that it makes and the profile that steers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from unified_api.errors import UnsupportedParameterError
from unified_api.types import (
    AnyRequest,
    EmbedRequest,
    FinishReason,
    ImageRequest,
    Json,
    JsonObject,
    ModerationRequest,
    Request,
    RerankRequest,
)
from unified_api.wire.model_patterns import any_matches

__all__ = [
    "FORMER_GEMINI",
    "AnyRequest",
    "ImageSize",
    "Pending",
    "ReasoningStyle",
    "WireProfile",
    "WireRequest",
    "call_id",
    "check_supported",
    "sniff_media_type",
]

_IMAGE_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)

_REQUEST_FIELDS = frozenset(
    parameter.name
    for request in (Request, EmbedRequest, ImageRequest, RerankRequest, ModerationRequest)
    for parameter in fields(request)
    if parameter.name not in {"model", "messages", "inputs", "prompt", "query", "documents", "extra"}
)
ReasoningStyle = Literal[
    "never", "budget", "adaptive", "between_tools", "always", "reasoningConfig", "reasoning_effort", "reasoning_config",
]  # fmt: skip
ImageSize = Literal["size", "width_height", "aspect_ratio", "aspect_ratio_and_resolution"]


FORMER_GEMINI = (
    "gemini-1.*", "gemini-2.*", "gemini-exp*", "gemini-pro", "gemini-pro-vision", "gemini-robotics-er-1*", "learnlm*",
    "gemma*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request, still without address and key. `path` is appended to the provider's base URL."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """Work that goes on after an answer: how to ask for it, and how to have it stopped."""

    poll: WireRequest
    cancel: WireRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireProfile:
    """How a provider or model departs from its wire family: data from `providers.toml`, never a condition on a name.

    Raises ValueError for an `unsupported` that is no field of a request.
    """

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    unsupported: frozenset[str] = frozenset()
    """Fields of our `Request` (`temperature`, `seed`, ...) that the model refuses; using one raises."""
    refused_while_thinking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of a request -> patterns of the models that refuse it beside a `reasoning_effort` other than none."""
    needs_extra: Mapping[str, str] = field(default_factory=dict)
    """Field of a request -> what `extra` must make true beside it (`metadata` -> `store`)."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Field on the wire -> the provider's own word for it, such as `seed` -> `random_seed`.

    A chat's own word may be a path (`reasoning.max_tokens`), and begin with "!" where it says the opposite."""
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    """Where shown thinking may lie in a message, first match wins."""
    finish_reasons: Mapping[str, FinishReason] = field(default_factory=dict)
    """The provider's words beyond the common ones, or against them."""
    stream_usage: bool = True
    """Whether a stream may be asked for its usage by `stream_options`; without it many streams carry none."""
    done_is_finish: bool = False
    """Whether `[DONE]` alone ends a stream well, for servers that never send a finish reason (Snowflake)."""
    throttle_codes: frozenset[str] = frozenset()
    """Error codes that mean "wait a little" here though they mean "no quota left" elsewhere."""
    audio: Literal["encoded", "data_url", "encoded_or_url"] = "encoded"
    """How a chat is shown sound: base64 beside its format; data or https address in that place (Qwen); or the first,
    and an address as a bare string (Mistral)."""
    video_url: bool = False
    """Whether a chat takes `video_url` parts."""
    document: Literal["file", "file_or_url", "document_url"] = "file"
    """How a chat is shown documents: `file` parts with the bytes; those with an address too (OpenRouter); or
    `document_url` parts, which hold either (Mistral)."""
    tool_result_media: frozenset[Literal["image", "audio", "video", "document"]] = frozenset()
    """What a tool message may hold beside text."""
    cache_mark: Literal["cache_control", "prompt_cache_breakpoint"] | None = None
    """The key of a part that marks the end of what may be cached; None: there are no marks, and ours are left out."""
    efforts: Mapping[str, Mapping[str, str | JsonObject]] = field(default_factory=dict)
    """Pattern of model names -> reasoning effort -> the provider's word for it, or what it adds to the body instead;
    first match wins, and an effort that it does not name is refused. Each is sent in the family's own words where no
    pattern fits."""
    reasoning_back: Literal["reasoning_content", "reasoning", "thinking_part"] | None = None
    """Where the model wants its own earlier thinking back (a field of the message, or parts of its content)."""
    reasoning_always_back: tuple[str, ...] = ()
    """Patterns of the models that demand that field in each message of the assistant: empty where there is no thinking
    to send."""
    call_id_length: int | None = None
    """Letters and digits that a tool call's id must have; other ids are sent as one made from them (Mistral: 9)."""
    prefix_field: str | None = None
    """The key that makes a last message of the assistant the beginning of the answer (`prefix`, `partial`)."""
    prefill_fields: Mapping[str, Json] = field(default_factory=dict)
    """What the body says besides where the last message is such a beginning (`continue_final_message`)."""
    message_names: bool = True
    """Whether messages of persons and models may carry a name."""
    step_fields: tuple[str, ...] = ("executed_tools",)
    """Where a message tells the steps of built-in tools."""
    stateless: bool = False
    """Whether the Responses API is told to keep nothing of a call (`store: false`); a model that takes a
    `reasoning_effort` then gives its reasoning encrypted, to be sent back."""
    default_max_tokens: Mapping[str, int] = field(default_factory=dict)
    """Pattern of model names -> tokens that an answer may have where the request does not say and the wire must
    (`anthropic`), thinking not counted; first match wins."""
    reasoning_style: Mapping[str, ReasoningStyle] = field(default_factory=dict)
    """Pattern of model names -> how the model is told to think: a Claude not at all (`never`), by a number of tokens
    (`budget`), by an effort (`adaptive`), by an effort and at the least between its calls of tools (`between_tools`),
    or by an effort and it cannot be told not to (`always`; `anthropic`: a number where no pattern fits); other models
    of `bedrock` by the field of that name (there: `outputConfig.effort` where none fits). First match wins."""
    top_k_field: Mapping[str, str] = field(default_factory=dict)
    """Pattern of model names -> the path of the field that a model of `bedrock` has for `top_k`; first match wins."""
    cache_points: tuple[str, ...] = ("*",)
    """Patterns of the models of `bedrock` that take cache marks; others are sent none."""
    tool_cache_points: tuple[str, ...] = ("*",)
    """Those of them that take a mark after a tool as well."""
    cache_ttl: tuple[str, ...] = ("*",)
    """Those of them that are told how long; others keep what is cached for as long as they do."""
    signed_thinking: tuple[str, ...] = ("*",)
    """Patterns of the models of `bedrock` that take back thinking that is signed or hidden; others refuse it, and are
    sent none of it."""
    no_thinking_back: tuple[str, ...] = ()
    """Patterns of the models of `bedrock` that take none of their own thinking back."""
    system_turns: tuple[str, ...] = ()
    """Patterns of the models that take system messages in the midst of a conversation (`anthropic`)."""
    unforced: tuple[str, ...] = ()
    """Patterns of the models that cannot be made to call a tool (`anthropic`, `bedrock`)."""
    one_sampler: tuple[str, ...] = ()
    """Patterns of the models that take `temperature` or `top_p`, but not both (`anthropic`, `bedrock`)."""
    no_prefill: tuple[str, ...] = ()
    """Patterns of the models that do not go on with an answer that was begun for them (`anthropic`, `bedrock`)."""
    former_models: tuple[str, ...] = FORMER_GEMINI
    """Patterns of the models of `gemini` from before Gemini 3: they are told to think by a number of tokens, take no
    media in tool results and no schema beside tools, have one resolution for all images, want no signature of calls
    that others made, and charge an answer for one search however many it made."""
    unnamed_calls: tuple[str, ...] = ()
    """Patterns of the models of `gemini` that refuse ids of calls; a result is then told by its place (Vertex AI)."""
    told_tool_steps: bool = False
    """Whether a later model of `gemini` takes functions beside built-in tools only in a request that asks to be told
    the steps of the latter (AI Studio; Vertex AI does not know the wish)."""
    embedding_format: str | None = None
    """`encoding_format` to ask of an embeddings endpoint; None leaves it out."""
    purpose_field: str | None = None
    """Where an embeddings endpoint is told what the texts are for; None: it is not, and a purpose is refused."""
    purposes: Mapping[str, str] = field(default_factory=dict)
    """`query` and `document` -> the provider's own words for them; as they are where they are not named."""
    worded_purpose: tuple[str, ...] = ("gemini-embedding-[2-9]*",)
    """Patterns of Google's embedding models that read the purpose in words before a text, and of which Vertex AI asks
    one text a call by `:embedContent`."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Path of a call in its family -> the provider's own (`/embeddings` -> `/v1/embeddings`, `/chat/completions` ->
    `/chat`; `/models` in every family). `{model}` in it stands for the model, which the body then leaves out."""
    rerank_fields: Mapping[str, Json] = field(default_factory=dict)
    """What every rerank request says besides (`api_version = 2` on Bedrock)."""
    embedding_batch: Mapping[str, int] = field(default_factory=dict)
    """Pattern of model names -> texts that one call may embed, where that is not the family's own limit; first match
    wins."""
    image_format: str | None = None
    """`response_format` to ask of an images endpoint; None leaves it out."""
    image_size: Mapping[str, ImageSize] = field(default_factory=dict)
    """Pattern of model names -> how an image's size is said: `size` (where no pattern fits), `width` and `height`, or
    an `aspect_ratio`, which leaves the pixels to the model, or that and a `resolution` (1k or 2k); first match wins."""
    image_fields: frozenset[Literal["negative_prompt", "seed"]] = frozenset()
    """What an OpenAI-compatible images endpoint takes beyond OpenAI's own fields."""

    def __post_init__(self) -> None:
        unknown = sorted(self.unsupported - _REQUEST_FIELDS)
        if unknown:
            raise ValueError(f"unsupported names {unknown}, which no request has; known are {sorted(_REQUEST_FIELDS)}")


def check_supported(request: AnyRequest, *, provider: str, model: str, profile: WireProfile) -> None:
    """UnsupportedParameterError when the request uses what the model cannot take; nothing is ever dropped silently."""
    effort = getattr(request, "reasoning_effort", None)
    refused = dict.fromkeys(profile.unsupported, "")
    if effort not in (None, "none"):
        thinking = profile.refused_while_thinking.items()
        names = (name for name, models in thinking if any_matches(models, model))
        refused = {**dict.fromkeys(names, f" beside reasoning_effort={effort!r}"), **refused}
    for name, beside in sorted(refused.items()):
        value = getattr(request, name, None)
        if value not in (None, (), {}) and (name, value) != ("n", 1):  # every model gives one answer
            raise UnsupportedParameterError(
                f"{model!r} cannot take the parameter {name!r}{beside}: leave it out or choose another model",
                provider=provider,
                model=f"{provider}/{model}",
                param=name,
            )


def call_id(index: int) -> str:
    """The id of a tool call whose server gave none."""
    return f"call_{index}"


def sniff_media_type(image: bytes) -> str | None:
    """The media type that an image's first bytes tell, or None."""
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _IMAGE_STARTS if image.startswith(start)), None)
