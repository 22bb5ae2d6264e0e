from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from unified_api.catalog import Catalog
from unified_api.errors import AttemptsExhaustedError, ConfigurationError, NoCandidateError, ServerError
from unified_api.gateway import Gateway
from unified_api.models import DataPolicy, Model, Prices
from unified_api.settings import Settings
from unified_api.testing import ManualClock, ScriptedModel, scripted_gateway
from unified_api.types import (
    Caller,
    EmbedRequest,
    Image,
    ImagePart,
    ImageRequest,
    Message,
    OutputSchema,
    Policy,
    Request,
    TextPart,
)

CHAT = frozenset({"chat", "streaming"})


def settings(folder: Path, text: str) -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(text, "utf-8")
    return Settings.load(path, environ={"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"})


def fault(folder: Path, text: str) -> str:
    """What is wrong with the settings, said when they are loaded or the catalog is made: before anything is sent."""
    with pytest.raises(ConfigurationError) as raised:
        Catalog(settings(folder, text))
    assert "orchestrator.toml" in str(raised.value)
    return str(raised.value)


def ask(route: str, text: str = "Hello") -> Request:
    return Request(model=f"route/{route}", messages=(Message.user(text),))


def order(gateway: Gateway, request: Request, policy: Policy = Policy()) -> list[str]:
    return [one.id for one in gateway._serving.select(request, policy).candidates]


def scripted(folder: Path, text: str, *names: str, models: tuple[Model, ...] = (), **more: object) -> Gateway:
    return scripted_gateway(
        dict.fromkeys(names, "fine"), settings=settings(folder, text), models=models, clock=ManualClock(), **more
    )


def known(name: str, **facts: object) -> Model:
    provider, _, rest = name.partition("/")
    facts = {"capabilities": CHAT, "data_policy": DataPolicy(clearance="restricted"), **facts}
    return Model(id=name, provider=provider, name=rest, wire="scripted", **facts)


