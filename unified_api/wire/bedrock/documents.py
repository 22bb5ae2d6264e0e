"""What Converse wants around the documents of a turn."""

from __future__ import annotations

from collections.abc import Iterator

from unified_api.types import Json

__all__ = ["around_documents"]

_PLACEHOLDER = "(See the document.)"


def around_documents(blocks: list[Json]) -> list[Json]:
    """The turn, with a text where it shows documents without any, which is refused.

    A cache mark just after a document that is no PDF is refused
    (https://github.com/strands-agents/harness-sdk/issues/1966); an empty line between them is taken.
    """
    made = list(_parted(blocks))
    shown = [place for place, block in enumerate(made) if _holds(block, "document")]
    if shown and not any(_holds(block, "text") for block in blocks):
        made.insert(shown[-1] + 1, {"text": _PLACEHOLDER})
    return made


def _parted(blocks: list[Json]) -> Iterator[Json]:
    before: Json = None
    for block in blocks:
        if _holds(block, "cachePoint") and _holds(before, "document") and not _is_pdf(before):
            yield {"text": "\n"}
        yield block
        before = block


def _holds(block: Json, kind: str) -> bool:
    return isinstance(block, dict) and kind in block


def _is_pdf(block: Json) -> bool:
    document = block.get("document") if isinstance(block, dict) else None
    return isinstance(document, dict) and document.get("format") == "pdf"
