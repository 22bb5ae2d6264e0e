"""Static sentence embeddings: the mean of the words' vectors, read from the files inside the package `wordllama`.

The vectors are WordLlama's `l2_supercat` table of 256 dimensions (https://github.com/dleemiller/WordLlama, MIT). The
package itself is not imported: its loader asks the network even when its files are there, and it configures logging.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified_api.errors import ConfigurationError, InvalidRequestError, UnsupportedParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DIMENSIONS", "Embedder", "Embeddings", "files"]

DIMENSIONS = (256, 128, 64)
"""The table is trained so that its first 128 or 64 dimensions stand alone."""

_TABLE = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_BLOCK = 8192
"""Tokens gathered at once, 4 MB of them."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Unit vectors in the order of the texts, and the tokens that were read."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int


def files() -> tuple[Path, Path] | None:
    """Where the table and the tokenizer lie, or None when the package is not installed; nothing is imported."""
    spec = importlib.util.find_spec("wordllama")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        table, tokenizer = Path(folder) / _TABLE, Path(folder) / _TOKENIZER
        if table.is_file() and tokenizer.is_file():
            return table, tokenizer
    return None


class Embedder:
    """The table and its tokenizer, loaded. Blocks for well under a millisecond a sentence; thread-safe."""

    def __init__(self) -> None:
        paths = files()
        if paths is None:
            raise _not_installed("the package wordllama is not there or has no files")
        try:
            import tokenizers

            self._table = _read_table(paths[0])
            self._tokenizer = tokenizers.Tokenizer.from_file(str(paths[1]))
        except ImportError as error:
            raise _not_installed(str(error)) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
        """One unit vector a text.

        Raises InvalidRequestError for an empty text or one that is not Unicode, UnsupportedParameterError for
        `dimensions` that are not in `DIMENSIONS`.
        """
        size = _checked(dimensions)
        ids = [self._ids(place, text) for place, text in enumerate(texts)]
        return Embeddings(tuple(self._mean(each, size) for each in ids), sum(map(len, ids)))

    def _ids(self, place: int, text: str) -> list[int]:
        try:
            # One by one: a batch starts threads that make a later fork complain.
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        except (TypeError, UnicodeEncodeError):
            ids = []
        if not ids:
            message = (
                f"inputs[{place}] is {text[:40]!r}: an embedding needs a text that is not empty and is valid Unicode"
            )
            raise InvalidRequestError(message, provider="local", param="inputs")
        return ids

    def _mean(self, ids: list[int], size: int) -> tuple[float, ...]:
        import numpy as np

        total = np.zeros(size)
        for start in range(0, len(ids), _BLOCK):
            total += self._table[ids[start : start + _BLOCK], :size].sum(axis=0, dtype=np.float64)
        return tuple((total / (np.linalg.norm(total) or 1.0)).tolist())


def _not_installed(reason: str) -> ConfigurationError:
    message = f"the local embeddings cannot be loaded ({reason}): pip install 'meta-orchestrator[local]'"
    return ConfigurationError(message, provider="local")


def _checked(dimensions: int | None) -> int:
    if dimensions is None or dimensions in DIMENSIONS:
        return dimensions or DIMENSIONS[0]
    message = f"dimensions is {dimensions!r}: the local embeddings have {', '.join(map(str, DIMENSIONS))}"
    raise UnsupportedParameterError(message, provider="local", param="dimensions")


def _read_table(path: Path) -> NDArray[np.float16]:
    """The one tensor of a safetensors file, mapped (https://github.com/huggingface/safetensors#format)."""
    import numpy as np

    with path.open("rb") as source:
        (length,) = struct.unpack("<Q", source.read(8))
        header: dict[str, Any] = json.loads(source.read(length))
    facts = header["embedding.weight"]
    if facts["dtype"] != "F16":
        message = f"{path} holds {facts['dtype']} vectors, F16 is expected: pip install 'meta-orchestrator[local]'"
        raise ConfigurationError(message, provider="local")
    start = 8 + length + facts["data_offsets"][0]
    return np.memmap(path, dtype="<f2", mode="r", offset=start, shape=tuple(facts["shape"]))