TWO = 'models = ["openai/gpt-4o", "anthropic/claude-haiku-4-5"]\n'
WEIGHTED = f"[routes.r]\n{TWO}strategy = 'weighted'\n"
ESCALATE = f"[routes.r]\n{TWO}[routes.r.escalate]\n"
SILENT = "[routes.r]\nmodels = ['mistral/mistral-large-latest', 'openai/gpt-4o']\n[routes.r.escalate]\n"
LIKENESS = f"{ESCALATE}evaluator = 'similarity'\nthreshold = 0.5\nembedder = 'openai/text-embedding-3-small'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[routes.r]\nmodels = ["openai/gpt-4o", "openai/gpt-4o"]', ("twice", "leave one of them out")),
        ('[routes.r]\nmodels = ["openai/gpt-4o", "gpt-4o-nosuch"]', ("[routes.r]", "gpt-4o-nosuch", "not known")),
        ('[routes.r]\nmodels = ["opneai/gpt-4o"]', ("did you mean 'openai/gpt-4o'",)),
        ("[routes.r]\nmodels = []", ("models", "at least 1")),
        ('[routes.r]\nmodels = ["auto"]', ("only list models", "auto")),
        ('[routes.r]\nmodels = ["route/r"]', ("only list models", "route/r")),
        (f"[routes.r]\n{TWO}strategy = 'cheapest'", ("strategy", "'cost'")),
        (f"[routes.r]\n{TWO}strategie = 'cost'", ("did you mean 'strategy'",)),
        (f"[routes.r]\n{TWO}strategy = 'weighted'", ("needs a weight for each", "openai/gpt-4o")),
        (
            f"[routes.r]\n{TWO}strategy = 'weighted'\nweights = {{ 'openai/gpt-4o' = 1 }}",
            ("none for anthropic/claude-haiku-4-5",),
        ),
        (f"[routes.r]\n{TWO}weights = {{ 'openai/gpt-4o' = 1 }}", ("only with strategy = 'weighted'",)),
        *(
            (
                f"{WEIGHTED}weights = {{ 'openai/gpt-4o' = {weight}, 'anthropic/claude-haiku-4-5' = 1 }}",
                ("'openai/gpt-4o' has the weight", "above 0"),
            )
            for weight in ("0", "-1", "inf", "nan")
        ),
        (
            f"{WEIGHTED}weights = {{'openai/gpt-4o' = 1, 'anthropic/claude-haiku-4-5' = 1, 'openai/gpt-4' = 1}}",
            ("'openai/gpt-4'", "none of the route's models", "did you mean 'openai/gpt-4o'"),
        ),
        (f"[routes.r]\n{TWO}last_resort = ['openai/gpt-4o']", ("twice",)),
        (f"[routes.r]\n{TWO}last_resort = ['openai/gtp-4o-nosuch-thing', 'x']", ("'x'", "not known")),
        ('[routes.r]\nmodels = "openai/gpt-4o"', ("line 2", "give a list")),
        (f"[routes.r]\n{TWO}escalate = 'low_confidence'", ("line 3", "give a table")),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\ncategry = 'x'\nmodels = ['a/b']", ("line 4", "did you mean 'category'")),
        (f"{ESCALATE}evalator = 'judge'", ("line 4", "did you mean 'evaluator'")),
        (f"[routes.r]\n{TWO}[routes.r.timeouts]\ntotal_s = 0", ("total_s", "greater than 0")),
        (f"[routes.r]\n{TWO}[routes.r.timeouts]\nfirst_s = 1", ("first_s", "first_token_s")),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\nmodels = ['openai/gpt-4o']", ("no condition", "category")),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\ncategory = 'code'", ("models",)),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\nneeds = []\nmodels = ['openai/gpt-4o']", ("no condition",)),
        (
            f"[routes.r]\n{TWO}[[routes.r.when]]\ntokens_at_least = 9\ntokens_at_most = 8\nmodels = ['openai/gpt-4o']",
            ("at least 9", "at most 8"),
        ),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\nneeds = ['sight']\nmodels = ['openai/gpt-4o']", ("'vision'",)),
        (f"[routes.r]\n{TWO}[[routes.r.when]]\ncategory = 'x'\nmodels = ['gpt-nosuch']", ("[routes.r]", "gpt-nosuch")),
        (f"{ESCALATE}threshold = 1.5", ("threshold", "less than or equal to 1")),
        (f"{ESCALATE}threshold = -0.1", ("threshold", "greater than or equal to 0")),
        (f"{ESCALATE}threshold = nan", ("threshold",)),
        (f"{ESCALATE}when = 'always'", ("low_confidence",)),
        (f"{ESCALATE}evaluator = 'vibes'", ("'structural'", "'judge'")),
        (f"{ESCALATE}evaluator = 'logprobs'", ("needs 'threshold'",)),
        (f"{ESCALATE}evaluator = 'judge'\nthreshold = 0.5", ("needs 'judge'",)),
        (f"{ESCALATE}judge = 'openai/gpt-4o'", ("belongs to the evaluator 'judge'", "'structural'")),
        (f"{ESCALATE}evaluator = 'judge'\nthreshold = 0.5\njudge = 'gpt-nosuch'", ("escalate", "gpt-nosuch")),
        (f"{ESCALATE}evaluator = 'judge'\nthreshold = 0.5\njudge = 'route/s'", ("route/s", "no route")),
        (
            f"{ESCALATE}evaluator = 'judge'\nthreshold = 0.5\njudge = 'openai/text-embedding-3-small'",
            ("cannot do 'chat'", "embeddings"),
        ),
        (
            f"{ESCALATE}evaluator = 'similarity'\nthreshold = 0.5\nembedder = 'openai/gpt-4o'\nexamples = 'x.jsonl'",
            ("cannot do 'embeddings'",),
        ),
        (
            f"{LIKENESS}examples = 'absent.jsonl'",
            ("absent.jsonl", "cannot be read"),
        ),
        ("[routes.r]\nmodels = ['openai/gpt-4o']\n[routes.r.escalate]\n", ("second model",)),
        (
            f"{SILENT}evaluator = 'logprobs'\nthreshold = 0.5",
            ("mistral/mistral-large-latest tell no probabilities", "'judge'"),
        ),
        (
            "[routes.r]\nmodels = ['openai/gpt-4o']\nlast_resort = ['openai/gpt-4']\n[routes.r.escalate]\n",
            ("second model", "last_resort"),
        ),
    ],
)
def test_a_route_that_cannot_be_is_an_error_that_names_place_and_mend(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    message = fault(tmp_path, text)
    assert [word for word in words if word not in message] == []


def test_one_model_under_two_names_is_there_twice_too(tmp_path: Path) -> None:
    text = '[routes.r]\nmodels = ["openai/text-embedding-3-small", "text-embedding-3-small"]'
    given = [known("openai/text-embedding-3-small")]
    with pytest.raises(ConfigurationError, match="twice"):
        Catalog(settings(tmp_path, text), rows={}, models=given)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("no json", ("line 1", "no JSON")),
        ('"good"\n17', ("line 2", "string")),
        ('{"question": "x"}', ("line 1", '{"answer": "..."}')),
        ('"  "', ("line 1",)),
        ("\n\n", ("0 answers", "1 to 500")),
        ('"x"\n' * 501, ("501 answers",)),
    ],
)
def test_good_answers_that_cannot_be_read_are_an_error_before_the_first_call(
    tmp_path: Path, lines: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "good.jsonl").write_text(lines, "utf-8")
    text = f"{LIKENESS}examples = 'good.jsonl'"
    message = fault(tmp_path, text)
    assert [word for word in (*words, "good.jsonl") if word not in message] == []


