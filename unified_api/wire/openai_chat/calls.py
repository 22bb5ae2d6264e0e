"""Which tool call a piece of an answer belongs to."""

from __future__ import annotations

from unified_api.types import Json, JsonObject, ProviderState, ToolCallChunk
from unified_api.wire.openai_chat.words import arguments_text, call_state, called

__all__ = ["ToolCallReader"]


class ToolCallReader:
    """The tool calls seen so far, and which of them a new piece belongs to.

    In a whole answer each entry is a call. In a stream the `index` decides where there is one; where it is missing
    (Mistral) or always 0 (some proxies send parallel calls so), a new id does. An empty id belongs to the call before;
    one that another call has already is none, so that each result answers one call.
    """

    def __init__(self, provider: str, *, whole: bool) -> None:
        self.named = False
        self._provider = provider
        self._whole = whole
        self._ids: list[str] = []
        self._by_id: dict[str, int] = {}
        self._names: list[str] = []
        self._places: dict[int, int] = {}

    def read(self, delta: JsonObject) -> list[ToolCallChunk]:
        entries = delta.get("tool_calls")
        if not isinstance(entries, list) or not entries:
            entries = [{"index": 0, "function": delta.get("function_call")}]
        chunks = [self._read_entry(entry) for entry in entries if isinstance(entry, dict)]
        return [chunk for chunk in chunks if chunk is not None]

    def _read_entry(self, entry: JsonObject) -> ToolCallChunk | None:
        function = called(entry) or {}
        identity, name = _word(entry.get("id")), _word(function.get("name"))
        place = self._open() if self._whole else self._place(entry.get("index"), identity, name)
        if self._whole and not name:  # Snowflake sends an empty `function_call` with every message
            return None
        arguments = arguments_text(function.get("arguments"))
        first_id = "" if self._ids[place] or identity in self._by_id else identity
        first_name = "" if self._names[place] else name
        held = call_state(entry)
        if not (first_id or first_name or arguments or held):
            return None
        # It comes once: with the name, or on a piece of its own.
        state = ProviderState(self._provider, held) if held and (first_name or "extra_content" in held) else None
        if first_id:
            self._ids[place] = first_id
            self._by_id[first_id] = place
        self._names[place] = self._names[place] or name
        self.named = self.named or bool(name)
        return ToolCallChunk(place, first_id or None, first_name or None, arguments, state)

    def _place(self, index: Json, identity: str, name: str) -> int:
        if type(index) is int:
            place = self._places.get(index)
            if place is None or (name and identity and self._ids[place] not in {"", identity}):
                place = self._places[index] = self._open()
            return place
        if identity:
            place = self._by_id.get(identity)
            return self._open() if place is None else place
        return self._open() if name or not self._ids else len(self._ids) - 1

    def _open(self) -> int:
        self._ids.append("")
        self._names.append("")
        return len(self._ids) - 1


def _word(value: Json) -> str:
    """A given id or name; Mistral's later pieces say `"null"`."""
    return value if isinstance(value, str) and value != "null" else ""
