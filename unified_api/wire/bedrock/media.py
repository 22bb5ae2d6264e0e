"""Images, sound, videos and documents as Amazon Bedrock's Converse takes and gives them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html: a format by name, and the bytes
or an address in S3. What a block says beside what its part can hold is kept in the part's state, so that it comes
back as it was.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import NoReturn

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

__all__ = ["KINDS", "DocumentNames", "media_block", "read_media"]

KINDS: Mapping[str, type[MediaPart]] = {
    "image": ImagePart,
    "audio": AudioPart,
    "video": VideoPart,
    "document": DocumentPart,
}
_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MEDIA_TYPES: Mapping[str, Mapping[str, str]] = {
    "image": {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
    "audio": {
        "mpeg": "audio/mpeg", "mp3": "audio/mpeg", "wav": "audio/wav", "aac": "audio/aac", "flac": "audio/flac",
        "ogg": "audio/ogg", "opus": "audio/opus", "mp4": "audio/mp4", "m4a": "audio/x-m4a", "webm": "audio/webm",
        "pcm": "audio/pcm", "mkv": "audio/x-matroska", "mka": "audio/mka", "x-aac": "audio/x-aac", "mpga": "audio/mpga",
    },
    "video": {
        "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm",
        "flv": "video/x-flv", "mpeg": "video/mpeg", "mpg": "video/mpg", "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    "document": {
        "pdf": "application/pdf", "csv": "text/csv", "doc": "application/msword", "docx": _DOCX,
        "xls": "application/vnd.ms-excel", "xlsx": _XLSX, "html": "text/html", "txt": "text/plain",
        "md": "text/markdown",
    },
}  # fmt: skip
"""Kind of block -> format -> media type. Of two formats of one media type the later is the one that is sent."""
_ALSO = {
    "image/jpg": "jpeg", "audio/mp3": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/x-flac": "flac",
    "audio/m4a": "m4a", "video/mov": "mov", "video/wmv": "wmv", "video/flv": "flv", "video/3gp": "three_gp",
    "video/matroska": "mkv", "text/x-markdown": "md",
}  # fmt: skip
_FORMATS = {
    kind: {media_type: name for name, media_type in types.items()} | {k: v for k, v in _ALSO.items() if v in types}
    for kind, types in _MEDIA_TYPES.items()
}
_EXTENSIONS = {"jpg": "jpeg", "3gp": "three_gp", "htm": "html", "markdown": "md", "text": "txt", "mpeg4": "mp4"}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[^,;]+)*?;base64,(.*)", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_LONGEST_NAME = 200


class DocumentNames:
    """Gives each document of one request a name that the API takes: of few characters, and unlike any other."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def name(self, wanted: str | None, extension: str) -> str:
        stem = (wanted or "").strip().removesuffix(f".{extension}")
        plain = " ".join(_NOT_IN_NAMES.sub(" ", stem).split())[: _LONGEST_NAME - 10] or "document"
        name, number = plain, 1
        while name in self._given:
            number += 1
            name = f"{plain} ({number})"
        self._given.add(name)
        return name


def media_block(part: MediaPart, names: DocumentNames, *, provider: str, model: str, place: str) -> JsonObject:
    """The content block of `part`; `place` is where it stands, for errors."""
    kind = next(name for name, made in KINDS.items() if isinstance(part, made))
    asked = _Asked(kind, provider, model, place)
    own = part.state.content if part.state is not None and part.state.provider == provider else {}
    block = _derived(part, asked, own)
    if isinstance(part, DocumentPart):
        extension = block.get("format") or own.get("format")
        block["name"] = names.name(part.name, extension if isinstance(extension, str) else "")
    return {kind: {name: value for name, value in (block | own).items() if value is not None}}


def read_media(kind: str, block: JsonObject, *, provider: str) -> MediaPart | None:
    """The part that a block of `kind` shows, or None when it holds nothing that can be shown."""
    source, extension = block.get("source"), block.get("format")
    source = source if isinstance(source, dict) else {}
    media_type = _MEDIA_TYPES[kind].get(extension) if isinstance(extension, str) else None
    fields: dict[str, Json | bytes] = {"media_type": media_type}
    stored = source.get("s3Location")
    if isinstance(source.get("bytes"), str):
        try:
            fields["data"] = base64.b64decode(str(source["bytes"]), validate=True)
        except ValueError:
            return None
    elif isinstance(stored, dict) and isinstance(stored.get("uri"), str):
        fields["url"] = stored["uri"]
    elif kind == "document" and (text := _document_text(source)) is not None:
        fields["text"] = text
    else:
        return None
    if kind == "document":
        name = block.get("name")
        fields["name"] = name if isinstance(name, str) else None
    return _with_rest(kind, fields, block, provider)


