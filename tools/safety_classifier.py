"""Trains the local safety classifier: writes `unified_api/safety/classifier.weights`, prints what it is worth.

    python tools/safety_classifier.py FOLDER

FOLDER holds OpenAI's moderation evaluation set (github.com/openai/moderation-api-release, MIT) in `misc/safety`,
and ordinary answers, tasks and documents in the other folders, which are taken to be safe. Needs numpy and the extra
`local`: the word vectors of the package `wordllama` (MIT) tell it of words that the few hundred texts do not hold.
Three fifths of the texts, chosen by a hash of their words, are learned from, thresholds included; the rest is only
measured on, here and in `benchmarks/drill_safety.py`. A category that a text has no label for is unknown, not 0.

Of the ordinary texts, pieces are learned from: some at first, then those that the weights so far mistake most. Others
of them choose the thresholds: where precision and recall are best together, or higher, where in a category more than
MOST_ALARMS of the ordinary texts of a kind would be called unsafe.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from ordinary_texts import names_in_patterns, sentences

from unified_api.safety.classifier import Classifier, pieces_of, words_of
from unified_api.safety.local import LocalGuard
from unified_api.safety.texts import cut
from unified_api.settings import SafetySettings

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))  # behind the packages: tests/ has folders of the same names

from ordinary_corpus import CALIBRATED, KINDS, Ordinary, drawn, ordinary  # noqa: E402  # the line above finds it
from safety_corpus import CATEGORIES, Labelled, alarms, divided, in_pieces, measured  # noqa: E402

Matrix: TypeAlias = NDArray[np.float64]

OUT = ROOT / "unified_api" / "safety" / "classifier.weights"
BITS = 15
FOLDS = 5
POSITIVES = 4.0
"""How much more an unsafe text counts than a safe one, of which there are many more."""
RIDGE = 0.1
VECTORS = 1.0
"""How much the words' meanings count beside their pieces."""
CALM_PIECES = 120
CALM_WORDS = 12
"""What a text is taken to hold besides its own: pieces and words that say nothing."""
FIRST = 600
MISTAKEN = 100
ROUNDS = 2
"""Ordinary pieces that are learned from at first, and those added by each category in each round."""
MOST_ALARMS = 0.002
"""The share of ordinary texts of a kind that each category may call unsafe, where thresholds are chosen."""
MARGIN = 0.1
"""How far above the next of them a threshold lies, in the logarithm of odds."""


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

    def vectors(self, texts: Iterable[str]) -> dict[str, Matrix]:
        """Of the common words and those of the texts."""
        return {word: self._vector(word) for word in (*self.common(), *(w for text in texts for w in words_of(text)))}

    def _vector(self, word: str) -> Matrix:
        tokens = self._tokenizer.encode(word, add_special_tokens=False).ids
        return self._table[tokens].mean(axis=0)  # type: ignore[no-any-return]  # numpy says Any of a mean


class Features:
    """Texts as the two kinds of numbers that the classifier adds up, with what it takes to go back to weights."""

    def __init__(self, texts: Sequence[str], vectors: Mapping[str, Matrix]) -> None:
        self.vectors = vectors
        said = [words_of(text) for text in texts]
        counts = [np.bincount(places_of(words), minlength=1 << BITS).astype(np.float32) for words in said]
        met = np.sum([count > 0 for count in counts], axis=0, dtype=float)
        self.rarity = np.log((len(texts) + 1) / (met + 1)) * (met > 0)
        self.pieces = np.stack([count / np.sqrt(count.sum() + CALM_PIECES) for count in counts])
        self.pieces *= self.rarity.astype(np.float32)
        self.piece_scale = _scale(self.pieces)
        known = [[vectors[word] for word in words if word in vectors] for words in said]
        self.middle = np.mean([np.mean(own, axis=0) for own in known if own], axis=0)
        self.meanings = np.stack(
            [
                np.sum([vector - self.middle for vector in own] or [0 * self.middle], axis=0)
                / (len(words) + CALM_WORDS)
                for own, words in zip(known, said, strict=True)
            ]
        )
        self.meaning_scale = _scale(self.meanings)

    @cached_property
    def kernel(self) -> Matrix:
        pieces, meanings = self.pieces / np.float32(self.piece_scale), self.meanings / self.meaning_scale
        return (pieces @ pieces.T).astype(float) + VECTORS * (meanings @ meanings.T)

    def weights(self, rows: NDArray[np.int64], dual: Matrix) -> tuple[Matrix, dict[str, float]]:
        """Of every piece and of every word, from the weights of the texts in `rows`."""
        pieces = (dual @ self.pieces[rows]) * self.rarity / self.piece_scale**2
        direction = VECTORS * (self.meanings[rows].T @ dual) / self.meaning_scale**2
        values = (np.stack(list(self.vectors.values())) - self.middle) @ direction
        return pieces, dict(zip(self.vectors, values.tolist(), strict=True))


