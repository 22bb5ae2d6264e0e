"""How often the semantic cache would answer rightly and wrongly, by threshold, with the local embeddings.

`python -m benchmarks.cache_similarity` needs the extra `local` and the corpora (`ORCHESTRATOR_CORPORA`). There is no
public set of real paraphrases among them, so six of the sets are made by rules, and one is of real questions:

* same: questions of HotpotQA, rewritten by rules that keep their meaning (a polite frame, other order, other verb)
* other subject: the same questions about somebody or something else, taken from another question
* opposite: the same questions with one word turned (older, younger; first, last)
* other task: requests of TaskBench with one word of what is to be done changed (video, audio; translate, summarize)
* swapped roles: names of the same questions as who does something and to whom it is done, and the other way round
* other person: requests of TaskBench with one pronoun of the first person turned into one of the second
* distinct: every question against the most similar of all others, as a busy cache would compare them
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from unified_api.caching.marks import marks
from unified_api.local.embedder import Embedder

CORPORA = Path(os.environ.get("ORCHESTRATOR_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
THRESHOLDS = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
_TURNED = {
    "older": "younger", "younger": "older", "first": "last", "earlier": "later", "later": "earlier", "more": "fewer",
    "larger": "smaller", "higher": "lower", "longer": "shorter", "both": "neither", "before": "after",
    "same": "different",
}  # fmt: skip
_OR = re.compile(r"^(?P<ask>.+?),? (?P<one>[A-Z][^,?]*?) or (?P<other>[A-Z][^,?]*)\?$")
_AND = re.compile(
    r"^(?P<verb>Are|Were|Do|Did|Is|Was) (?:both )?(?P<one>[A-Z][^,?]*?) and (?P<other>[A-Z][^,?]*?) "
    r"(?P<rest>(?:both|of|in|from|located|known|used|the) .+)\?$"
)
_THAT = {"Are": "are", "Were": "were", "Do": "do", "Did": "did", "Is": "is", "Was": "was"}

Pair = tuple[str, str]


def questions() -> list[str]:
    path = CORPORA / "plans" / "requests_llmcompiler_hotpotqa_comparison.jsonl"
    return list(dict.fromkeys(json.loads(line)["question"].strip() for line in path.open(encoding="utf-8")))


def same(question: str) -> Iterator[str]:
    """The question in other words."""
    yield f"Please tell me: {question}"
    yield f"I would like to know this. {question} Thank you!"
    yield question.rstrip("?")
    if match := _OR.match(question):
        asked = match["ask"]
        yield f"Of {match['one']} and {match['other']}, {asked[0].lower()}{asked[1:]}?"
        yield f"{asked}: {match['other']} or {match['one']}?"
    if match := _AND.match(question):
        yield f"Is it true that {match['one']} and {match['other']} {_THAT[match['verb']]} {match['rest']}?"
        yield f"{match['verb']} {match['other']} and {match['one']} {match['rest']}?"


def other_subject(asked: Sequence[str]) -> Iterator[Pair]:
    """Each question that compares two, about one of its own and one of the next such question."""
    found = [(question, match) for question in asked if (match := _OR.match(question) or _AND.match(question))]
    for (question, match), (_, following) in zip(found, [*found[1:], *found[:1]], strict=True):
        yield question, question.replace(match["one"], following["one"])


def opposite(asked: Sequence[str]) -> Iterator[Pair]:
    for question in asked:
        for word, turned in _TURNED.items():
            if re.search(rf"\b{word}\b", question):
                yield question, re.sub(rf"\b{word}\b", turned, question, count=1)
                break


_OTHER_TASK = {
    "video": "audio", "audio": "video", "image": "text", "text": "image", "translate": "summarize",
    "summarize": "translate", "combine": "split", "extract": "insert", "English": "French", "noise": "music",
    "colorize": "blur", "search": "delete", "voice": "face", "article": "recipe", "transcribe": "dub",
}  # fmt: skip


def other_task() -> Iterator[Pair]:
    """Requests of TaskBench with one word of what is to be done changed."""
    path = CORPORA / "plans" / "requests_taskbench_multimedia.jsonl"
    for line in list(path.open(encoding="utf-8"))[:1500]:
        request = json.loads(line)["user_request"]
        for word, turned in _OTHER_TASK.items():
            if re.search(rf"\b{word}\b", request):
                yield request, re.sub(rf"\b{word}\b", turned, request, count=1)
                break


_DEEDS = ("Did {} inspire {}?", "Was {} founded before {} joined it?", "How did {} defeat {}?", "Why does {} pay {}?")


def swapped_roles(asked: Sequence[str]) -> Iterator[Pair]:
    """Who did something to whom, and the other way round."""
    found = [match for question in asked if (match := _OR.match(question) or _AND.match(question))]
    for place, match in enumerate(found):
        deed = _DEEDS[place % len(_DEEDS)]
        yield deed.format(match["one"], match["other"]), deed.format(match["other"], match["one"])


_PERSONS = {"my": "your", "me": "you", "I": "you", "mine": "yours"}


def other_person() -> Iterator[Pair]:
    """Requests of TaskBench about somebody else's things."""
    path = CORPORA / "plans" / "requests_taskbench_multimedia.jsonl"
    for line in list(path.open(encoding="utf-8"))[:1500]:
        request = json.loads(line)["user_request"]
        for word, turned in _PERSONS.items():
            if re.search(rf"\b{word}\b", request):
                yield request, re.sub(rf"\b{word}\b", turned, request, count=1)
                break