WHEN = """
[routes.work]
models = ["a/plain", "a/second"]
[[routes.work.when]]
category = ["code", "SQL"]
models = ["b/coder", "a/plain"]
[[routes.work.when]]
sensitivity = "confidential"
models = ["c/own"]
[[routes.work.when]]
needs = ["vision"]
models = ["d/eyes"]
[[routes.work.when]]
tokens_at_least = 1000
models = ["e/long"]
[[routes.work.when]]
tokens_at_most = 2
models = ["f/short"]
"""
NAMES = ("a/plain", "a/second", "b/coder", "c/own", "d/eyes", "e/long", "f/short", "g/unused")


def test_the_first_condition_that_holds_chooses_the_models(tmp_path: Path) -> None:
    gateway = scripted(tmp_path, WHEN, *NAMES)
    usual = "word " * 20
    seen = Request(
        model="route/work", messages=(Message("user", (TextPart(usual), ImagePart(data=b"x", media_type="image/png"))),)
    )
    assert order(gateway, ask("work", usual)) == ["a/plain", "a/second"]
    assert order(gateway, ask("work", usual), Policy(category="sql")) == ["b/coder", "a/plain"]
    assert order(gateway, ask("work", usual), Policy(category="poetry")) == ["a/plain", "a/second"]
    assert order(gateway, ask("work", usual), Policy(sensitivity="restricted")) == ["c/own"]
    assert order(gateway, ask("work", usual), Policy(sensitivity="internal")) == ["a/plain", "a/second"]
    assert order(gateway, ask("work", usual), Policy(category="code", sensitivity="restricted"))[0] == "b/coder"
    assert order(gateway, seen) == ["d/eyes"]
    assert order(gateway, ask("work", "word " * 2000)) == ["e/long"]
    assert order(gateway, ask("work", "Hi")) == ["f/short"]


async def test_the_condition_that_chose_is_said_on_the_trail(tmp_path: Path) -> None:
    gateway = scripted(tmp_path, WHEN, *NAMES)
    response = await gateway.chat(ask("work", "word " * 20), Policy(category="code"))
    assert response.provider == "b"
    (note,) = [one for one in response.attempts if one.outcome == "noted"]
    assert "the category is code or sql" in (note.message or "")
    plain = await gateway.chat(ask("work", "word " * 20))
    assert [one.outcome for one in plain.attempts] == ["succeeded"]


@pytest.mark.parametrize(
    ("strategy", "first"),
    [("priority", "a/dear"), ("cost", "b/cheap"), ("quality", "c/best"), (None, "a/dear")],
)
def test_a_strategy_orders_a_route_and_auto_alike(tmp_path: Path, strategy: str | None, first: str) -> None:
    models = (
        known("a/dear", prices=Prices(input=Decimal(9), output=Decimal(9)), tier="standard"),
        known("b/cheap", prices=Prices(input=Decimal(1), output=Decimal(1)), tier="economy"),
        known("c/best", prices=Prices(input=Decimal(5), output=Decimal(5)), tier="premium"),
        known("d/unknown"),
    )
    names = [one.id for one in models]
    text = f"[routes.r]\nmodels = {names}\n" + (f"strategy = '{strategy}'" if strategy else "")
    gateway = scripted(tmp_path, text, *names, models=models)
    assert order(gateway, ask("r"))[0] == first
    bare = Request(model="auto", messages=(Message.user("Hello"),))
    assert order(gateway, bare, Policy(strategy=strategy))[0] == first
    assert order(gateway, ask("r"), Policy(strategy="priority"))[0] == "a/dear"  # the caller's own word counts


