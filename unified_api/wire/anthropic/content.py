"""The parts of a message as content blocks of the Messages API."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import NoReturn

import orjson

from unified_api.errors import UnsupportedParameterError
from unified_api.types import (
    BuiltinToolPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Json,
    JsonObject,
    MediaPart,
    Part,
    ProviderState,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from unified_api.wire.base import sniff_media_type

__all__ = ["BlockWriter", "cache_control"]


def cache_control(mark: CacheMark | None) -> JsonObject:
    """The `cache_control` of a block or tool, alone in an object that is empty without a mark."""
    if mark is None:
        return {}
    return {"cache_control": {"type": "ephemeral", **({} if mark.ttl is None else {"ttl": mark.ttl})}}


class BlockWriter:
    """Writes parts for one provider and model; raises UnsupportedParameterError for what has no words here.

    What is opaque goes back to its own provider alone: other providers' state and built-in steps are left out.
    """

    def __init__(self, *, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model

    def blocks(self, parts: Iterable[Part], place: str) -> list[JsonObject]:
        return [block for part in parts for block in self._blocks(part, place)]

    def refuse(self, what: str) -> NoReturn:
        raise UnsupportedParameterError(
            what, provider=self._provider, model=f"{self._provider}/{self._model}", param="messages"
        )

    def _blocks(self, part: Part, place: str) -> Iterator[JsonObject]:
        if isinstance(part, TextPart):
            yield from self._text(part)
        elif isinstance(part, RefusalPart):
            # There is no block for it: what the model said is its text.
            yield from self._text(TextPart(part.text))
        elif isinstance(part, ToolCallPart):
            yield self._call(part)
        elif isinstance(part, ToolResultPart):
            yield self._result(part, place)
        elif isinstance(part, ReasoningPart):
            yield from self._thinking(part)
        elif isinstance(part, BuiltinToolPart):
            if part.provider == self._provider and isinstance(part.content, dict) and part.kind != "container":
                yield part.content
        else:
            yield self._media(part, place)

    def _own(self, state: ProviderState | None) -> JsonObject:
        return state.content if state is not None and state.provider == self._provider else {}

    def _text(self, part: TextPart) -> Iterator[JsonObject]:
        pieces = _readable(list(self._pieces(part)))
        for piece in pieces:
            last = piece is pieces[-1]
            yield {**piece, **(self._own(part.state) if last else {}), **(cache_control(part.cache) if last else {})}

    def _pieces(self, part: TextPart) -> Iterator[JsonObject]:
        """A block for each piece of text that citations support, and for what lies between."""
        spans: dict[tuple[int, int], list[Json]] = {}
        size = len(part.text)
        for citation in part.citations:
            if self._own(citation.state):
                start = 0 if citation.start is None else citation.start
                end = size if citation.end is None else citation.end
                spans.setdefault((start, end), []).append(self._own(citation.state))
        ordered = sorted(spans)
        edges = [edge for span in ordered for edge in span]
        if edges != sorted(edges) or not all(0 <= start < end <= size for start, end in ordered):
            # No pieces of this text: its citations support the whole of it.
            ordered, spans = [(0, size)], {(0, size): [one for found in spans.values() for one in found]}
        at = 0
        for start, end in ordered:
            if at < start:
                yield {"type": "text", "text": part.text[at:start]}
            yield {"type": "text", "text": part.text[start:end], "citations": spans[start, end]}
            at = end
        if at < size:
            yield {"type": "text", "text": part.text[at:]}

    def _call(self, part: ToolCallPart) -> JsonObject:
        block: JsonObject = {"type": "tool_use", "id": part.id, "name": part.name, "input": _arguments(part.arguments)}
        return {**block, **self._own(part.state), **cache_control(part.cache)}

    def _result(self, part: ToolResultPart, place: str) -> JsonObject:
        content: Json = part.content if isinstance(part.content, str) else [*self.blocks(part.content, place)]
        block: JsonObject = {"type": "tool_result", "tool_use_id": part.call_id, "content": content}
        if part.failed:
            block["is_error"] = True
        return {**block, **cache_control(part.cache)}

    def _thinking(self, part: ReasoningPart) -> Iterator[JsonObject]:
        # Thinking without its signature is refused, and another provider's is not for here.
        own = self._own(part.state)
        if "data" in own:
            yield {"type": "redacted_thinking", **own}
        elif own:
            yield {"type": "thinking", "thinking": part.text, **own}

    def _media(self, part: MediaPart, place: str) -> JsonObject:
        if isinstance(part, ImagePart):
            block = self._image(part, place)
        elif isinstance(part, DocumentPart):
            block = self._document(part, place)
        else:
            kind = type(part).__name__
            self.refuse(f"{place}: {self._model!r} takes no {kind}: give its words as text, or choose another model")
        return {**block, **cache_control(part.cache)}

    def _image(self, part: ImagePart, place: str) -> JsonObject:
        if part.detail not in (None, "auto"):
            self.refuse(f"{place}: {self._model!r} cannot be told the detail {part.detail!r} of an image: leave it out")
        own = dict(self._own(part.state))
        source = _file(own) or self._source(part, place, part.media_type or _sniffed(part.data))
        return {"type": "image", "source": source, **own}

    def _document(self, part: DocumentPart, place: str) -> JsonObject:
        own = dict(self._own(part.state))
        kind = part.media_type or ("application/pdf" if (part.data or b"").startswith(b"%PDF") else None)
        if part.text is not None and part.url is None and part.data is None:
            source: JsonObject = {"type": "text", "media_type": "text/plain", "data": part.text}
        elif part.data is not None and (kind or "").startswith("text/"):
            source = {"type": "text", "media_type": "text/plain", "data": self._words(part.data, place)}
        else:
            if part.data is not None and kind != "application/pdf":
                self.refuse(
                    f"{place}: {self._model!r} reads documents as PDF or plain text, not {kind!r}: convert it first"
                )
            source = _file(own) or self._source(part, place, kind)
        block: JsonObject = {"type": "document", "source": source, **own}
        if part.name is not None:
            block["title"] = part.name
        return block

    def _words(self, data: bytes, place: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.refuse(f"{place}: the document's text is not UTF-8")

    def _source(self, part: ImagePart | DocumentPart, place: str, media_type: str | None) -> JsonObject:
        what = "image" if isinstance(part, ImagePart) else "document"
        if (part.url is None) == (part.data is None):
            self.refuse(f"{place}: the {what} must have either a url or data that {self._provider!r} can read")
        if part.data is not None:
            if media_type is None:
                self.refuse(f"{place}: the {what}'s media_type is not given and its bytes do not tell it")
            encoded = base64.b64encode(part.data).decode("ascii")
            return {"type": "base64", "media_type": media_type, "data": encoded}
        url = part.url or ""
        if url.startswith("data:"):
            return self._embedded(url, place)
        if not url.startswith(("https://", "http://")):
            self.refuse(f"{place}: {self._model!r} cannot fetch {url[:80]!r}: give an https address or the data")
        return {"type": "url", "url": url}

    def _embedded(self, url: str, place: str) -> JsonObject:
        """The source that a data address (RFC 2397) holds."""
        head, comma, data = url.removeprefix("data:").partition(",")
        media_type, _, encoding = head.rpartition(";")
        if not comma or encoding != "base64" or not media_type:
            self.refuse(f"{place}: the data address {url[:40]!r} is not one of base64 with a media type")
        return {"type": "base64", "media_type": media_type.partition(";")[0], "data": data}


def _readable(pieces: list[JsonObject]) -> list[JsonObject]:
    """The pieces without blank ones, which the server refuses; the blanks go to the piece before or after them."""
    kept: list[JsonObject] = []
    lead = ""
    for piece in pieces:
        text = str(piece["text"])
        if text.strip():
            kept.append({**piece, "text": lead + text})
            lead = ""
        elif kept:
            kept[-1]["text"] = f"{kept[-1]['text']}{text}"
        else:
            lead += text
    return kept


def _file(own: JsonObject) -> JsonObject | None:
    """The source that the provider holds itself, by its id or as it gave it; taken out of the part's state."""
    if "file_id" in own:
        return {"type": "file", "file_id": own.pop("file_id")}
    source = own.pop("source", None)
    return source if isinstance(source, dict) else None


def _sniffed(data: bytes | None) -> str | None:
    return None if data is None else sniff_media_type(data)


def _arguments(text: str) -> JsonObject:
    """A call's input, which must be an object here: a model may have written something else.

    https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming tells how that is sent.
    """
    try:
        value: Json = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"INVALID_JSON": text}
    return value if isinstance(value, dict) else {"INVALID_JSON": text}
