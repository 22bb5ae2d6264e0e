from __future__ import annotations

import ast
import contextlib
import json

import pytest
from corpus import needs_corpora, rows
from hypothesis import given
from hypothesis import strategies as st

from planner.reading import ReadingError, read, read_json

keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
leaves = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | keys
)
documents = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
containers = documents.filter(lambda value: isinstance(value, dict | list))
prose = st.text(st.characters(exclude_characters="{}[]`:", exclude_categories=["Cs"]), max_size=80)


def dumps(document: object, *, ascii_only: bool = False) -> str:
    return json.dumps(document, ensure_ascii=ascii_only)


@given(st.text() | st.binary())
def test_reading_never_crashes_whatever_the_text(text):
    with contextlib.suppress(ReadingError):
        read_json(text)


@given(st.text(st.sampled_from("{}[]\":,'\\/*#`tn1 \n"), max_size=60))
def test_reading_never_crashes_on_pieces_of_json(text):
    with contextlib.suppress(ReadingError):
        read_json(text)


@given(documents, st.booleans())
def test_a_json_document_is_read_exactly(document, ascii_only):
    text = dumps(document, ascii_only=ascii_only)
    if isinstance(document, str) and any(sign in document for sign in "{["):
        return  # a string that holds a document is that document
    assert read_json(text) == document
    assert read_json("\ufeff\n" + text + "\n") == document
    assert read_json(text.encode()) == document


@given(containers, prose, prose, st.sampled_from(["json", "JSON", ""]), st.sampled_from([None, 2]))
def test_a_fenced_document_is_read_exactly_whatever_stands_around_it(document, before, after, language, indent):
    text = json.dumps(document, indent=indent)
    assert read_json(f"{before}\n```{language}\n{text}\n```\n{after}") == document


@given(containers.filter(bool), prose, prose)
def test_a_document_in_prose_is_read_exactly(document, before, after):
    assert read_json(f"{before}\n\n{dumps(document)}\n\n{after}") == document
    assert read_json(f"{before} Here it is: {dumps(document)}\n{after}") == document


@given(containers)
def test_a_document_wrapped_in_a_string_is_read_exactly(document):
    assert read_json(dumps(dumps(document))) == document


@given(containers.filter(lambda value: len(json.dumps(value)) > 4), st.data())
def test_a_cut_document_is_never_completed(document, data):
    text = dumps(document)
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    with pytest.raises(ReadingError):
        read_json(cut)


@given(
    st.text(st.characters(exclude_characters="{}[]", exclude_categories=["Cs"])).filter(lambda text: "\x00" not in text)
)
def test_a_text_without_brackets_gives_only_what_it_is_itself(text):
    try:
        value = read_json(text)
    except ReadingError:
        return
    assert value == json.loads(text.strip("\ufeff \t\r\n\f\v"))
    assert not isinstance(value, dict | list)


simple = st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), max_size=8)
plain_documents = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | simple,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(simple, inner, min_size=1, max_size=3),
).filter(lambda value: isinstance(value, dict | list))


