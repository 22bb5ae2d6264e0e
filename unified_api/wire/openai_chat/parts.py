"""The parts of a message as an OpenAI-compatible chat is shown them."""

from __future__ import annotations

import base64
from typing import NoReturn

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.types import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    JsonObject,
    MediaPart,
    ProviderState,
    TextPart,
    VideoPart,
)
from unified_api.wire.base import WireProfile, sniff_media_type

__all__ = ["AUDIO_FORMATS", "PartWriter", "sniff_sound"]

AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/m4a": "m4a",
    "audio/aiff": "aiff",
    "audio/x-aiff": "aiff",
    "audio/webm": "webm",
    "audio/pcm": "pcm16",
}
"""Media type -> `format`. OpenAI takes the first two; what a server does not take, it says itself."""
_SOUND_STARTS = (
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_KINDS: dict[type[MediaPart], str] = {
    ImagePart: "image",
    AudioPart: "audio",
    VideoPart: "video",
    DocumentPart: "document",
}


def sniff_sound(data: bytes) -> str | None:
    """The media type that a sound's first bytes tell, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    return next((kind for start, kind in _SOUND_STARTS if data.startswith(start)), None)


class PartWriter:
    """Writes parts for one model; `place` is where a part stands in the request, for what cannot be sent."""

    def __init__(self, *, provider: str, model: str, profile: WireProfile) -> None:
        self.provider = provider
        self.model = model
        self.profile = profile

    def text(self, part: TextPart) -> JsonObject:
        return self.whole(part.state) or {"type": "text", "text": part.text, **self.mark(part.cache)}

    def media(self, part: MediaPart, place: str) -> JsonObject:
        known = self.whole(part.state)
        if known is not None:
            return known
        match part:
            case ImagePart():
                written = self._image(part, place)
            case AudioPart():
                written = self._audio(part, place)
            case VideoPart():
                written = self._video(part, place)
            case DocumentPart():
                written = self._document(part, place)
        return {**written, **self.mark(part.cache)}

    def mark(self, cache: CacheMark | None) -> JsonObject:
        """The cache mark as a key of a part; nothing where the provider has none."""
        if cache is None or self.profile.cache_mark is None:
            return {}
        if self.profile.cache_mark == "prompt_cache_breakpoint":
            # Its time is asked for once, for the whole request (`prompt_cache_options`).
            return {"prompt_cache_breakpoint": {"mode": "explicit"}}
        lasting: JsonObject = {"ttl": cache.ttl} if cache.ttl else {}
        return {"cache_control": {"type": "ephemeral", **lasting}}

    def own(self, state: ProviderState | None) -> JsonObject:
        """What the provider wants back; nothing of another's."""
        return state.content if state is not None and state.provider == self.provider else {}

    def foreign(self, state: ProviderState | None) -> bool:
        """Whether another provider gave it, to be sent to nobody else."""
        return state is not None and state.provider != self.provider

    def whole(self, state: ProviderState | None) -> JsonObject | None:
        """The part of the content that the provider gave or was given, with all that only it knows of it."""
        part = self.own(state).get("content_part")
        return part if isinstance(part, dict) else None

    def in_result(self, part: TextPart | MediaPart, place: str) -> JsonObject:
        """A part of a tool's result."""
        if isinstance(part, TextPart):
            return self.text(part)
        kind = _KINDS[type(part)]
        if kind not in self.profile.tool_result_media and not (isinstance(part, DocumentPart) and part.text):
            self._unsupported(f"{place}: a tool result with {_article(kind)}; give it in a message of the user")
        return self.media(part, place)

    def refuse(self, message: str) -> NoReturn:
        raise InvalidRequestError(message, provider=self.provider, model=self.model, param="messages")

    def _image(self, part: ImagePart, place: str) -> JsonObject:
        media_type = part.media_type or sniff_media_type(part.data or b"")
        image: JsonObject = {"url": self._address(part.url, part.data, media_type, f"{place}: an image")}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}

    def _audio(self, part: AudioPart, place: str) -> JsonObject:
        what = f"{place}: a sound"
        media_type = part.media_type or sniff_sound(part.data or b"")
        address = self._address(part.url, part.data, media_type, what)
        if not address.startswith("data:") and self.profile.audio == "encoded":
            self._unsupported(f"{what} by address; give its bytes as `data`")
        if part.url is not None and self.profile.audio == "encoded_or_url":
            return {"type": "input_audio", "input_audio": part.url}
        known = (media_type or address[5:].partition(";")[0]).lower() if address.startswith("data:") else media_type
        form = AUDIO_FORMATS.get((known or "").partition(";")[0])
        if form is None and address.startswith("data:"):
            self._unsupported(f"{what} of media_type {known!r}; give one of {', '.join(AUDIO_FORMATS)}")
        data = address if self.profile.audio == "data_url" else address.partition(",")[2]
        sound: JsonObject = {"data": data}
        if form is not None:
            sound["format"] = form
        return {"type": "input_audio", "input_audio": sound}

    def _video(self, part: VideoPart, place: str) -> JsonObject:
        if not self.profile.video_url:
            self._unsupported(f"{place}: a video; choose a model that is shown videos, or give its pictures")
        address = self._address(part.url, part.data, part.media_type, f"{place}: a video")
        return {"type": "video_url", "video_url": {"url": address}}

    def _document(self, part: DocumentPart, place: str) -> JsonObject:
        form = self.profile.document
        held = self.own(part.state)
        if held:
            return {"type": "file", **(held if form == "document_url" else {"file": held})}
        if part.text is not None:
            # Not every server reads files, and those that do read PDF; words they all read.
            return {"type": "text", "text": f"{part.name}\n\n{part.text}" if part.name else part.text}
        address = self._address(part.url, part.data, part.media_type, f"{place}: a document")
        if form == "document_url":
            named: JsonObject = {"document_name": part.name} if part.name else {}
            return {"type": "document_url", "document_url": address, **named}
        if form == "file" and not address.startswith("data:"):
            self._unsupported(f"{place}: a document by address; give its bytes as `data`, or its words as `text`")
        plain = "document.pdf" if "application/pdf" in address[:30] else "document"
        return {"type": "file", "file": {"filename": part.name or plain, "file_data": address}}

    def _address(self, url: str | None, data: bytes | None, media_type: str | None, what: str) -> str:
        """The address, or the bytes as one."""
        if data is None and url is not None:
            return url
        if data is None or url is not None:
            self.refuse(f"{what} has either a url or data")
        if media_type is None:
            self.refuse(f"{what}'s media_type is not given and its bytes do not tell it")
        return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"

    def _unsupported(self, what: str) -> NoReturn:
        raise UnsupportedParameterError(
            f"{self.model!r} cannot be sent {what}",
            provider=self.provider,
            model=f"{self.provider}/{self.model}",
            param="messages",
        )


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'ai' else 'a'} {kind}"