def test_the_cheapest_is_the_cheapest_for_this_request(tmp_path: Path) -> None:
    models = (
        known("a/writes-cheaply", prices=Prices(input=Decimal(10), output=Decimal(1))),
        known("b/reads-cheaply", prices=Prices(input=Decimal(1), output=Decimal(10))),
    )
    text = "[routes.r]\nmodels = ['a/writes-cheaply', 'b/reads-cheaply']\nstrategy = 'cost'"
    gateway = scripted(tmp_path, text, *(one.id for one in models), models=models)
    assert order(gateway, ask("r", "short"))[0] == "a/writes-cheaply"
    assert order(gateway, ask("r", "long " * 10_000))[0] == "b/reads-cheaply"


SPLIT = """
[routes.ab]
models = ["a/old", "b/new"]
strategy = "weighted"
weights = { "a/old" = 9, "b/new" = 1 }
last_resort = ["c/last"]
"""


def test_a_split_keeps_each_caller_on_its_side_and_the_shares_hold(tmp_path: Path) -> None:
    gateway = scripted(tmp_path, SPLIT, "a/old", "b/new", "c/last")
    sides: Counter[str] = Counter()
    for user in range(1500):
        policy = Policy(caller=Caller(tenant="t", user=f"user-{user}"))
        first = {order(gateway, ask("ab", text), policy)[0] for text in ("one", "another")}
        assert len(first) == 1
        sides.update(first)
        assert order(gateway, ask("ab"), policy)[-1] == "c/last"
    assert abs(sides["b/new"] / 1500 - 0.1) < 4 * (0.09 / 1500) ** 0.5
    other = Counter(
        order(gateway, ask("ab"), Policy(caller=Caller(tenant="u", user=f"user-{n}")))[0] for n in range(300)
    )
    assert other["b/new"]  # another tenant's users of the same names are other users


def test_a_session_stays_on_its_side_though_its_users_change(tmp_path: Path) -> None:
    gateway = scripted(tmp_path, SPLIT, "a/old", "b/new", "c/last")
    for session in range(50):
        callers = [Caller(session=f"s{session}", user=f"u{user}") for user in range(3)]
        assert len({order(gateway, ask("ab"), Policy(caller=caller))[0] for caller in callers}) == 1


def test_calls_of_nobody_are_split_by_the_chance_that_is_passed_in(tmp_path: Path) -> None:
    numbers = iter([0.9, 0.01, 0.5, 0.5] * 10)
    gateway = scripted(tmp_path, SPLIT, "a/old", "b/new", "c/last", random=lambda: next(numbers))
    assert order(gateway, ask("ab")) == ["b/new", "a/old", "c/last"]
    assert order(gateway, ask("ab")) == ["a/old", "b/new", "c/last"]


@pytest.mark.parametrize("model", ["auto", "a/old", "route/plain"])
async def test_weighted_without_weights_is_an_error(tmp_path: Path, model: str) -> None:
    gateway = scripted(tmp_path, "[routes.plain]\nmodels = ['a/old', 'b/new']", "a/old", "b/new")
    with pytest.raises(ConfigurationError, match="weights of a route"):
        await gateway.chat(Request(model=model, messages=(Message.user("x"),)), Policy(strategy="weighted"))
    with pytest.raises(ConfigurationError, match="strategy is 'best'"):
        await gateway.chat(Request(model=model, messages=(Message.user("x"),)), Policy(strategy="best"))


