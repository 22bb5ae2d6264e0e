"""Images, sound, videos and documents as Google's `inlineData` and `fileData` (https://ai.google.dev/api/caching#Part)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    MediaPart,
    ProviderState,
    VideoPart,
)
from unified_api.wire.base import sniff_media_type
from unified_api.wire.gemini.target import Target

__all__ = [
    "BESIDE",
    "UnreadablePartError",
    "camel_keys",
    "decode_base64",
    "encode_media",
    "own_state",
    "read_media",
]

BESIDE = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
"""What stands in a part beside the one thing that it holds."""
_SNAKE = re.compile(r"_([a-z0-9])")
_YOUTUBE = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
_DETAIL = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
_BY_ENDING = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic",
    "heif": "image/heif", "gif": "image/gif", "wav": "audio/wav", "mp3": "audio/mpeg", "aiff": "audio/aiff",
    "aac": "audio/aac", "ogg": "audio/ogg", "flac": "audio/flac", "m4a": "audio/m4a", "mp4": "video/mp4",
    "mpeg": "video/mpeg", "mpg": "video/mpeg", "mov": "video/quicktime", "avi": "video/x-msvideo", "flv": "video/x-flv",
    "webm": "video/webm", "wmv": "video/x-ms-wmv", "3gp": "video/3gpp", "pdf": "application/pdf", "txt": "text/plain",
    "md": "text/markdown", "html": "text/html", "htm": "text/html", "css": "text/css", "csv": "text/csv",
    "xml": "text/xml", "rtf": "text/rtf", "json": "application/json", "js": "text/javascript", "py": "text/x-python",
}  # fmt: skip


class UnreadablePartError(ValueError):
    """A part of an answer or of a recorded request is not what Google documents."""


def camel_keys(value: JsonObject) -> JsonObject:
    """The object with its own keys as Google documents them; `file_data` is understood as well as `fileData`."""
    return {_SNAKE.sub(lambda found: found[1].upper(), key): inner for key, inner in value.items()}


def own_state(state: ProviderState | None, provider: str) -> JsonObject:
    """What the state adds to a part of `provider`'s own; nothing for what another provider wants back."""
    return dict(state.content) if state is not None and state.provider == provider else {}


def encode_media(part: MediaPart, place: str, target: Target) -> JsonObject:
    """The wire's part. What the provider itself holds (`state`) goes as it is.

    Raises InvalidRequestError naming `place` for a part without content or media type, UnsupportedParameterError for
    an address that Google does not read and for a `detail` that the model does not know.
    """
    beside = own_state(part.state, target.provider)
    text = part.text if isinstance(part, DocumentPart) else None
    if part.data is not None or text is not None:
        data = part.data if part.data is not None else _utf8(text or "", place)
        held: JsonObject = {"inlineData": _blob(data, _media_type(part, place))}
    elif part.url is not None:
        held = _by_url(part.url, part.media_type, place)
    elif beside:
        return beside
    else:
        raise InvalidRequestError(f"{place}: {type(part).__name__} has neither url nor data", param="messages")
    if isinstance(part, ImagePart) and part.detail in _DETAIL:
        held["mediaResolution"] = {"level": _detail(part.detail, place, target)}
    return {**held, **beside}


def _detail(detail: str, place: str, target: Target) -> str:
    # https://ai.google.dev/gemini-api/docs/media-resolution: each image its own resolution since Gemini 3.
    if target.former:
        raise UnsupportedParameterError(
            f"{place}: {target.model!r} has no detail {detail!r} for one image; leave it out, or set "
            "generationConfig.mediaResolution for all of them in `extra`",
            provider=target.provider,
            model=f"{target.provider}/{target.model}",
            param="messages",
        )
    return _DETAIL[detail]


