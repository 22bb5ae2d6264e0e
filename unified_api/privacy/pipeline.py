"""A spaCy pipeline that marks the names of persons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unified_api.errors import ConfigurationError

__all__ = ["Pipeline", "Span"]

Span = tuple[int, int]

_PERSONS = frozenset({"PERSON", "PER", "PERS", "PRS", "PS", "persName"})
"""What spaCy's own pipelines call a person; PRS is the Swedish one's word, PS the Korean's, persName the Polish."""
_RULES = frozenset({"entity_ruler", "future_entity_ruler", "span_ruler"})


class Pipeline:
    """The pipeline of that name or in that folder; read from disk when it is first asked, by one thread at a time.

    Raises:
        ConfigurationError: it is not there, or does not know persons; says what to do.

    """

    def __init__(self, name: str) -> None:
        self._name = name
        if find_spec("spacy") is None:
            raise ConfigurationError(
                f"[privacy] names = {name!r} needs spaCy: run `pip install 'meta-orchestrator[names]'`"
            )
        self._source = _source(name)
        labels = _labels(name, self._source)
        if _PERSONS.isdisjoint(labels):
            marks = ", ".join(sorted(labels)) or "nothing"
            raise ConfigurationError(
                f"the spaCy pipeline {name!r} of [privacy] names marks no persons (it marks {marks}); take one with an "
                "entity recogniser that has the label PERSON or PER, such as en_core_web_sm"
            )

    def persons(self, texts: Sequence[str]) -> list[list[Span]]:
        """Where in each text there are names of persons.

        Raises:
            ConfigurationError: the pipeline cannot be loaded, or fails.

        """
        nlp = self._nlp
        try:
            with nlp.memory_zone():  # or else it would remember every word that it has ever met
                return [
                    [(one.start_char, one.end_char) for one in doc.ents if one.label_ in _PERSONS]
                    for doc in nlp.pipe(texts)
                ]
        except Exception as error:  # components may be anybody's code, and its message may hold the text
            raise ConfigurationError(
                f"the spaCy pipeline {self._name!r} of [privacy] names failed: {type(error).__name__}"
            ) from error

    @cached_property
    def _nlp(self) -> Any:
        import spacy

        try:
            nlp = spacy.load(self._source)
        except Exception as error:  # loading runs the code of whoever made the pipeline
            raise ConfigurationError(
                f"the spaCy pipeline {self._name!r} of [privacy] names cannot be loaded: {error}"
            ) from error
        nlp.select_pipes(enable=_needed(nlp))
        return nlp


def _source(name: str) -> str | Path:
    """The package of that name, or else the folder."""
    folder = Path(name).expanduser()
    spec = find_spec(name) if name.isidentifier() else None
    if spec is not None and spec.origin is not None:
        return name
    if folder.is_dir():
        return folder
    if name.isidentifier():
        mend = f"run `python -m spacy download {name}`, or give the path of a folder"
    else:
        mend = "give the name of an installed package such as en_core_web_sm, or the path of a folder"
    raise ConfigurationError(f"there is no spaCy pipeline {name!r}, which [privacy] names; {mend}")


def _labels(name: str, source: str | Path) -> frozenset[str]:
    """What its components say that they mark; read without loading it, which takes seconds."""
    spec = find_spec(source) if isinstance(source, str) else None
    folder = Path(source) if spec is None or spec.origin is None else Path(spec.origin).parent
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        return frozenset(label for labels in meta["labels"].values() for label in labels)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{name!r}, which [privacy] names, is no spaCy pipeline: its meta.json says nothing of labels; "
            "give the name of an installed pipeline such as en_core_web_sm, or a folder that `nlp.to_disk` wrote"
        ) from error


def _needed(nlp: Any) -> list[str]:
    """The components that find entities, and what they listen to; rules may ask for anything that comes before them."""
    finding = [name for name in nlp.pipe_names if _finds_entities(nlp, name)]
    if any(nlp.get_pipe_meta(name).factory in _RULES for name in finding):
        last = max(map(nlp.pipe_names.index, finding))
        return list(nlp.pipe_names[: last + 1])
    heard = [
        name
        for name in nlp.pipe_names
        if not set(finding).isdisjoint(getattr(nlp.get_pipe(name), "listening_components", ()))
    ]
    return [*heard, *finding]


def _finds_entities(nlp: Any, name: str) -> bool:
    return "doc.ents" in nlp.get_pipe_meta(name).assigns or bool(getattr(nlp.get_pipe(name), "annotate_ents", False))
