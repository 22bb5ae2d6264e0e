"""Trains the local safety classifier: writes `unified_api/safety/classifier.weights`, prints what it is worth.

    python tools/safety_classifier.py FOLDER

FOLDER holds OpenAI's moderation evaluation set (github.com/openai/moderation-api-release, MIT) in `misc/safety`,
and tasks of every day in `plans` and `routing`, which are taken to be safe. Needs numpy and the extra `local`: the word
vectors of the package `wordllama` (MIT) tell it of words that the few hundred texts do not hold. Three fifths of the
texts, chosen by a hash of their words, are learned from, thresholds included; the rest is only measured on, here and in
`benchmarks/drill_safety.py`. A category that a text has no label for is unknown, not 0.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unified_api.safety.classifier import Classifier, pieces_of, words_of
from unified_api.safety.local import LocalGuard
from unified_api.safety.texts import cut
from unified_api.settings import SafetySettings

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))  # behind the packages: tests/ has folders of the same names

from safety_corpus import CATEGORIES, Labelled, alarms, divided, in_pieces, measured, ordinary  # noqa: E402  # the line above finds it

Matrix: TypeAlias = NDArray[np.float64]

OUT = ROOT / "unified_api" / "safety" / "classifier.weights"
BITS = 15
FOLDS = 5
POSITIVES = 4.0
"""How much more an unsafe text counts than a safe one, of which there are many more."""
RIDGE = 0.1
VECTORS = 0.3
"""How much the words' meanings count beside their pieces."""


class Words:
    """Vectors of words: the mean of their tokens' in the table of `wordllama`."""

    def __init__(self) -> None:
        import tokenizers

        from unified_api.local.embedder import files

        paths = files()
        if paths is None:
            raise SystemExit("the word vectors are missing: pip install 'meta-orchestrator[local]'")
        raw = paths[0].read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        (shape,) = (one for name, one in json.loads(raw[8 : 8 + length]).items() if name != "__metadata__")
        kind = {"F16": np.float16, "F32": np.float32}[shape["dtype"]]
        self._table = np.frombuffer(raw[8 + length :], kind).reshape(shape["shape"]).astype(float)
        self._tokenizer = tokenizers.Tokenizer.from_file(str(paths[1]))

    def common(self) -> list[str]:
        """The words that are one token, as they are written within a sentence."""
        names = (name[1:] for name in self._tokenizer.get_vocab() if name.startswith("\u2581"))
        return sorted({name.lower() for name in names if len(name) > 2 and words_of(name) == [name.lower()]})

    def vector(self, word: str) -> Matrix:
        tokens = self._tokenizer.encode(word, add_special_tokens=False).ids
        return self._table[tokens].mean(axis=0)  # type: ignore[no-any-return]  # numpy says Any of a mean


class Features:
    """Texts as the two kinds of numbers that the classifier adds up, with what it takes to go back to weights."""

    def __init__(self, texts: Sequence[str], vectors: Words) -> None:
        counts = [self._counts(text) for text in texts]
        met = np.sum([count > 0 for count in counts], axis=0)
        self.rarity = np.log((len(texts) + 1) / (met + 1)) * (met > 0)
        self.pieces = np.stack([count / np.sqrt(max(1, count.sum())) for count in counts]) * self.rarity
        self.piece_scale = _scale(self.pieces)
        vocabulary = dict.fromkeys([*vectors.common(), *(word for text in texts for word in words_of(text))])
        self.vectors = {word: vectors.vector(word) for word in vocabulary}
        means = [np.mean([self.vectors[w] for w in words_of(text)] or [np.zeros(256)], axis=0) for text in texts]
        self.middle = np.mean(means, axis=0)
        self.meanings = np.stack(means) - self.middle
        self.meaning_scale = _scale(self.meanings)

    @staticmethod
    def _counts(text: str) -> Matrix:
        return np.bincount(places_of(words_of(text)), minlength=1 << BITS).astype(float)

    @cached_property
    def kernel(self) -> Matrix:
        pieces, meanings = self.pieces / self.piece_scale, self.meanings / self.meaning_scale
        return pieces @ pieces.T + VECTORS * (meanings @ meanings.T)

    def weights(self, rows: NDArray[np.int64], dual: Matrix) -> tuple[Matrix, dict[str, float]]:
        """Of every piece and of every word, from the weights of the texts in `rows`."""
        pieces = (self.pieces[rows].T @ dual) * self.rarity / self.piece_scale**2
        direction = VECTORS * (self.meanings[rows].T @ dual) / self.meaning_scale**2
        values = (np.stack(list(self.vectors.values())) - self.middle) @ direction
        return pieces, dict(zip(self.vectors, values.tolist(), strict=True))


def _scale(rows: Matrix) -> float:
    return float(np.sqrt((rows**2).sum(axis=1).mean()))


def fitted(kernel: Matrix, truth: Matrix, rows: NDArray[np.int64]) -> tuple[Matrix, float]:
    """Logistic regression with a kernel by Newton's steps: the weight of each text of `rows`, and the bias."""
    kernel, truth = kernel[np.ix_(rows, rows)], truth[rows]
    dual, bias = np.zeros(len(rows)), 0.0
    counts = np.where(truth > 0, POSITIVES, 1.0)
    for _ in range(12):
        value = kernel @ dual + bias
        chance = 1 / (1 + np.exp(-value))
        slope = np.maximum(counts * chance * (1 - chance), 1e-6)
        target = value + (truth - chance) * counts / slope
        both = np.stack([target, np.ones(len(rows))], axis=1)
        solved = np.linalg.solve(kernel + np.diag(RIDGE / slope), both)
        bias = solved[:, 0].sum() / solved[:, 1].sum()
        dual = solved[:, 0] - bias * solved[:, 1]
    return dual, float(bias)


