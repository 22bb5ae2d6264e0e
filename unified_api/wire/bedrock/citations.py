"""Citations as Amazon Bedrock gives them beside the text that they support."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import Citation, Json, JsonObject, ProviderState, TextPart

__all__ = ["cited_blocks", "read_citation"]


def read_citation(given: JsonObject, *, provider: str, start: int | None = None, end: int | None = None) -> Citation:
    """A citation that supports the characters from `start` to `end` of its text part.

    Its `location` is a place in the source, and stays in the state.
    """
    location = given.get("location")
    web = location.get("web") if isinstance(location, dict) else None
    url = web.get("url") if isinstance(web, dict) else None
    source = given.get("source")
    if not isinstance(url, str):
        url = source if isinstance(source, str) and "://" in source else None
    title = given.get("title")
    return Citation(
        url=url,
        title=title if isinstance(title, str) and title else None,
        quote=_quote(given.get("sourceContent")),
        start=start,
        end=end,
        state=ProviderState(provider, given),
    )


def cited_blocks(part: TextPart, *, provider: str) -> Iterator[JsonObject]:
    """The text as blocks again: each piece with citations of our own as the block that it came in."""
    spans: dict[tuple[int, int], list[Json]] = {}
    loose: list[Json] = []
    for one in part.citations:
        if one.state is None or one.state.provider != provider:
            continue
        if one.start is None or one.end is None or not 0 <= one.start < one.end <= len(part.text):
            loose.append(one.state.content)
        else:
            spans.setdefault((one.start, one.end), []).append(one.state.content)
    at = 0
    for (start, end), citations in sorted(spans.items()):
        if start < at:
            loose.extend(citations)
            continue
        if part.text[at:start].strip():
            yield {"text": part.text[at:start]}
        yield {"citationsContent": {"content": [{"text": part.text[start:end]}], "citations": citations}}
        at = end
    if part.text[at:].strip():
        yield {"text": part.text[at:]}
    if loose:
        yield {"citationsContent": {"citations": loose}}


def _quote(pieces: Json) -> str | None:
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)] if isinstance(pieces, list) else []
    return "".join(text for text in texts if isinstance(text, str)) or None
