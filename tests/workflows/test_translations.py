"""Real workflows of other systems, written anew in this language, pass the checks and do what theirs do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from corpus import needs_corpora, rows
from json_site import allowing, site

from executors.journal.entries import Approval, Decision
from executors.result import RunResult
from executors.runner import run
from executors.tools import ToolRegistry
from orchestrator.formatting import formatted
from unified_api.settings import Settings
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import EmbedRequest, Image, ImageRequest
from workflows.checks import check
from workflows.model import Workflow
from workflows.parse import parse, read

FOLDER = Path(__file__).with_name("translations")
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def translated(name: str) -> Workflow:
    return read(FOLDER / f"{name}.json")


def answering(rules: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A model that answers by the first rule whose words stand in the prompt."""

    def answer(request: Any) -> Any:
        if isinstance(request, ImageRequest):
            return Image("image/png", data=b"png")
        if isinstance(request, EmbedRequest):
            return [[float(len(text))] for text in request.inputs]
        prompt = "".join(part.text for part in request.messages[-1].parts)
        found = [told for words, told in rules.items() if words in prompt]
        assert found, f"no rule for the prompt {prompt!r}"
        return found[0] if isinstance(found[0], str) else json.dumps(found[0])

    return answer


async def ended(
    workflow: Workflow,
    inputs: dict[str, Any],
    *functions: Callable[..., Any],
    rules: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    approve: Callable[[Approval], Awaitable[Decision | None]] | None = None,
) -> RunResult:
    model = ScriptedModel(answering(rules or {}))
    gateway = scripted_gateway(
        {f"scripted/{tier}": model for tier in ("economy", "standard", "premium")},
        settings=settings,
        clock=ManualClock() if settings is None else None,
    )
    others = {f"{one.name}@{one.version}": one for one in map(translated, NAMES)}
    async with gateway:
        return await run(
            workflow, inputs, gateway=gateway, tools=ToolRegistry(functions), workflows=others, approve=approve
        )


async def outputs(name: str, inputs: dict[str, Any], *functions: Callable[..., Any], **world: Any) -> dict[str, Any]:
    result = await ended(translated(name), inputs, *functions, **world)
    assert result.error is None, result.error
    return result.outputs