def _scale(rows: NDArray[np.floating]) -> float:
    return float(np.sqrt((rows.astype(float) ** 2).sum(axis=1).mean()))


def fitted(kernel: Matrix, truth: Matrix, rows: NDArray[np.int64]) -> tuple[Matrix, float]:
    """Logistic regression with a kernel by Newton's steps: the weight of each text of `rows`, and the bias."""
    kernel, truth = kernel[np.ix_(rows, rows)], truth[rows]
    dual, bias = np.zeros(len(rows)), 0.0
    counts = np.where(truth > 0, POSITIVES, 1.0)
    for _ in range(8):
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
        self._words = [words_of(piece) for piece in pieces_judged(text)]
        self._places = [places_of(words).astype(np.uint16) for words in self._words]

    def value(self, pieces: Matrix, words: Mapping[str, float]) -> float:
        """The worst one's, without the bias."""
        return max(
            float(pieces[places].sum() / (len(places) + CALM_PIECES) ** 0.5)
            + sum(words.get(word, 0.0) for word in said) / (len(said) + CALM_WORDS)
            for said, places in zip(self._words, self._places, strict=True)
        )


def pieces_judged(text: str) -> list[str]:
    return [text[start:end] for start, end in cut(text, LocalGuard.longest, SafetySettings().overlap)]


@cache
def _places(word: str) -> tuple[int, ...]:
    return tuple(zlib.crc32(piece) & ((1 << BITS) - 1) for piece in pieces_of(word))


def places_of(words: Sequence[str]) -> NDArray[np.int64]:
    return np.array([place for word in words for place in _places(word)], dtype=np.int64)


class Model:
    """The weights of one category, and which texts they were fitted to."""

    def __init__(self, features: Features, truth: Matrix, rows: NDArray[np.int64]) -> None:
        dual, self.bias = fitted(features.kernel, truth, rows)
        self.pieces, self.words = features.weights(rows, dual)

    def values(self, spans: Iterable[Spans]) -> Matrix:
        return np.array([one.value(self.pieces, self.words) + self.bias for one in spans])


class Lesson:
    """What is learned from: the labelled texts, and ordinary pieces, some of them only once they were mistaken."""

    def __init__(self, labelled: Sequence[Labelled], pieces: Sequence[str], others: Sequence[str]) -> None:
        self._labelled = labelled
        self._vectors = Words().vectors([one.text for one in labelled])
        self._calm = [*pieces]
        self._others = dict.fromkeys(others)
        self._spans = {piece: Spans(piece) for piece in others}

    def refresh(self) -> None:
        self.features = Features([*(one.text for one in self._labelled), *self._calm], self._vectors)

    def truth(self, name: str) -> tuple[Matrix, NDArray[np.int64]]:
        """Of every text, and the rows of those of which it is known."""
        labels = [*(one.labels[name] for one in self._labelled), *(False for _ in self._calm)]
        known = np.array([row for row, label in enumerate(labels) if label is not None])
        return np.array([float(label or False) for label in labels]), known

    def model(self, name: str, *, without: NDArray[np.bool_] | None = None) -> Model:
        truth, rows = self.truth(name)
        if without is not None:
            rows = rows[~np.concatenate([without, np.zeros(len(self._calm), bool)])[rows]]
        return Model(self.features, truth, rows)

    def learn_mistakes(self, models: Iterable[Model]) -> None:
        """Add the ordinary pieces that look most unsafe to each of the models."""
        for model in models:
            values = model.values(self._spans[piece] for piece in self._others)
            worst = np.argsort(-values, kind="stable")[:MISTAKEN]
            others = list(self._others)
            for piece in (others[place] for place in worst):
                self._calm.append(piece)
                del self._others[piece]
        self.refresh()