def _utf8(text: str, place: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{place}: the text is no valid Unicode: {error}", param="messages") from error


def _blob(data: bytes, media_type: str) -> JsonObject:
    return {"mimeType": media_type, "data": base64.b64encode(data).decode("ascii")}


def _media_type(part: MediaPart, place: str) -> str:
    given = part.media_type
    if given is None and part.data is not None and isinstance(part, ImagePart):
        given = sniff_media_type(part.data)
    if given is None and isinstance(part, DocumentPart):
        given = "text/plain" if part.data is None else _named_type(part.name or "")
    if given is None:
        raise InvalidRequestError(
            f"{place}: the media_type of {type(part).__name__} is not given and its bytes do not tell it",
            param="messages",
        )
    return given


def _by_url(url: str, media_type: str | None, place: str) -> JsonObject:
    if url.startswith("data:"):
        head, comma, content = url[5:].partition(",")
        kind, *flags = head.split(";")
        try:
            data = decode_base64(content) if "base64" in flags else unquote_to_bytes(content)
        except ValueError as error:
            raise InvalidRequestError(f"{place}: the data URL is unreadable: {error}", param="messages") from error
        if not comma:
            raise InvalidRequestError(f"{place}: the data URL has no comma before its data", param="messages")
        return {"inlineData": _blob(data, kind or media_type or "text/plain")}
    scheme, _, path = _address(url)
    if scheme not in {"https", "http", "gs"}:
        raise UnsupportedParameterError(
            f"{place}: Google fetches no {scheme or 'relative'!r} addresses: give an https, gs or data URL or bytes",
            param="messages",
        )
    file: JsonObject = {"fileUri": url}
    stated = media_type or _named_type(path)
    if stated is not None:
        file["mimeType"] = stated
    return {"fileData": file}


def _address(url: str) -> tuple[str, str | None, str]:
    """Scheme, host and path; nothing of what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", None, ""
    return parts.scheme, parts.hostname, parts.path


def _named_type(name: str) -> str | None:
    return _BY_ENDING.get(name.rpartition(".")[2].lower())


def decode_base64(text: str) -> bytes:
    """The bytes of standard or URL-safe base64, padded or not; UnreadablePartError for anything else."""
    standard = text.translate(_URL_SAFE)
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError as error:
        raise UnreadablePartError(f"it is no base64: {error}") from error


_URL_SAFE = str.maketrans("-_", "+/")
_KINDS: Mapping[str, type[ImagePart | AudioPart | VideoPart]] = {
    "image": ImagePart,
    "audio": AudioPart,
    "video": VideoPart,
}


def read_media(part: JsonObject, *, provider: str) -> MediaPart | None:
    """The media that a part (with its keys in camelCase) holds, or None; UnreadablePartError when it cannot be read."""
    state = {name: part[name] for name in sorted(BESIDE & part.keys())}
    kept = ProviderState(provider, state) if state else None
    inline, file = part.get("inlineData"), part.get("fileData")
    if isinstance(inline, dict):
        inline = camel_keys(inline)
        media_type, data = inline.get("mimeType"), inline.get("data")
        if not isinstance(media_type, str) or not isinstance(data, str):
            raise UnreadablePartError("inlineData needs a mimeType and data")
        return _media(media_type, _name(inline), data=decode_base64(data), state=kept)
    if isinstance(file, dict):
        file = camel_keys(file)
        uri, kind = file.get("fileUri"), file.get("mimeType")
        if not isinstance(uri, str) or not uri:
            raise UnreadablePartError("fileData needs a fileUri")
        return _media(kind if isinstance(kind, str) else None, _name(file), url=uri, state=kept)
    return None


def _name(blob: JsonObject) -> str | None:
    name = blob.get("displayName")
    return name if isinstance(name, str) else None


def _media(
    media_type: str | None,
    name: str | None,
    *,
    url: str | None = None,
    data: bytes | None = None,
    state: ProviderState | None,
) -> MediaPart:
    kind: Json = media_type
    if media_type is None and url is not None:
        _, host, path = _address(url)
        kind = "video/" if host in _YOUTUBE else _named_type(path)
    found = _KINDS.get(str(kind).partition("/")[0])
    if found is not None:
        return found(url=url, data=data, media_type=media_type, state=state)
    return DocumentPart(url=url, data=data, media_type=media_type, name=name, state=state)