def _with_rest(kind: str, fields: dict[str, Json | bytes], block: JsonObject, provider: str) -> MediaPart:
    """The part, with what `media_block` would say otherwise kept as its state."""
    part: MediaPart = KINDS[kind](**fields)  # type: ignore[arg-type]  # names and values were chosen together above
    try:
        derived = _derived(part, _Asked(kind, provider, "", kind), block)
    except InvalidRequestError:
        derived = {}
    if kind == "document":
        derived["name"] = block.get("name")
    rest = {name: block.get(name) for name in (derived | block) if derived.get(name) != block.get(name)}
    state = ProviderState(provider, rest) if rest else None
    return KINDS[kind](**fields, state=state)  # type: ignore[arg-type]  # as above


class _Asked:
    """What is being encoded, for errors."""

    def __init__(self, kind: str, provider: str, model: str, place: str) -> None:
        self.kind = kind
        self.formats = _MEDIA_TYPES[kind]
        self._provider, self._model, self._place = provider, model, place

    def refuse(self, problem: str) -> NoReturn:
        raise InvalidRequestError(
            f"{self._place}: {problem}",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            param="messages",
        )

    def unsupported(self, problem: str) -> NoReturn:
        raise UnsupportedParameterError(
            f"{self._place}: {problem}",
            provider=self._provider,
            model=f"{self._provider}/{self._model}",
            param="messages",
        )


def _derived(part: MediaPart, asked: _Asked, own: JsonObject) -> JsonObject:
    if isinstance(part, ImagePart) and part.detail in {"low", "high"}:
        asked.unsupported(f"Converse has no word for an image's detail {part.detail!r}: leave it out")
    text = part.text if isinstance(part, DocumentPart) else None
    if (part.url is not None) + (part.data is not None) + (text is not None) != 1:
        if "source" not in own:
            asked.refuse(f"{asked.kind} needs one of url, data{' and text' if asked.kind == 'document' else ''}")
        return {}
    if text is not None:
        return {"format": "txt", "source": {"bytes": _base64(text.encode("utf-8", "replace"))}}
    data, media_type = part.data, part.media_type
    if part.url is not None:
        if part.url.startswith("s3://"):
            return {"format": _format(part, media_type, asked, own), "source": {"s3Location": {"uri": part.url}}}
        media_type, data = _from_data_url(part.url, media_type, asked)
    if data is not None and media_type is None and asked.kind == "image":
        media_type = sniff_media_type(data)
    return {"format": _format(part, media_type, asked, own), "source": {"bytes": _base64(data or b"")}}


def _format(part: MediaPart, media_type: str | None, asked: _Asked, own: JsonObject) -> Json:
    """By the media type, else by the ending of the name or address."""
    plain = (media_type or "").partition(";")[0].strip().lower()
    if plain in _FORMATS[asked.kind]:
        return _FORMATS[asked.kind][plain]
    named = part.name if isinstance(part, DocumentPart) and part.name else part.url
    ending = (named or "").rpartition(".")[2].lower()
    ending = _EXTENSIONS.get(ending, ending)
    if not plain and ending in asked.formats:
        return ending
    if "format" in own:
        return None
    what = f"the media type {media_type!r}" if plain else "no media type"
    return asked.refuse(
        f"{asked.kind} with {what}: give the media_type of one of the formats {', '.join(asked.formats)}"
    )


def _from_data_url(url: str, media_type: str | None, asked: _Asked) -> tuple[str | None, bytes]:
    given = _DATA_URL.fullmatch(url)
    if given is None:
        asked.unsupported(
            f"Converse fetches no {asked.kind} from an address such as {url[:80]!r}: give its bytes as data, or an "
            "s3:// address"
        )
    try:
        return media_type or given[1], base64.b64decode(given[2], validate=True)
    except ValueError as error:
        return asked.refuse(f"the data: address of {asked.kind} holds no base64 ({error})")


def _document_text(source: JsonObject) -> str | None:
    """The words of a document that is given as text, or as pieces of text."""
    if isinstance(source.get("text"), str):
        return str(source["text"])
    pieces = source.get("content")
    if not isinstance(pieces, list):
        return None
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