@given(plain_documents)
def test_a_document_in_pythons_spelling_is_read_as_python_reads_it(document):
    assert read_json(f"Sure:\n{document!r}") == ast.literal_eval(repr(document))


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{\n  // the first\n  "a": 1, # the second\n  /* b */ "b": 2\n}', {"a": 1, "b": 2}),
        ('{"a": "two\nlines\tand a tab"}', {"a": "two\nlines\tand a tab"}),
        ('{"a": 1}}', {"a": 1}),
        ("{'a': 'it\\'s', 'b': None, 'c': True}", {"a": "it's", "b": None, "c": True}),
        (r'{"pattern": "\d+\.\w"}', {"pattern": r"\d+\.\w"}),
        ('{"url": "https://a.b//c", "n": "# no comment"}', {"url": "https://a.b//c", "n": "# no comment"}),
        ('```json\n{"prompt": "Write\\n```python\\nx = 1\\n```"}\n```', {"prompt": "Write\n```python\nx = 1\n```"}),
        ('[[ ## plan ## ]]\n{"steps": []}\n\n[[ ## completed ## ]]', {"steps": []}),
        ('As [1] and [2] say, {"a": 1} holds.', {"a": 1}),
        ('{"a": "\\ud83d\\ude00",}', {"a": "\U0001f600"}),
    ],
)
def test_common_damage_is_forgiven(text, document):
    assert read_json(text) == document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I cannot make a plan for this.",
        "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]",
        "As [1] says, sets such as {1, 2} and {} are fine [citation needed].",
        "{{ steps.a.output }}",
        "{ color: red }",
        "if (x) { return [1, 2]; }",
        '{"steps": [{"id": "a"} {"id": "b"}]}',
        '{"steps": [{"id": "a"}, {"id": "b"',
        '{"steps": [{"id": "a"}], "outputs": ',
        '{"a": 1, "a": 2}',
        'name": "Alice", "address": {"city": "Rome"}}',
        '"a"}, {"id": "b"}], "outputs": {}}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": -Infinity}',
        '{"a": ' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 50_000,
        "[/*" * 30_000,
        b"\xff\xfe{}",
    ],
)
@pytest.mark.timeout(10)
def test_what_holds_no_document_is_refused(text):
    with pytest.raises(ReadingError):
        read_json(text)


def test_a_piece_of_a_broken_document_is_not_taken_for_the_document():
    text = 'The plan:\n{"steps": [{"id": "a", "kind": "llm"}, oops {"id": "b"}]}'
    with pytest.raises(ReadingError, match="broken at line 2"):
        read_json(text)


def test_a_cut_document_says_that_it_is_cut():
    with pytest.raises(ReadingError) as caught:
        read_json('{"steps": [{"id": "a"},')
    assert caught.value.truncated


def test_a_document_given_twice_is_read_once():
    reading = read('{"steps": [1]}{"steps": [1]}')
    assert reading.value == {"steps": [1]}
    assert reading.notes == ("the same document stands 2 times in the answer",)


def test_the_first_of_two_different_documents_is_taken_and_said():
    reading = read('{"steps": [1]}\n{"steps": [2]}')
    assert reading.value == {"steps": [1]}
    assert "2 different documents; number 1 was taken" in reading.notes[0]


def test_a_fenced_document_is_preferred_to_one_in_the_prose():
    reading = read('For {"a": 1} the answer is\n```json\n{"b": 2}\n```')
    assert reading.value == {"b": 2}


def test_the_wanted_one_of_several_documents_is_preferred():
    text = '```json\n{"thought": "split it"}\n```\n{"steps": []}'
    assert read(text, wanted=lambda value: isinstance(value, dict) and "steps" in value).value == {"steps": []}


def test_what_was_forgiven_is_said():
    assert read("{'a': True,}").notes == ("the JSON had Python's True, False or None, a trailing comma, single quotes",)


def test_a_clean_document_needs_no_note():
    assert read('{"a": 1}').notes == ()


@needs_corpora
def test_real_answers_give_the_document_they_hold_and_no_other():
    seen = {"document": 0, "none": 0}
    for row in rows("plans/llm_json_text.jsonl"):
        expected = judged(row["text"])
        seen["document" if expected is not None else "none"] += 1
        if expected is None:
            with pytest.raises(ReadingError):
                read_json(row["text"])
        else:
            assert read_json(row["text"]) == expected[0], row["id"]
    assert seen["document"] >= 100


def judged(text: str) -> tuple[object] | None:
    """Another, cruder reading: the longest stretch of the text that is JSON, when it is an object or a list."""
    best: tuple[int, object] | None = None
    for start, sign in enumerate(text):
        if sign not in "{[":
            continue
        for end in range(len(text), start, -1):
            if text[end - 1] not in "}]":
                continue
            try:
                value = json.loads(text[start:end])
            except ValueError:
                continue
            if best is None or end - start > best[0]:
                best = (end - start, value)
            break
        if best is not None and best[0] > len(text) // 2:
            break
    return None if best is None else (best[1],)