def best_threshold(values: Matrix, truth: Matrix) -> float:
    """The value from which on precision and recall are best together (F1), half-way to the next lower one."""
    order = np.argsort(-values)
    hits = np.cumsum(truth[order])
    score = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    best = int(score[:-1].argmax())
    return float((values[order[best]] + values[order[best + 1]]) / 2)


def calm_threshold(values: Matrix) -> float:
    """Just above all but the few of these that may be called unsafe."""
    return float(np.sort(values)[-1 - int(MOST_ALARMS * len(values))]) + MARGIN


def threshold(lesson: Lesson, name: str, labelled: Sequence[Labelled], calm: Mapping[str, Sequence[Spans]]) -> float:
    folds = np.array([drawn("fold" + one.text) % FOLDS for one in labelled])
    spans = [Spans(one.text) for one in labelled]
    truth, known = lesson.truth(name)
    known = known[known < len(labelled)]
    values = np.zeros(len(labelled))
    for fold in range(FOLDS):
        mine = known[folds[known] == fold]
        values[mine] = lesson.model(name, without=folds == fold).values(spans[row] for row in mine)
    model = lesson.model(name)
    return max(best_threshold(values[known], truth[known]), *(calm_threshold(model.values(s)) for s in calm.values()))


def trained(labelled: Sequence[Labelled], texts: Sequence[Ordinary]) -> bytes:
    """The weights, as `Classifier` reads them."""
    pool = dict.fromkeys(piece for one in texts if one.part < CALIBRATED for piece in pieces_judged(one.text))
    first = sorted(pool, key=drawn)[:FIRST]
    others = dict.fromkeys([*names_in_patterns(), *pool])
    lesson = Lesson(labelled, [*sentences(), *first], [piece for piece in others if piece not in first])
    lesson.refresh()
    for _ in range(ROUNDS):
        lesson.learn_mistakes([lesson.model(name) for name in CATEGORIES])
    calm = {kind: [Spans(one.text) for one in texts if one.kind == kind and one.part >= CALIBRATED] for kind in KINDS}
    models = [lesson.model(name) for name in CATEGORIES]
    least = [threshold(lesson, name, labelled, calm) for name in CATEGORIES]
    return _packed(
        np.stack([model.pieces for model in models], axis=1),
        [model.words for model in models],
        [model.bias for model in models],
        [1 / (1 + np.exp(-one)) for one in least],
    )


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
        "calm": [CALM_PIECES, CALM_WORDS],
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
    weights = trained(learned, calm)
    OUT.write_bytes(weights)
    _tell(f"{OUT.name}: {len(weights):,} bytes")
    classifier = Classifier(weights)
    _tell("thresholds:", {name: round(value, 3) for name, value in classifier.thresholds.items()})
    report(classifier, learned, "learned from (says nothing of its worth):")
    report(classifier, held_out, "held out:")
    for kind in KINDS:
        texts = [one.text for one in more_calm if one.kind == kind]
        false = alarms(in_pieces(classifier.scores), classifier.thresholds, texts)
        _tell(f"ordinary {kind}, held out: {false} of {len(texts)} called unsafe")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
