"""The ordinary texts of the corpora, taken to be safe: what models answered, what people asked, documents and JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["CALIBRATED", "KINDS", "LEARNED", "Ordinary", "drawn", "ordinary"]

LEARNED = 60
"""Percent of the texts that anything is learned from."""
CALIBRATED = 40
"""Percent from which on thresholds are chosen by them, and weights are not."""
LONGEST = 3_000
"""What of a text is looked at: some twenty pieces."""
KINDS = ("answers", "requests", "documents")
_SAID = {"content", "text", "thinking", "reasoning", "reasoning_content", "arguments", "partial_json", "input", "args"}
_ASKED = {"user_request", "question"}
_PLANS = ("plans/requests_*.jsonl", "plans/gold_*.jsonl", "routing/*.jsonl")
_DOCUMENTS = ("misc/workflows/*.jsonl", "misc/pii/*.jsonl", "plans/tool_desc_*.json", "plans/llm_json_text.jsonl")


@dataclass(frozen=True)
class Ordinary:
    text: str
    kind: str
    """One of KINDS."""
    part: int
    """From 0 to 99, by its letters alone, so that copies and other numbers stay together."""


@cache
def ordinary(root: Path) -> tuple[list[Ordinary], list[Ordinary]]:
    """The texts to learn from and those held out."""
    texts: dict[str, Ordinary] = {}
    for kind, text in _all(root):
        letters = re.sub(r"[\W\d_]+", " ", text.lower()).strip()
        if letters:
            texts.setdefault(letters, Ordinary(text[:LONGEST], kind, drawn(letters) % 100))
    parts: tuple[list[Ordinary], list[Ordinary]] = ([], [])
    for letters in sorted(texts):
        parts[texts[letters].part >= LEARNED].append(texts[letters])
    return parts


def drawn(words: str) -> int:
    """A number that only the words decide."""
    return int(hashlib.sha256(words.encode()).hexdigest(), 16)


def _all(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "wire").glob("*-*.json")):
        row = json.loads(path.read_text("utf-8"))
        if "-moderations-" not in path.name and row["response"]["status"] == 200:
            yield from (("answers", text) for text in _answered(row["response"]))
    for path in _files(root, _PLANS):
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            yield from (("requests", row[key]) for key in sorted(_ASKED & row.keys()) if isinstance(row[key], str))
    for path in _files(root, _DOCUMENTS):
        yield from (("documents", text) for text in _written(path))


def _files(root: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def _written(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]:
        row = json.loads(line)
        text = row.get("text") or row.get("definition") or row
        yield text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)


def _answered(response: dict[str, Any]) -> Iterator[str]:
    """The words of an answer; those of a stream put together again, each kind of them for itself."""
    text = response.get("body_text")
    if not isinstance(text, str):
        yield from (words for _, words in _said(response.get("body")))
        return
    together: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        for key, words in _said(_parsed(line.removeprefix("data:"))):
            together[key].append(words)
    if not together:
        yield from (words for _, words in _said(_parsed(text)))
    yield from map("".join, together.values())


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _said(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """The strings under the keys of words, and what tools are called with, as JSON."""
    if isinstance(value, str):
        if key in _SAID:
            yield key, value
    elif key in {"input", "args"} and isinstance(value, dict):
        yield key, json.dumps(value, ensure_ascii=False)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _said(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _said(inner, key)
