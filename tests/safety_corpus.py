"""The labelled texts of the corpora: how they are divided, and what a classifier is worth on them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ordinary_corpus import LEARNED, drawn

from unified_api.safety.local import LocalGuard
from unified_api.safety.texts import cut

__all__ = [
    "CATEGORIES",
    "LETTERS",
    "Count",
    "Labelled",
    "alarms",
    "counts",
    "divided",
    "in_pieces",
    "injections",
    "measured",
]

LETTERS = {"harassment": "HR", "hate": "H", "hate/threatening": "H2", "self-harm": "SH", "violence": "V"}
"""Category -> its key in the set. S and S3 have no unsafe text in this copy, V2 too few to learn from."""
CATEGORIES = tuple(LETTERS)
ALL_LETTERS = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")
SET = "misc/safety/openai_moderation_no_sexual.jsonl"

Scores = Callable[[str], Mapping[str, float]]


@dataclass(frozen=True)
class Labelled:
    text: str
    labels: Mapping[str, bool | None]
    """None: nobody has said."""
    unsafe: bool | None
    """For anything at all; None where what is labelled is safe and something is not labelled."""


@dataclass
class Count:
    """How the verdicts of one category turned out."""

    hits: int = 0
    false_alarms: int = 0
    missed: int = 0
    rightly_silent: int = 0

    def add(self, *, truth: bool, said: bool) -> None:
        if truth:
            self.hits, self.missed = self.hits + said, self.missed + (not said)
        else:
            self.false_alarms, self.rightly_silent = self.false_alarms + said, self.rightly_silent + (not said)

    @property
    def precision(self) -> float:
        return self.hits / max(1, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        return self.hits / max(1, self.hits + self.missed)

    @property
    def alarm_rate(self) -> float:
        """The share of safe texts that were called unsafe."""
        return self.false_alarms / max(1, self.false_alarms + self.rightly_silent)


def divided(root: Path) -> tuple[list[Labelled], list[Labelled]]:
    """The texts to learn from and those held out; the words of a text decide, so that copies stay together."""
    learned: list[Labelled] = []
    held_out: list[Labelled] = []
    seen: set[str] = set()
    for line in (root / SET).read_text("utf-8").splitlines():
        row = json.loads(line)
        words = _words(row["prompt"])
        if words not in seen:
            seen.add(words)
            (learned if drawn(words) % 100 < LEARNED else held_out).append(_labelled(row))
    return learned, held_out


def injections(root: Path) -> list[str]:
    """What users say to turn a model against its instructions."""
    rows = json.loads((root / "misc/safety/purplellama_prompt_injection.json").read_text("utf-8"))
    return [row["user_input"] for row in rows]


def in_pieces(scores: Scores, *, size: int = LocalGuard.longest, overlap: int = 100) -> Scores:
    """As the layer judges a longer text: piece by piece, the worst one counting."""

    def worst(text: str) -> Mapping[str, float]:
        each = [scores(text[start:end]) for start, end in cut(text, size, overlap)]
        return {name: max(one[name] for one in each) for name in CATEGORIES}

    return worst


def alarms(scores: Scores, thresholds: Mapping[str, float], texts: Iterable[str]) -> int:
    """How many of the texts are called unsafe."""
    return sum(any(scores(text)[name] >= least for name, least in thresholds.items()) for text in texts)


def counts(scores: Scores, thresholds: Mapping[str, float], texts: Iterable[Labelled]) -> dict[str, Count]:
    """Category, or `any`, -> how the verdicts turned out on the texts that are labelled for it."""
    found = {name: Count() for name in (*CATEGORIES, "any")}
    for one in texts:
        scored = scores(one.text)
        hit = {name: scored[name] >= thresholds[name] for name in CATEGORIES}
        for name, truth in one.labels.items():
            if truth is not None:
                found[name].add(truth=truth, said=hit[name])
        if one.unsafe is not None:
            found["any"].add(truth=one.unsafe, said=any(hit.values()))
    return found


def measured(scores: Scores, thresholds: Mapping[str, float], texts: Iterable[Labelled]) -> Iterator[str]:
    """Precision and recall by category, with what they were counted from."""
    for name, count in counts(scores, thresholds, texts).items():
        yield (
            f"{name:17} precision {count.precision:.2f} ({count.hits} of {count.hits + count.false_alarms} alarms), "
            f"recall {count.recall:.2f} ({count.hits} of {count.hits + count.missed} unsafe texts), "
            f"{count.rightly_silent + count.false_alarms} safe"
        )


def _labelled(row: Mapping[str, object]) -> Labelled:
    labels = {name: bool(row[key]) if key in row else None for name, key in LETTERS.items()}
    known = [bool(row[key]) for key in ALL_LETTERS if key in row]
    unsafe = True if any(known) else False if len(known) == len(ALL_LETTERS) else None
    return Labelled(str(row["prompt"]), labels, unsafe)


def _words(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()
