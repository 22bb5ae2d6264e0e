"""Names of persons, found by a spaCy pipeline that is made here: rules for a few names, written to a folder."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import ConfigurationError, DeadlineExceededError, NoCandidateError
from unified_api.gateway import Gateway
from unified_api.person_names import PersonNames
from unified_api.privacy.kinds import Found
from unified_api.privacy.names import beside, within_strings
from unified_api.privacy.pieces import LONGEST, joined, pieces_of
from unified_api.privacy.pipeline import Pipeline
from unified_api.settings import PrivacySettings, Settings
from unified_api.testing import ManualClock, Script, ScriptedModel, scripted_gateway
from unified_api.types import (
    BuiltinTool,
    Chunk,
    EmbedRequest,
    FinishChunk,
    Message,
    OutputSchema,
    Policy,
    Request,
    Sensitivity,
    TextChunk,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)

spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'meta-orchestrator[names]'")

NAMES = ("Anna", "Anna Lind", "Bo", "Jürgen Müller", "Lind", "Eva Maria Ma", "Maria Curie")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            *({"label": "PERSON", "pattern": name} for name in NAMES),
            {"label": "PER", "pattern": "Chidi"},
            {"label": "GPE", "pattern": "Paris"},
        ]
    )
    folder = tmp_path_factory.mktemp("pipelines") / "people"
    nlp.to_disk(folder)
    return str(folder)


def guarded(
    pipeline: str, script: Script | ScriptedModel, clearance: Sensitivity = "restricted", **more: Any
) -> Gateway:
    settings = Settings(privacy=PrivacySettings.model_validate({"detect": True, "names": pipeline} | more))
    return scripted_gateway({"scripted/one": script}, clearance=clearance, settings=settings)


def asked(text: str, **fields: Any) -> Request:
    return Request(model="scripted/one", messages=(Message.user(text),), **fields)


async def test_a_name_raises_the_label_and_bars_who_is_not_cleared(pipeline: str) -> None:
    model = ScriptedModel("fine")
    gateway = guarded(pipeline, model, "internal")
    with pytest.raises(NoCandidateError, match="cleared for internal data, and this is confidential"):
        await gateway.chat(asked("ask Anna Lind"))
    assert model.calls == 0
    assert (await gateway.chat(asked("ask somebody in Paris"))).text == "fine"


async def test_the_trail_tells_how_many_names_and_never_one(pipeline: str) -> None:
    response = await guarded(pipeline, "fine").chat(asked("Anna Lind met Chidi"))
    (note,) = [one.message for one in response.attempts if one.model == "privacy"]
    assert note == "found 2 of kind name; labelled public, so it counts as confidential"
    assert "Lind" not in repr(response.attempts)


async def test_the_label_of_names_is_what_the_settings_say(pipeline: str) -> None:
    gateway = guarded(pipeline, "fine", "internal", labels={"name": "internal"})
    assert (await gateway.chat(asked("ask Anna Lind"))).text == "fine"


async def test_names_are_replaced_and_come_back(pipeline: str) -> None:
    model = ScriptedModel("<NAME_1> and <NAME_2>, not <NAME_3>")
    response = await guarded(pipeline, model, "public", redact="placeholders").chat(
        asked("Anna Lind's mail is anna@example.com; Chidi knows ANNA  LIND's, I mean Anna Lind's")
    )
    sent = model.requests[0]
    assert isinstance(sent, Request)
    assert sent.messages == (
        Message.user("<NAME_1>'s mail is <EMAIL_1>; <NAME_2> knows ANNA  LIND's, I mean <NAME_1>'s"),
    )
    assert response.text == "Anna Lind and Chidi, not <NAME_3>"


async def test_a_part_of_a_name_is_a_name_of_its_own(pipeline: str) -> None:
    model = ScriptedModel("ok")
    await guarded(pipeline, model, "public", redact="placeholders").chat(asked("Anna Lind came. Lind left."))
    assert "<NAME_1> came. <NAME_2> left." in repr(model.requests[0])


async def test_a_name_that_the_pipeline_misses_elsewhere_is_replaced_there_too(pipeline: str) -> None:
    model = ScriptedModel("ok")
    gateway = guarded(pipeline, model, "public", redact="placeholders")
    await gateway.chat(asked("Bo came with Anna Lind. cc:Bo, cc:Anna Lind, cc:Anna; Bobby and aBo, bo and BO; Anna"))
    assert "<NAME_1> came with <NAME_2>. cc:<NAME_1>, cc:<NAME_2>, cc:<NAME_3>; Bobby and aBo, bo and BO; <NAME_3>" in (
        repr(model.requests[0])
    )


async def test_names_come_back_into_a_stream(pipeline: str) -> None:
    chunks: list[Chunk] = [TextChunk("Dear <NA"), TextChunk("ME_1>"), FinishChunk("stop")]
    gateway = guarded(pipeline, chunks, "public", redact="placeholders")
    async with gateway.stream(asked("write to Anna Lind")) as stream:
        told = [chunk async for chunk in stream]
    assert "".join(chunk.text for chunk in told if isinstance(chunk, TextChunk)) == "Dear Anna Lind"


async def test_a_stream_to_who_is_not_cleared_is_never_opened(pipeline: str) -> None:
    model = ScriptedModel("never")
    with pytest.raises(NoCandidateError):
        async with guarded(pipeline, model, "public").stream(asked("write to Anna Lind")):
            pass
    assert model.calls == 0


def everywhere() -> list[Any]:
    user = Message.user("hello")

    def chat(*messages: Message, **fields: Any) -> Request:
        return Request(model="scripted/one", messages=messages or (user,), **fields)

    schema = {"type": "object", "properties": {"to": {"type": "string", "default": "Anna Lind"}}}
    return [
        chat(Message.system("You write for Anna Lind"), user),
        chat(Message("user", (TextPart("ask Anna Li"), TextPart("nd")))),
        chat(Message("user", (TextPart("ask Anna\u200b Lind"),))),
        chat(Message("assistant", (ToolCallPart("1", "send", '{"to": "J\\u00fcrgen M\\u00fcller"}'),)), user),
        chat(Message("tool", (ToolResultPart("1", "Anna Lind called"),))),
        chat(Message("user", (TextPart("hi"),), name="Chidi")),
        chat(tools=(Tool("send", "mails Anna Lind"),)),
        chat(tools=(Tool("send", "mails", schema),)),
        chat(output_schema=OutputSchema(schema)),
        chat(builtin_tools=(BuiltinTool("scripted", {"type": "search", "user": "Anna Lind"}),)),
        chat(extra={"scripted": {"deep": [{"er": "Anna Lind"}]}}),
        chat(user="Anna Lind"),
        chat(metadata={"who": "Anna Lind"}),
        chat(stop=("Anna Lind",)),
        EmbedRequest(model="scripted/one", inputs=("x", "Anna Lind")),
    ]


@pytest.mark.parametrize("request_", everywhere(), ids=lambda request: str(request)[:90])
async def test_everything_that_leaves_is_looked_at_for_names(pipeline: str, request_: Any) -> None:
    model = ScriptedModel("never")
    gateway = guarded(pipeline, model, "public")
    with pytest.raises(NoCandidateError, match="cleared for public data"):
        await (gateway.embed(request_) if isinstance(request_, EmbedRequest) else gateway.chat(request_))
    assert model.calls == 0


async def test_what_a_name_is_cut_by_is_replaced_as_one(pipeline: str) -> None:
    model = ScriptedModel("ok")
    message = Message("user", (TextPart("ask Anna Li"), TextPart("nd now")))
    request = Request(model="scripted/one", messages=(message,), metadata={"Bo": "Bo"}, user="Anna Lind")
    with pytest.raises(NoCandidateError):  # the key stays, and it is a name
        await guarded(pipeline, model, "public", redact="placeholders").chat(request)
    await guarded(pipeline, model, redact="placeholders").chat(request)
    sent = model.requests[0]
    assert isinstance(sent, Request)
    assert sent.messages[0].parts == (TextPart("ask <NAME_1>"), TextPart(" now"))
    assert (sent.user, sent.metadata) == ("<NAME_1>", {"Bo": "<NAME_2>"})


async def test_names_that_overlap_at_the_border_of_two_parts_are_replaced_whole(pipeline: str) -> None:
    model = ScriptedModel("ok")
    message = Message("user", (TextPart("ask Eva Maria Ma"), TextPart("ria Curie now")))
    request = Request(model="scripted/one", messages=(message,))
    await guarded(pipeline, model, "public", redact="placeholders").chat(request)
    (sent,) = model.requests
    assert isinstance(sent, Request)
    assert sent.messages[0].parts == (TextPart("ask <NAME_1>"), TextPart(" now"))


async def test_arguments_in_json_stay_json(pipeline: str) -> None:
    model = ScriptedModel("ok")
    call = ToolCallPart("1", "send", '{"to":"J\\u00fcrgen M\\u00fcller","cc":["Anna Lind","Bo"]}')
    request = Request(model="scripted/one", messages=(Message("assistant", (call,)), Message.user("go on")))
    await guarded(pipeline, model, "public", redact="placeholders").chat(request)
    sent = model.requests[0]
    assert isinstance(sent, Request)
    part = sent.messages[0].parts[0]
    assert isinstance(part, ToolCallPart)
    assert json.loads(part.arguments) == {"to": "<NAME_1>", "cc": ["<NAME_2>", "<NAME_3>"]}


async def test_a_conversation_that_grows_is_read_once(pipeline: str) -> None:
    read: list[str] = []

    class Counted(Pipeline):
        def persons(self, texts: Any) -> Any:
            read.extend(texts)
            return super().persons(texts)

    names = PersonNames(Counted(pipeline))
    first = await names.of(["ask Anna Lind", "or Bo"])
    assert await names.of(["ask Anna Lind", "or Bo", "or Chidi"]) == first | {"or Chidi": [Found("name", 3, 8)]}
    assert read == ["ask Anna Lind", "or Bo", "or Chidi"]
    assert "Anna" not in repr(vars(names))


@pytest.mark.parametrize("between", [" went on. Line {}\n", " and {} ", ",{},", "; "])
async def test_a_long_text_loses_no_name_at_any_border(pipeline: str, between: str) -> None:
    text = "".join("Anna Lind" + between.format(number) for number in range(1_000))
    (spans,) = (await PersonNames(Pipeline(pipeline)).of([text])).values()
    assert len(text) > 2 * LONGEST
    assert [text[one.start : one.end] for one in spans] == ["Anna Lind"] * 1_000


@pytest.mark.parametrize(
    "text", ["half \ud83d a character, Anna Lind", "two halves \ud83d\ude00 Anna Lind", "\x00 Anna Lind"]
)
async def test_text_that_no_encoding_takes_is_read_all_the_same(pipeline: str, text: str) -> None:
    assert [text[one.start : one.end] for one in (await PersonNames(Pipeline(pipeline)).of([text]))[text]] == [
        "Anna Lind"
    ]


_FILLER = st.sampled_from(["word ", "Word. ", "line\n", "x" * 300, "次の文。", "\n\n", " " * 150])


@given(st.lists(_FILLER, min_size=1, max_size=40), st.integers(0, 3 * LONGEST), st.integers(1, 90))
def test_whatever_is_shorter_than_the_overlap_is_whole_in_some_piece(words: list[str], more: int, length: int) -> None:
    text = ("".join(words) * (4 * LONGEST))[: LONGEST + more]
    pieces = [(start, start + len(piece)) for start, piece in pieces_of(text)]
    assert all(text[start:end] == piece for (start, end), (_, piece) in zip(pieces, pieces_of(text), strict=True))
    assert all(end - start <= LONGEST for start, end in pieces)
    assert (pieces[0][0], pieces[-1][1]) == (0, len(text))
    for before, after in pairwise(pieces):
        across = range(before[1] - length + 1, min(before[1], len(text) - length + 1))
        assert all(any(low <= start and start + length <= high for low, high in (before, after)) for start in across)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda one: (one[0], one[0] + one[1])), max_size=20)
)
def test_spans_that_overlap_are_joined_and_cover_the_same(spans: list[tuple[int, int]]) -> None:
    apart = joined(spans)
    assert {place for span in apart for place in range(*span)} == {place for span in spans for place in range(*span)}
    assert all(before[1] <= after[0] for before, after in pairwise(apart))


def test_of_a_name_only_what_is_nothing_else_is_a_name() -> None:
    text = "“Anna Lind, anna@example.com”, Lind's <NAME_1> 4111 ..."
    mail = Found("email", text.index("anna@"), text.index("”"))
    spans = [Found("name", 0, text.index("4111") + 4), Found("name", text.index("..."), len(text))]
    left = beside(text, spans, [mail])
    assert [(one.kind, text[one.start : one.end]) for one in left] == [
        ("name", "Anna Lind"),
        ("email", "anna@example.com"),
        ("name", "Lind"),
    ]


def test_no_name_reaches_from_one_string_of_a_json_text_into_another() -> None:
    text = '{"to": "Anna Lind", "cc": "Bo", "more": null}'
    names = within_strings(
        text, [Found("name", 8, text.index('", "more')), Found("name", text.index("null"), len(text))]
    )
    assert [text[one.start : one.end] for one in names] == ["Anna Lind", "cc", "Bo"]


def test_the_time_to_keep_names_apart_grows_with_their_number_and_no_faster() -> None:
    def seconds(count: int) -> float:
        text = "Anna Lind anna@example.com " * count
        names = [Found("name", at * 27, at * 27 + 26) for at in range(count)]
        mails = [Found("email", at * 27 + 10, at * 27 + 26) for at in range(count)]
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            assert len(beside(text, names, mails)) == 2 * count
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(500), seconds(4_000)
    assert large < 16 * small + 0.01  # eight times for eight times the text, and room for a busy machine


LONG = "\n".join(f"{number} Anna Lind" for number in range(2_000))
"""Several times what the thread gets at once."""


class Gate:
    """Holds up the thread that finds names until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.read: list[str] = []

    def __call__(self, doc: Any) -> Any:
        if len(doc) > 3:  # not one of the pipeline's own patterns
            self.read.append(doc.text)
            self.entered.set()
            assert self.opened.wait(20)
        return doc


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