async def test_the_last_resort_is_asked_when_all_others_failed(tmp_path: Path) -> None:
    text = "[routes.r]\nmodels = ['a/one', 'b/two']\nstrategy = 'cost'\nlast_resort = ['c/free']"
    free = known("c/free", prices=Prices(input=Decimal(0), output=Decimal(0)))
    last = ScriptedModel("the last word")
    scripts = {"a/one": ServerError("down"), "b/two": ServerError("down"), "c/free": last}
    gateway = scripted_gateway(scripts, models=(free,), settings=settings(tmp_path, text), random=lambda: 0.0)
    response = await gateway.chat(ask("r"), Policy(max_attempts=9))
    assert response.text == "the last word"
    assert [one.model for one in response.attempts if one.number][-1] == "c/free"
    assert {one.model for one in response.attempts[:-1] if one.number} == {"a/one", "b/two"}
    assert last.calls == 1


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("gpt-4o", ("provider/model",)),
        ("opneai/*", ("no provider", "did you mean 'openai/*'")),
        ("openai/gtp-4o", ("no known model", "openai/gpt-4o")),
        ("openai/", ("provider/model",)),
        ("", ("provider/model",)),
    ],
)
@pytest.mark.parametrize("which", ["allow", "deny"])
def test_a_pattern_that_means_nothing_is_an_error_with_the_nearest_name(
    tmp_path: Path, pattern: str, words: tuple[str, ...], which: str
) -> None:
    catalog = Catalog(settings(tmp_path, ""))
    with pytest.raises(ConfigurationError) as raised:
        catalog.candidates("auto", Policy(**{which: frozenset({pattern})}))
    assert [word for word in words if word not in str(raised.value)] == []


def test_patterns_may_name_what_only_a_route_or_the_call_itself_names(tmp_path: Path) -> None:
    catalog = Catalog(settings(tmp_path, "[routes.r]\nmodels = ['openai/my-own-tune', 'openai/gpt-4o']"))
    found = catalog.candidates("route/r", Policy(deny=frozenset({"openai/my-own-tune"})))
    assert [one.id for one in found.candidates] == ["openai/gpt-4o"]
    assert catalog.candidates("openai/another", Policy(allow=frozenset({"openai/another"}))).candidates


async def test_a_call_that_nobody_may_serve_says_why_for_every_model_and_asks_none(tmp_path: Path) -> None:
    models = (
        known("a/abroad", data_policy=DataPolicy(clearance="restricted", region="us")),
        known("b/uncleared", data_policy=DataPolicy(clearance="public", region="eu")),
        known("c/denied", data_policy=DataPolicy(clearance="restricted", region="eu")),
        known(
            "d/dear",
            data_policy=DataPolicy(clearance="restricted", region="eu"),
            prices=Prices(input=Decimal(100), output=Decimal(100)),
        ),
        known("e/unpriced", data_policy=DataPolicy(clearance="restricted", region="europe")),
        known("f/blind", capabilities=frozenset({"embeddings"})),
        known("g/keyless", data_policy=DataPolicy(clearance="restricted", region="eu"), ready=False, missing="G_KEY"),
    )
    names = [one.id for one in models]
    asked = {name: ScriptedModel("never") for name in names}
    gateway = scripted_gateway(asked, models=models, settings=settings(tmp_path, f"[routes.r]\nmodels = {names}"))
    policy = Policy(
        sensitivity="internal",
        regions=frozenset({"eu"}),
        deny=frozenset({"c/*"}),
        max_cost_usd=Decimal("0.01"),
    )
    with pytest.raises(NoCandidateError) as raised:
        await gateway.chat(ask("r"), policy)
    codes = {one.model: one.error for one in raised.value.attempts}
    assert codes == {
        "a/abroad": "other_region",
        "b/uncleared": "insufficient_clearance",
        "c/denied": "denied",
        "d/dear": "too_dear",
        "e/unpriced": "unknown_price",
        "f/blind": "missing_capability",
        "g/keyless": "no_credentials",
    }
    assert all(name in str(raised.value) for name in names)
    assert not any(one.calls for one in asked.values())


@pytest.mark.parametrize("ceiling", ["-1", "NaN", "Infinity"])
async def test_a_ceiling_that_is_no_amount_is_an_error(tmp_path: Path, ceiling: str) -> None:
    gateway = scripted(tmp_path, "", "a/one")
    with pytest.raises(ConfigurationError, match="max_cost_usd"):
        await gateway.chat(Request(model="a/one", messages=(Message.user("x"),)), Policy(max_cost_usd=Decimal(ceiling)))