class Spans:
    """A text in the pieces that the layer has judged, ready to be scored by any weights."""

    def __init__(self, text: str) -> None:
        spans = cut(text, LocalGuard.longest, SafetySettings().overlap)
        self._words = [words_of(text[start:end]) for start, end in spans]
        self._places = [places_of(words) for words in self._words]

    def value(self, pieces: Matrix, words: Mapping[str, float]) -> float:
        """The worst one's, without the bias."""
        return max(
            float(pieces[places].sum() / max(1, len(places)) ** 0.5)
            + sum(words.get(word, 0.0) for word in said) / max(1, len(said))
            for said, places in zip(self._words, self._places, strict=True)
        )


def unseen(
    features: Features, spans: Sequence[Spans], truth: Matrix, rows: NDArray[np.int64], folds: NDArray[np.int64]
) -> Matrix:
    """A value for every text of `rows`, each by a model that has not seen the text."""
    kernel, values = features.kernel, np.zeros(len(rows))
    for fold in range(FOLDS):
        mine = folds[rows] == fold
        dual, bias = fitted(kernel, truth, rows[~mine])
        pieces, words = features.weights(rows[~mine], dual)
        values[mine] = [spans[row].value(pieces, words) + bias for row in rows[mine]]
    return values


def places_of(words: Sequence[str]) -> NDArray[np.int64]:
    places = [zlib.crc32(piece) & ((1 << BITS) - 1) for word in words for piece in pieces_of(word)]
    return np.array(places, dtype=np.int64)


def best_threshold(values: Matrix, truth: Matrix) -> float:
    """The value from which on precision and recall are best together (F1), half-way to the next lower one."""
    order = np.argsort(-values)
    hits = np.cumsum(truth[order])
    score = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    best = int(score[:-1].argmax())
    return float((values[order[best]] + values[order[best + 1]]) / 2)


def trained(texts: Sequence[Labelled]) -> bytes:
    """The weights, as `Classifier` reads them."""
    features = Features([one.text for one in texts], Words())
    spans = [Spans(one.text) for one in texts]
    folds = np.array([int(hashlib.sha256(b"fold" + one.text.encode()).hexdigest(), 16) % FOLDS for one in texts])
    columns, by_word, bias, thresholds = [], [], [], []
    for name in CATEGORIES:
        rows = np.array([place for place, one in enumerate(texts) if one.labels[name] is not None])
        truth = np.array([float(one.labels[name] or False) for one in texts])
        values = unseen(features, spans, truth, rows, folds)
        thresholds.append(1 / (1 + np.exp(-best_threshold(values, truth[rows]))))
        dual, one_bias = fitted(features.kernel, truth, rows)
        pieces, words = features.weights(rows, dual)
        columns.append(pieces)
        by_word.append(words)
        bias.append(one_bias)
    return _packed(np.stack(columns, axis=1), by_word, bias, thresholds)


def _packed(pieces: Matrix, words: list[dict[str, float]], bias: list[float], thresholds: list[float]) -> bytes:
    keyed = {zlib.crc32(pieces_of(word)[0]): [one[word] for one in words] for word in words[0]}
    keys = sorted(keyed)
    own = np.array([keyed[key] for key in keys])
    (small_pieces, of_pieces), (small_words, of_words) = _small(pieces), _small(own)
    head = {
        "categories": CATEGORIES,
        "thresholds": [round(float(one), 4) for one in thresholds],
        "bias": [round(one, 4) for one in bias],
        "of_pieces": of_pieces,
        "of_words": of_words,
        "bits": BITS,
    }
    table = b"".join(struct.pack(f"<I{len(words)}b", key, *row) for key, row in zip(keys, small_words, strict=True))
    return zlib.compress(json.dumps(head).encode() + b"\n" + small_pieces.tobytes() + table, 9)


def _small(weights: Matrix) -> tuple[NDArray[np.int8], list[float]]:
    """Weights as bytes, and what one step of each category is worth. The few very large ones are cut."""
    step = np.quantile(np.abs(weights), 0.9995, axis=0) / 127
    return np.clip(np.round(weights / step), -127, 127).astype(np.int8), [float(f"{one:.6g}") for one in step]


def report(classifier: Classifier, texts: Iterable[Labelled], title: str) -> None:
    _tell(title)
    for line in measured(in_pieces(classifier.scores), classifier.thresholds, texts):
        _tell(f"  {line}")


def _tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def main(folder: Path) -> None:
    (learned, held_out), (calm, more_calm) = divided(folder), ordinary(folder)
    _tell(f"learned from: {len(learned)} labelled and {len(calm)} ordinary texts; {len(held_out)} labelled held out")
    _tell("labelled unsafe:", dict(Counter(name for one in learned for name, hit in one.labels.items() if hit)))
    weights = trained([*learned, *calm])
    OUT.write_bytes(weights)
    _tell(f"{OUT.name}: {len(weights):,} bytes")
    classifier = Classifier(weights)
    _tell("thresholds:", {name: round(value, 3) for name, value in classifier.thresholds.items()})
    report(classifier, learned, "learned from (says nothing of its worth):")
    report(classifier, held_out, "held out:")
    false = alarms(in_pieces(classifier.scores), classifier.thresholds, [one.text for one in more_calm])
    _tell(f"ordinary texts, held out: {false} of {len(more_calm)} called unsafe")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