class Gated(Pipeline):
    gate: Gate

    def persons(self, texts: Any) -> Any:
        self.gate(spacy.blank("xx")(texts[0]))
        return super().persons(texts)


async def test_who_leaves_waits_for_one_batch_alone_and_the_next_is_served(pipeline: str, gate: Gate) -> None:
    gated = Gated(pipeline)
    gated.gate = gate
    names = PersonNames(gated)
    async with anyio.create_task_group() as group:
        group.start_soon(names.of, [LONG])
        await anyio.to_thread.run_sync(gate.entered.wait, 20)
        group.cancel_scope.cancel()
        gate.opened.set()
    assert len(gate.read) == 1
    assert (await names.of(["Bo"])) == {"Bo": [Found("name", 0, 2)]}


async def test_the_deadline_of_a_call_ends_the_search_and_nothing_is_sent(pipeline: str, gate: Gate) -> None:
    clock, model = ManualClock(), ScriptedModel("never")
    spacy.Language.component("gate_of_a_test", func=gate)
    nlp = spacy.load(pipeline)
    nlp.add_pipe("gate_of_a_test", first=True)
    folder = Path(pipeline).with_name("gated")
    nlp.to_disk(folder)
    settings = Settings(privacy=PrivacySettings(detect=True, names=str(folder)))
    gateway = scripted_gateway({"scripted/one": model}, clock=clock, clearance="restricted", settings=settings)
    failures: list[BaseException] = []

    async def call() -> None:
        try:
            await gateway.chat(asked(LONG), Policy(deadline_s=5))
        except DeadlineExceededError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.to_thread.run_sync(gate.entered.wait, 20)
        clock.advance(6)
        gate.opened.set()
    assert len(failures) == 1
    assert model.calls == 0
    assert 0 < sum(map(len, gate.read)) < len(LONG) / 3  # the search was left, and not only what comes after it