async def test_filters_hold_for_every_fallback(tmp_path: Path) -> None:
    models = (
        known("a/cleared"),
        known("b/open", data_policy=DataPolicy(clearance="public")),
        known("c/cleared"),
    )
    open_ = ScriptedModel("must not be asked")
    scripts = {"a/cleared": ServerError("down"), "b/open": open_, "c/cleared": ServerError("down")}
    text = "[routes.r]\nmodels = ['a/cleared', 'b/open', 'c/cleared']"
    gateway = scripted_gateway(scripts, models=models, settings=settings(tmp_path, text), random=lambda: 0.0)
    with pytest.raises(AttemptsExhaustedError, match="a/cleared: down"):
        await gateway.chat(ask("r"), Policy(sensitivity="internal", max_attempts=9))
    assert open_.calls == 0


async def test_a_route_serves_every_kind_of_call(tmp_path: Path) -> None:
    text = """
[routes.r]
models = ["a/chat"]
[[routes.r.when]]
needs = ["image_output"]
models = ["b/draws"]
[[routes.r.when]]
needs = ["embeddings"]
models = ["c/embeds"]
"""
    models = (
        known("b/draws", capabilities=frozenset({"image_output"})),
        known("c/embeds", capabilities=frozenset({"embeddings"})),
    )
    scripts = {"a/chat": "words", "b/draws": Image(data=b"x", media_type="image/png"), "c/embeds": [[1.0, 0.0]]}
    gateway = scripted_gateway(scripts, models=models, settings=settings(tmp_path, text))
    assert (await gateway.chat(ask("r"))).text == "words"
    assert (await gateway.image(ImageRequest(model="route/r", prompt="a cat"))).provider == "b"
    assert (await gateway.embed(EmbedRequest(model="route/r", inputs=("x",)))).provider == "c"


def test_a_routes_timeouts_stand_before_the_general_ones(tmp_path: Path) -> None:
    text = f"""
[timeouts]
silence_s = 7
total_s = 70
[routes.quick]
{TWO}
[routes.quick.timeouts]
first_token_s = 1.5
total_s = 4
[routes.slow]
{TWO}
"""
    gateway = scripted(tmp_path, text, "openai/gpt-4o", "anthropic/claude-haiku-4-5")
    (model, _), rules = (
        gateway.catalog.candidates("route/quick").candidates,
        gateway.catalog.candidates("route/quick").rules,
    )
    waits = gateway._adapters.timeouts(model, rules)
    assert (waits.first_token_s, waits.silence_s) == (1.5, 7)
    begun = gateway._clock.now()
    assert gateway._call("chat", ask("quick"), Policy()).deadline - begun < 5
    assert gateway._call("chat", ask("slow"), Policy()).deadline - begun > 60
    assert gateway._call("chat", ask("quick"), Policy(deadline_s=30)).deadline - begun > 25


def test_the_worst_cost_is_that_of_all_answers_that_may_be_paid_together(tmp_path: Path) -> None:
    models = tuple(known(f"{name}/m", prices=Prices(input=Decimal(1), output=Decimal(1))) for name in "ab")
    plain = "[routes.r]\nmodels = ['a/m', 'b/m']\n"
    request = Request(model="route/r", messages=(Message.user("x"),), max_tokens=100)
    once = scripted(tmp_path, plain, "a/m", "b/m", models=models).estimate(request)
    twice = scripted(tmp_path, f"{plain}[routes.r.escalate]\n", "a/m", "b/m", models=models).estimate(request)
    assert once is not None
    assert twice == 2 * once
    raced = scripted(tmp_path, f"{plain}hedge = true\n", "a/m", "b/m", models=models)
    assert raced.estimate(request) == twice
    assert raced.estimate(request, Policy(hedge=False)) == once
    alone = scripted(tmp_path, f"{plain}[routes.r.escalate]\n", "a/m", "b/m", models=models)
    assert alone.estimate(request, Policy(fallback=False)) == once