@pytest.mark.parametrize("name", NAMES)
def test_a_translation_has_no_finding_and_the_one_layout(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    workflow = parse(text)
    assert check(workflow) == ()
    assert check(workflow, workflows={f"{one.name}@{one.version}": one for one in map(translated, NAMES)}) == ()
    assert workflow.name == name
    assert formatted(text) == text


def test_the_translations_use_what_the_language_has() -> None:
    texts = [(FOLDER / f"{name}.json").read_text("utf-8") for name in NAMES]
    assert len(texts) >= 12
    for kind in ("map", "branch", "loop", "approval", "workflow", "http", "tool", "llm", "image", "embed", "set"):
        assert any(f'"kind": "{kind}"' in text for text in texts), kind


@needs_corpora
@pytest.mark.parametrize("name", NAMES)
def test_a_translation_names_a_source_that_is_there(name: str) -> None:
    file, _, path = translated(name).description.rpartition("Translated from ")[2].rstrip(".").partition(", ")
    assert path in {row["path"] for row in rows(file)}


async def test_quotes_are_kept_of_the_providers_that_answer() -> None:
    def ask_provider(provider: str, request: str) -> int:
        if provider == "b":
            raise RuntimeError("the provider is closed")
        return len(provider + request)

    def store_quotes(request: str, quotes: list[dict[str, Any]]) -> int:
        return len(quotes)

    given = {"request": "tea", "providers": ["a", "b", "cc"]}
    found = await outputs("aws-scatter-gather", given, ask_provider, store_quotes)
    assert found["quotes"][0] == {"provider": "a", "price": 4}
    assert found["quotes"][2] == {"provider": "cc", "price": 5}
    assert "the provider is closed" in found["quotes"][1]["error"]["message"]
    assert found["stored"] == 3


async def test_pages_are_asked_for_until_none_follows() -> None:
    asked: list[str | None] = []
    pages = {None: (["a", "b"], "t1"), "t1": (["c"], "t2"), "t2": (["d"], None)}

    def list_executions(machine: str, token: str | None) -> dict[str, Any]:
        asked.append(token)
        names, following = pages[token]
        return {"names": [f"{machine}-{name}" for name in names], "next": following}

    found = await outputs("aws-pagination-loop", {"machine": "m"}, list_executions)
    assert found == {"names": ["m-a", "m-b", "m-c", "m-d"]}
    assert asked == [None, "t1", "t2"]


async def test_a_workflow_runs_another_one_after_it_and_twice_at_once() -> None:
    worked: list[str] = []

    def work(job: str) -> str:
        worked.append(job)
        return f"did {job}"

    def call_back(text: str) -> str:
        worked.append(text)
        return text

    found = await outputs("aws-workflow-within-a-workflow", {"job": "x"}, work, call_back)
    assert found["reports"][0] == "did x A, first half; did x A, second half"
    assert found["reports"][2] == "did x C, first half; did x C, second half"
    assert found["callback"] == "x C is half done"
    assert worked[:2] == ["x A, first half", "x A, second half"]
    assert worked.index("x C, first half") < worked.index("x C is half done") < worked.index("x C, second half")
    assert not any("A is half done" in one or "B is half done" in one for one in worked)


@pytest.mark.parametrize(
    ("category", "queue"), [("complaint", "complaints"), ("billing", "billing"), ("unknown", "default")]
)
async def test_a_message_goes_into_the_queue_of_its_category(category: str, queue: str) -> None:
    def send(queue: str, message: str) -> str:
        return f"{queue} < {message}"

    found = await outputs("aws-categorization", {"message": "hm"}, send, rules={"Sort this": f'"{category}"'})
    assert found == {"category": category, "receipt": f"{queue} < hm"}


async def spoken(*states: str) -> tuple[RunResult, int]:
    left = list(states)

    def read_file(name: str) -> str:
        return f"text of {name}"

    def start_speech(text: str) -> str:
        return f"task for {text}"

    def speech_state(task: str) -> str:
        assert task == "task for text of a.txt"
        return left.pop(0)

    result = await ended(translated("aws-tts-converter"), {"file": "a.txt"}, read_file, start_speech, speech_state)
    return result, len(left)


async def test_a_task_is_asked_after_until_it_is_done() -> None:
    result, left = await spoken("scheduled", "inProgress", "completed", "never asked for")
    assert result.outputs == {"task": "task for text of a.txt", "state": "completed"}
    assert left == 1


async def test_a_task_that_failed_fails_the_run() -> None:
    result, _ = await spoken("inProgress", "failed")
    assert result.error is not None
    assert (result.error.code, result.error.path) == ("invalid_output", "ended")


BOOKED = ("reserve_flight", "reserve_car", "take_payment")


@pytest.mark.parametrize(
    ("broken", "done"),
    [
        (None, [*BOOKED, "booked"]),
        ("take_payment", [*BOOKED, "cancel_car", "cancel_flight", "not booked"]),
        ("reserve_car", ["reserve_flight", "reserve_car", "cancel_flight", "not booked"]),
        ("reserve_flight", ["reserve_flight", "not booked"]),
    ],
)
async def test_what_was_booked_is_undone_the_last_first(broken: str | None, done: list[str]) -> None:
    did: list[str] = []

    def named(name: str) -> Callable[..., Any]:
        def act(trip: str) -> bool:
            did.append(name)
            if name == broken:
                raise RuntimeError(f"{name} fails")
            return True

        act.__name__ = name
        return act

    def text_customer(words: str) -> str:
        did.append(words.partition(":")[0])
        return words

    acts = map(named, ("reserve_flight", "reserve_car", "take_payment", "cancel_car", "cancel_flight"))
    await outputs("aws-saga", {"trip": "Rome"}, *acts, text_customer)
    assert did == done


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("electronic", {"valid": True, "status": "fulfilled"}),
        ("physical", {"stock": "reserved", "count": 1}),
        ("odd", {"level": "warning", "message": "an order of kind odd"}),
    ],
)
async def test_an_order_is_treated_by_its_kind(kind: str, order: dict[str, Any]) -> None:
    assert await outputs("cncf-switch", {"order": {"kind": kind}}) == {"order": order}