def _repeat(request: Any) -> str:
    (part,) = request.messages[0].parts
    assert "Lind" not in part.text
    return str(part.text)


async def test_calls_at_once_are_read_one_after_the_other(pipeline: str) -> None:
    gateway = guarded(pipeline, _repeat, "public", redact="placeholders")
    told: dict[int, str] = {}

    async def call(number: int) -> None:
        told[number] = (await gateway.chat(asked(f"{number} Anna Lind"))).text

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(call, number)
    assert told == {number: f"{number} Anna Lind" for number in range(20)}


def written(folder: Path, make: Any) -> str:
    nlp = spacy.blank("xx")
    make(nlp)
    nlp.to_disk(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_pipeline", r"no spaCy pipeline 'no_such_pipeline'.*run `python -m spacy download no_such_pipeline`"),
        ("pipelines/none", r"no spaCy pipeline 'pipelines/none'.*the path of a folder"),
        ("json", r"'json', which \[privacy\] names, is no spaCy pipeline"),
    ],
)
def test_a_pipeline_that_is_not_there_is_refused_before_any_call(name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        guarded(name, "never")


def test_a_pipeline_that_marks_no_persons_is_refused(tmp_path: Path) -> None:
    blank = written(tmp_path / "blank", lambda nlp: None)
    with pytest.raises(ConfigurationError, match=r"marks no persons \(it marks nothing\)"):
        guarded(blank, "never")
    places = written(
        tmp_path / "places",
        lambda nlp: nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Paris"}]),
    )
    with pytest.raises(ConfigurationError, match=r"it marks GPE.*PERSON or PER"):
        guarded(places, "never")


async def test_a_pipeline_that_cannot_be_loaded_says_so_and_nothing_is_sent(pipeline: str, tmp_path: Path) -> None:
    for file in ("meta.json", "tokenizer"):
        (tmp_path / file).write_bytes((Path(pipeline) / file).read_bytes())
    model = ScriptedModel("never")
    with pytest.raises(ConfigurationError, match=r"cannot be loaded: .*config\.cfg"):
        await guarded(str(tmp_path), model).chat(asked("hello"))
    assert model.calls == 0


async def test_a_pipeline_that_fails_sends_nothing_and_tells_nothing_of_the_text(pipeline: str) -> None:
    @spacy.Language.component("failing_of_a_test")
    def fail(doc: Any) -> Any:
        if len(doc) > 3:  # not one of the patterns
            raise ValueError(doc.text)
        return doc

    nlp = spacy.load(pipeline)
    nlp.add_pipe("failing_of_a_test", first=True)
    folder = Path(pipeline).with_name("failing")
    nlp.to_disk(folder)
    model = ScriptedModel("never")
    with pytest.raises(ConfigurationError, match="failed: ValueError") as failure:
        await guarded(str(folder), model).chat(asked("ask the same Anna Lind"))
    assert "Lind" not in str(failure.value)
    assert model.calls == 0


def test_only_what_finds_names_is_run(tmp_path: Path) -> None:
    def make(nlp: Any) -> None:
        nlp.add_pipe("sentencizer")
        nlp.add_pipe("tok2vec")
        nlp.add_pipe("ner").add_label("PERSON")
        nlp.add_pipe("textcat_multilabel").add_label("PERSON")
        nlp.initialize()

    assert Pipeline(written(tmp_path / "ner", make))._nlp.pipe_names == ["ner"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"names": "x"}, "set detect = true, or redact"),
        ({"names": "x", "detect": True, "ignore": ["name"]}, "leave out one"),
        ({"names": "", "detect": True}, "at least 1 character"),
    ],
)
def test_a_setting_without_effect_is_refused(table: dict[str, Any], words: str, tmp_path: Path) -> None:
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    file = tmp_path / "orchestrator.toml"
    file.write_text("[privacy]\n" + "".join(lines))
    with pytest.raises(ConfigurationError, match=words):
        Settings.load(file, {})


_PLAIN = """
import sys
from unified_api.settings import PrivacySettings, Settings
from unified_api.testing import scripted_gateway
scripted_gateway({"a/b": "x"}, settings=Settings(privacy=PrivacySettings.model_validate(%s)))
loaded = {name.partition(".")[0] for name in sys.modules} & {"spacy", "thinc"}
print(sorted(loaded), "unified_api.person_names" in sys.modules)
"""


def test_nothing_of_spacy_is_imported_before_it_is_asked(pipeline: str) -> None:
    def loaded(table: dict[str, Any]) -> str:
        return subprocess.run(
            [sys.executable, "-c", _PLAIN % repr(table)], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    assert loaded({"detect": True}) == "[] False"
    assert loaded({"detect": True, "names": pipeline}) == "[] True"


_WITHOUT = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "spacy" else found(name, package)
from unified_api.errors import ConfigurationError
from unified_api.privacy.pipeline import Pipeline
try:
    Pipeline("en_core_web_sm")
except ConfigurationError as error:
    print(error)
"""


def test_without_spacy_the_command_that_installs_it_is_told() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert "needs spaCy: run `pip install 'meta-orchestrator[names]'`" in done.stdout