def main() -> None:
    asked, embedder = questions(), Embedder()

    def scores(pairs: Sequence[Pair]) -> list[tuple[float, bool, bool]]:
        """The cosine of each pair, whether both have the same marks, and whether they have the same words."""
        ones, others = (embedder.embed(texts).vectors for texts in zip(*pairs, strict=True))
        return [
            (
                sum(a * b for a, b in zip(one, other, strict=True)),
                marks(pair[0], same_words=False) == marks(pair[1], same_words=False),
                marks(pair[0], same_words=True) == marks(pair[1], same_words=True),
            )
            for one, other, pair in zip(ones, others, pairs, strict=True)
        ]

    sets = {
        "same": [(question, other) for question in asked for other in same(question)],
        "other subject": [pair for pair in other_subject(asked) if pair[0] != pair[1]],
        "opposite": list(opposite(asked)),
        "other task": list(other_task()),
        "swapped roles": [pair for pair in swapped_roles(asked) if pair[0] != pair[1]],
        "other person": list(other_person()),
        "distinct": nearest(asked, embedder),
    }
    print(f"{len(asked)} questions; " + ", ".join(f"{len(pairs)} pairs {name}" for name, pairs in sets.items()))
    print("share answered from the cache: by the vector alone / with the same marks / with the same words too")
    print("threshold  " + "".join(f"{name:>24}" for name in sets))
    scored = {name: scores(pairs) for name, pairs in sets.items()}
    for threshold in THRESHOLDS:
        cells = []
        for pairs in scored.values():
            near = [pair for pair in pairs if pair[0] >= threshold]
            shares = (len(near), sum(pair[1] for pair in near), sum(pair[2] for pair in near))
            cells.append("".join(f"{share / len(pairs):>8.1%}" for share in shares))
        print(f"{threshold:>9.2f}  " + "".join(cells))


def nearest(asked: Sequence[str], embedder: Embedder) -> list[Pair]:
    """Each question and the most similar one that is another."""
    import numpy as np

    vectors = np.array(embedder.embed(asked).vectors)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1.0)
    return [(asked[place], asked[int(other)]) for place, other in enumerate(likeness.argmax(axis=1))]


if __name__ == "__main__":
    main()