async def test_a_course_has_an_article_for_each_lesson_in_the_outlines_order() -> None:
    lessons = [{"chapter": f"C{number // 3}", "title": f"T{number}"} for number in range(9)]
    rules = {"Outline a course": {"lessons": lessons}, **{f"Write the lesson T{n} ": f"text {n}" for n in range(9)}}
    found = await outputs("dify-course", {"course": "knots"}, rules=rules)
    assert found["lessons"] == 9
    assert found["book"] == "".join(f"# C{n // 3}: T{n}\ntext {n}\n" for n in range(9))


@pytest.mark.parametrize("country", ["", "Chile"])
async def test_a_translation_is_improved_by_advice_for_the_country_that_is_named(country: str) -> None:
    rules = {
        "by this advice: in general": "better",
        "by this advice: for Chile": "better in Chile",
        "for readers in Chile": "for Chile",
        "Criticise": "in general",
        "Translate from": "hola",
    }
    given = {"text": "hi", "source": "English", "target": "Spanish", "country": country}
    found = await outputs("dify-translation", given, rules=rules)
    assert found == {"translation": "better in Chile" if country else "better"}


async def test_each_section_is_stored_with_its_place_and_its_vector() -> None:
    def read_document(name: str) -> str:
        return f"one of {name}[SECTIONEND]two[SECTIONEND]three"

    def keep(text: str, vector: list[float]) -> str:
        return f"{text} {vector[0]:.0f}"

    rules = {f"<section>\n{one}": f"place {number}" for number, one in enumerate(("one", "two", "three"))}
    found = await outputs("n8n-context-chunks", {"document": "d"}, read_document, keep, rules=rules)
    assert found == {"kept": ["place 0. one of d 17", "place 1. two 12", "place 2. three 14"]}


async def test_the_planet_is_fetched_from_where_the_character_points_to() -> None:
    pages = {"/api/people/7": {"homeworld": "{site}/planets/3"}, "/planets/3": {"name": "Tatooine"}}
    with site(pages) as address:
        text = (FOLDER / "cncf-star-wars-homeworld.json").read_text("utf-8").replace("https://swapi.dev", address)
        result = await ended(parse(text), {"id": 7}, settings=allowing(address))
    assert result.error is None, result.error
    assert result.outputs == {"planet": "Tatooine"}


@pytest.mark.parametrize(
    ("text", "told"), [("Out Of Stock, sorry", "still out of stock"), ("Buy now", "in stock again")]
)
async def test_it_is_posted_whether_the_goods_are_there(text: str, told: str) -> None:
    def post(text: str) -> str:
        return text

    with site({"/goods": {"text": text}}) as address:
        given = {"url": f"{address}/goods"}
        found = await outputs("n8n-stock-watch", given, post, settings=allowing(address))
    assert found == {"posted": told}


class Desk:
    """A person who answers by the first rule whose words stand in the question or in what is shown with it."""

    def __init__(self, rules: Mapping[str, Decision], *, late: bool = False) -> None:
        self.rules = rules
        self.late = late
        self.asked: list[Approval] = []

    async def __call__(self, asked: Approval) -> Decision:
        self.asked.append(asked)
        found = [told for words, told in self.rules.items() if words in f"{asked.message} {asked.show}"]
        assert found, f"no rule for the question {asked.message!r}"
        if self.late:
            assert asked.expires is not None
            return Decision(approved=found[0].approved, at=asked.expires + timedelta(seconds=1))
        return found[0]