def test_deciding_among_twenty_candidates_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    models = tuple(
        known(
            f"p{place}/m",
            prices=Prices(input=Decimal(place), output=Decimal(place)),
            data_policy=DataPolicy(clearance="restricted", region="eu"),
        )
        for place in range(20)
    )
    names = [one.id for one in models]
    weights = dict.fromkeys(names, 1.0)
    text = f"[routes.r]\nmodels = {names}\nstrategy = 'weighted'\n[routes.r.weights]\n" + "".join(
        f"'{name}' = {weight}\n" for name, weight in weights.items()
    )
    gateway = scripted(tmp_path, text, *names, models=models)
    took: list[float] = []
    for user in range(300):
        strategy = ("cost", "weighted", "quality", "latency")[user % 4]
        policy = Policy(
            strategy=strategy,
            regions=frozenset({"eu"}),
            deny=frozenset({f"p{user % 3}/*"}),
            max_cost_usd=Decimal(1000),
            caller=Caller(user=f"u{user}"),
        )
        began = time.perf_counter()
        assert len(order(gateway, ask("r", "word " * (user % 50)), policy)) == 19
        took.append(time.perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 0.001


def test_a_schema_still_comes_before_words_where_a_strategy_orders_auto(tmp_path: Path) -> None:
    models = (
        known("a/words", prices=Prices(input=Decimal(1), output=Decimal(1))),
        known(
            "b/native", capabilities=CHAT | {"structured_output"}, prices=Prices(input=Decimal(2), output=Decimal(2))
        ),
    )
    gateway = scripted(tmp_path, "", "a/words", "b/native", models=models)
    request = Request(model="auto", messages=(Message.user("x"),), output_schema=OutputSchema({"type": "object"}))
    assert order(gateway, request, Policy(strategy="cost"))[0] == "b/native"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"sensitivity": "secret"}, ("sensitivity is 'secret'", "public, internal")),
        ({"sensitivity": "Confidential"}, ("did you mean 'confidential'",)),
        ({"tier": "premum"}, ("tier is 'premum'", "did you mean 'premium'")),
        ({"strategy": "cheapest"}, ("strategy is 'cheapest'",)),
        ({"deny": "openai/*"}, ("deny is the text 'openai/*'", "give a set")),
        ({"regions": "eu"}, ("regions is the text 'eu'",)),
        ({"allow": "a/one"}, ("allow is the text",)),
    ],
)
@pytest.mark.parametrize("model", ["auto", "a/one", "route/work"])
async def test_a_policy_of_other_words_is_refused_in_words(
    tmp_path: Path, policy: dict[str, Any], words: tuple[str, ...], model: str
) -> None:
    gateway = scripted(tmp_path, WHEN, "a/one", *NAMES)
    with pytest.raises(ConfigurationError) as raised:
        await gateway.chat(Request(model=model, messages=(Message.user("x"),)), Policy(**policy))
    assert [word for word in words if word not in str(raised.value)] == []


async def test_the_fastest_of_late_is_asked_first_once_all_are_measured(tmp_path: Path) -> None:
    clock = ManualClock()

    def after(seconds: float) -> Any:
        async def reply(_: Any) -> str:
            await clock.sleep(seconds)
            return "fine"

        return reply

    text = "[routes.r]\nmodels = ['a/slow', 'b/fast']\nstrategy = 'latency'"
    scripts = {"a/slow": after(3), "b/fast": after(1)}
    gateway = scripted_gateway(scripts, settings=settings(tmp_path, text), clock=clock)
    responses = [await gateway.chat(ask("r")) for _ in range(4)]
    assert [one.provider for one in responses] == ["a", "b", "b", "b"]
    assert "by latency: b/fast, a/slow" in [one.message for one in responses[-1].attempts]


def test_every_route_that_cannot_be_is_named_at_once(tmp_path: Path) -> None:
    message = fault(tmp_path, "[routes.r]\nmodels = ['gpt-nosuch']\n[routes.s]\nmodels = ['claude-nosuch']")
    assert "[routes.r]" in message
    assert "[routes.s]" in message


def test_patterns_may_name_models_of_a_server_that_did_not_list_any(tmp_path: Path) -> None:
    text = "[providers.own]\nbase_url = 'http://127.0.0.1:9/v1'\n"
    silent = Catalog(settings(tmp_path, text), unreachable={"own": "nobody answers"})
    assert silent.candidates("openai/gpt-4o", Policy(deny=frozenset({"own/whatever"}))).candidates
    listed = Catalog(settings(tmp_path, text), discovered={"own": ("llama3",)})
    with pytest.raises(ConfigurationError, match="did you mean 'own/llama3'"):
        listed.candidates("openai/gpt-4o", Policy(deny=frozenset({"own/lama3"})))
