"""What the pieces of a chat answer make only together: reasoning details, sound, the list of sources."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from unified_api.types import AudioPart, Citation, Json, JsonObject, ProviderState
from unified_api.wire.openai_chat.parts import sniff_sound

__all__ = ["ReasoningDetails", "Sound", "sources", "url_citation"]

_GROWING = frozenset({"text", "summary", "data"})


class ReasoningDetails:
    """OpenRouter's `reasoning_details`, which go back as they came (https://openrouter.ai/docs/use-cases/reasoning-tokens).

    In a stream the pieces of one detail share their type and index; in a whole answer each is one already.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._made: list[tuple[JsonObject, dict[str, list[str]]]] = []

    def add(self, details: list[Json]) -> None:
        for detail in details:
            if isinstance(detail, dict):
                self._add(detail)

    def take(self) -> list[Json]:
        """The details so far, which are then forgotten."""
        made: list[Json] = [
            {**fixed, **{name: "".join(texts) for name, texts in grown.items()}} for fixed, grown in self._made
        ]
        self._made.clear()
        return made

    def _add(self, detail: JsonObject) -> None:
        if self._whole or not self._made or not _continues(self._made[-1][0], detail):
            self._made.append(({}, {}))
        fixed, grown = self._made[-1]
        for name, value in detail.items():
            if name in _GROWING and isinstance(value, str) and not self._whole:
                grown.setdefault(name, []).append(value)
            elif name not in fixed or value:
                fixed[name] = value


def _continues(earlier: JsonObject, later: JsonObject) -> bool:
    same = earlier.get("type") == later.get("type") and earlier.get("index") == later.get("index")
    return same and not (earlier.get("id") and later.get("id") and earlier["id"] != later["id"])


class Sound:
    """A spoken answer (https://platform.openai.com/docs/guides/audio): base64 in pieces that each stand alone or not.

    What is said is the part's transcript and no text of the answer, which would go back a second time beside the sound.
    """

    def __init__(self) -> None:
        self._id: str | None = None
        self._data: list[bytes] = []
        self._rest = ""
        self._said: list[str] = []

    def add(self, audio: JsonObject) -> None:
        identity, data, said = audio.get("id"), audio.get("data"), audio.get("transcript")
        self._id = self._id or (identity if isinstance(identity, str) and identity else None)
        if isinstance(data, str) and data:
            self._decode(data)
        if isinstance(said, str):
            self._said.append(said)

    def part(self, provider: str) -> AudioPart | None:
        if self._rest:
            self._data.append(_decoded(self._rest + "=" * (-len(self._rest) % 4)))
            self._rest = ""
        data = b"".join(self._data)
        said = "".join(self._said)
        if not (data or said or self._id):
            return None
        state = None if self._id is None else ProviderState(provider, {"id": self._id})
        return AudioPart(data=data or None, media_type=sniff_sound(data), transcript=said or None, state=state)

    def _decode(self, piece: str) -> None:
        text = self._rest + piece
        whole = len(text) if text.endswith("=") else len(text) - len(text) % 4
        self._data.append(_decoded(text[:whole]))
        self._rest = text[whole:]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):  # what is no base64 is no sound either
        return b""


def url_citation(annotation: JsonObject, provider: str) -> Citation | None:
    """A `url_citation` as OpenAI, OpenRouter and Perplexity write it; None for an annotation of another kind."""
    found = annotation.get("url_citation")
    if annotation.get("type") != "url_citation":
        return None
    said = found if isinstance(found, dict) else annotation
    return Citation(
        url=_word(said.get("url")),
        title=_word(said.get("title")),
        quote=_word(said.get("content")),
        start=_count(said.get("start_index")),
        end=_count(said.get("end_index")),
        state=ProviderState(provider, annotation),
    )


def sources(answer: JsonObject, provider: str) -> Iterator[Citation]:
    """What an answer names as its sources beside the message: `search_results`, or bare addresses in `citations`."""
    told: dict[str, Citation] = {}
    for name in ("search_results", "citations"):
        entries = answer.get(name)
        for entry in entries if isinstance(entries, list) else ():
            result: JsonObject = entry if isinstance(entry, dict) else {"url": entry}
            url = _word(result.get("url"))
            if url is not None and url not in told:
                state = ProviderState(provider, result) if isinstance(entry, dict) else None
                quote = _word(result.get("snippet")) or _word(result.get("content"))
                told[url] = Citation(url=url, title=_word(result.get("title")), quote=quote, state=state)
    yield from told.values()


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None