YES, NO = Decision(approved=True, by="ada"), Decision(approved=False, by="ada")


@pytest.mark.parametrize(("answer", "message"), [(YES, "done: sweep"), (NO, "not done: sweep")])
async def test_a_task_that_was_handed_over_is_waited_for(answer: Decision, message: str) -> None:
    did: list[str] = []

    def enqueue(message: str) -> str:
        did.append(message)
        return "ticket 7"

    def publish(text: str) -> str:
        return text

    desk = Desk({"ticket 7": answer})
    assert await outputs("aws-wait-for-callback", {"task": "sweep"}, enqueue, publish, approve=desk) == {
        "message": message
    }
    assert did == ["sweep"]
    assert desk.asked[0].expires is None, "it waits for ever"


@pytest.mark.parametrize(
    ("answer", "late", "result"), [(YES, False, "approved"), (NO, False, "rejected"), (YES, True, "failure")]
)
async def test_a_request_is_approved_rejected_or_not_answered_in_time(
    answer: Decision, late: bool, result: str
) -> None:
    def handle(request: str, result: str) -> str:
        return f"{request}: {result}"

    desk = Desk({"Approve": answer}, late=late)
    found = await outputs("aws-human-in-the-loop", {"request": "leave"}, handle, approve=desk)
    assert found == {"result": f"leave: {result}"}
    [asked] = desk.asked
    assert asked.expires is not None
    assert asked.expires - asked.asked == timedelta(hours=1)


@pytest.mark.parametrize("against", [None, 1, 2, 3])
async def test_a_proposal_needs_all_three_people(against: int | None) -> None:
    desk = Desk({f"approver {number}": NO if number == against else YES for number in (1, 2, 3)})
    result = await ended(translated("aws-parallel-human-approval"), {"proposal": "a pool"}, approve=desk)
    assert len(desk.asked) == 3
    if against is None:
        assert result.outputs == {"agreed": True}
    else:
        assert result.error is not None
        assert (result.error.code, result.error.path) == ("invalid_output", "agreed")


async def test_each_pet_with_a_vet_is_waited_for_in_turn() -> None:
    desk = Desk({"seen rex": YES, "seen tom": NO})
    pets = [{"id": "rex", "vet": "Dr. A"}, {"id": "stray", "vet": None}, {"id": "tom", "vet": "Dr. B"}]
    found = await outputs("cncf-for-pets", {"pets": pets}, approve=desk)
    assert found == {"checkups": [{"id": "rex", "seen": True}, {"id": "tom", "seen": False}]}
    assert [asked.path for asked in desk.asked] == ["checkups[0]/seen", "checkups[1]/seen"]


async def test_titles_are_suggested_until_a_person_likes_one() -> None:
    sent: list[tuple[str, str]] = []

    def transcribe(video: str) -> str:
        return f"words of {video}"

    def send_avatar(title: str, kind: str) -> str:
        sent.append((title, kind))
        return "sent"

    rules = {f"attempt {number}": {"title": f"T{number}", "description": "d"} for number in (1, 2)}
    desk = Desk({"T1": NO, "T2": Decision(approved=True, comment="2")})
    given = {"video": "v.mp4"}
    found = await outputs("aws-prompt-chaining", given, transcribe, send_avatar, rules=rules, approve=desk)
    assert found == {"title": "T2", "sent": "sent"}
    assert [asked.path for asked in desk.asked] == ["suggest[1]/liked", "suggest[2]/liked"]
    assert sent == [("T2", "image/png")]


def test_each_translation_is_run_by_a_test_of_its_own() -> None:
    told = Path(__file__).read_text("utf-8")
    run_by_another = {"aws-nested-workflow": "aws-workflow-within-a-workflow"}
    assert all(told.count(f'"{run_by_another.get(name, name)}') >= 1 for name in NAMES)
