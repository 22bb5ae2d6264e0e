from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.catalog import Catalog, provider_rows
from unified_api.errors import ConfigurationError, NoCandidateError
from unified_api.facts import facts
from unified_api.providers import ProviderRow, builtin_rows, is_loopback
from unified_api.settings import Environment, Route, Settings
from unified_api.types import Policy
from unified_api.wire.model_patterns import first_match


def settings(*keys: str, providers: dict[str, ProviderRow] | None = None, **routes: tuple[str, ...]) -> Settings:
    return Settings(
        environment=Environment(dict.fromkeys(keys, "sk-test")),
        providers=providers or {},
        routes={name: Route(models=models) for name, models in routes.items()},
    )


def ids(catalog: Catalog, model: str, policy: Policy = Policy()) -> list[str]:
    return [found.id for found in catalog.candidates(model, policy).candidates]


@pytest.mark.parametrize(
    ("tier", "first"),
    [("economy", "openai/gpt-5.4-mini"), ("standard", "openai/gpt-5.1"), ("premium", "openai/gpt-5.5")],
)
def test_one_key_alone_makes_auto_work_at_every_tier(tier: str, first: str) -> None:
    assert ids(Catalog(settings("OPENAI_API_KEY")), "auto", Policy(tier=tier))[0] == first


def test_a_fallback_never_costs_more_than_the_tier_asked_for_while_that_can_serve() -> None:
    catalog = Catalog(settings("OPENAI_API_KEY"))
    assert ids(catalog, "auto", Policy(tier="economy")) == ["openai/gpt-5.4-mini"]
    assert ids(catalog, "auto") == ["openai/gpt-5.1", "openai/gpt-5.4-mini"]
    assert ids(catalog, "auto", Policy(tier="premium")) == ["openai/gpt-5.5", "openai/gpt-5.1", "openai/gpt-5.4-mini"]
    assert ids(Catalog(settings("XAI_API_KEY")), "auto", Policy(tier="economy")) == ["xai/grok-4.3"]
    dropped = {drop.model: drop.code for drop in catalog.candidates("auto").dropped}
    assert dropped["openai/gpt-5.5"] == "dearer_tier"


@pytest.mark.parametrize("need", ["structured_output", "tools", "vision", "streaming", "embeddings", "image_output"])
def test_one_key_alone_serves_every_kind_of_call(need: str) -> None:
    found = Catalog(settings("OPENAI_API_KEY")).candidates("auto", Policy(needs=frozenset({need})))
    assert found.candidates[0].provider == "openai"
    assert all(need in model.capabilities for model in found.candidates)


VARIABLES = re.compile(r"\$\{(\w+)\}")
KEYS = {"bedrock": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
KINDS = ("chat", "embeddings", "image_output")


@pytest.mark.parametrize("name", [name for name, row in builtin_rows().items() if row.api_key_env is not None])
def test_every_builtin_provider_serves_auto_with_its_variables_alone(name: str) -> None:
    """Those whose key people have for other things as well serve by name alone, until a table says otherwise."""
    row = builtin_rows()[name]
    keys = (*KEYS.get(name, (row.api_key_env or "",)), *VARIABLES.findall(row.base_url or ""))
    kind = next(kind for kind in KINDS if kind in row.capabilities_of(row.names[0], facts(name, row.names[0])))
    policy = Policy(needs=frozenset({kind}), tier="premium")
    assert any(one.startswith(f"{name}/") for one in ids(Catalog(settings(*keys)), "auto", policy)) is row.auto
    assert ids(Catalog(settings(*keys)), f"{name}/{row.names[0]}", Policy(needs=frozenset({kind})))
    own = Catalog(settings(*keys, providers={name: ProviderRow(auto=True)}))
    assert any(one.startswith(f"{name}/") for one in ids(own, "auto", policy))


def test_a_variable_of_an_address_that_is_not_set_is_what_a_model_lacks() -> None:
    catalog = Catalog(settings("AZURE_API_KEY"))
    model = catalog.get("azure/gpt-5.1")
    assert (model.ready, model.missing) == (False, "AZURE_RESOURCE_NAME")
    with pytest.raises(NoCandidateError, match="the environment variable AZURE_RESOURCE_NAME is not set"):
        catalog.candidates("azure/gpt-5.1")
    filled = settings_of({"AZURE_API_KEY": "k", "AZURE_RESOURCE_NAME": "acme-eu"})
    assert provider_rows(filled)["azure"].base_url == "https://acme-eu.openai.azure.com/openai/v1"
    assert Catalog(filled).get("azure/gpt-5.1").ready


def settings_of(variables: dict[str, str], providers: dict[str, ProviderRow] | None = None) -> Settings:
    return Settings(environment=Environment(variables), providers=providers or {})


def test_an_address_takes_its_default_and_a_host_with_its_scheme() -> None:
    bedrock = provider_rows(settings_of({}))["bedrock"].base_url
    assert bedrock == "https://bedrock-runtime.us-east-1.amazonaws.com"
    there = provider_rows(settings_of({"AWS_REGION": "eu-central-1"}))["bedrock"].base_url
    assert there == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    for region, more in (("eu-west-3", {}), ("eu-central-1", {"AWS_REGION": "eu-central-1"})):
        found = provider_rows(settings_of({"AWS_DEFAULT_REGION": "eu-west-3", **more}))["bedrock"].base_url
        assert found == f"https://bedrock-runtime.{region}.amazonaws.com"
    odd = {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "of another tool/?"}
    assert provider_rows(settings_of(odd))["bedrock"].base_url == there
    blank = {"AWS_REGION": " ", "AWS_DEFAULT_REGION": "eu-west-3"}
    assert provider_rows(settings_of(blank))["bedrock"].base_url == "https://bedrock-runtime.eu-west-3.amazonaws.com"
    databricks = settings_of({"DATABRICKS_HOST": "https://adb-1.2.azuredatabricks.net/"})
    assert provider_rows(databricks)["databricks"].base_url == "https://adb-1.2.azuredatabricks.net/serving-endpoints"


@pytest.mark.parametrize(
    "value",
    [
        "evil.example/x", "a@evil.example", "x?y=", "a#b", "a b", "..", "a\nb", "x:80", "-", "é", "http://x", "/",
        "a..b", "a.-b", "a-.b", "a" * 64, f"{'a' * 60}." * 5,
    ],
)  # fmt: skip
def test_a_variables_value_cannot_move_an_address_elsewhere(value: str) -> None:
    variables = {"AZURE_RESOURCE_NAME": value, "AZURE_API_KEY": "k", "OPENAI_API_KEY": "k"}
    catalog = Catalog(settings_of(variables))
    assert ids(catalog, "auto")[0] == "openai/gpt-5.1"  # others are not stopped by it
    with pytest.raises(NoCandidateError, match="the environment variable AZURE_RESOURCE_NAME holds"):
        catalog.candidates("azure/gpt-5.1")
    own = {"azure": ProviderRow(clearance="public")}
    with pytest.raises(ConfigurationError, match=r"\[providers.azure\]: the environment variable AZURE_RESOURCE_NAME"):
        provider_rows(settings_of(variables, own))


def test_a_key_in_the_variable_of_an_address_is_not_shown() -> None:
    variables = {"AZURE_RESOURCE_NAME": "dapi-0123456789/+secret", "AZURE_API_KEY": "k"}
    with pytest.raises(ConfigurationError) as caught:
        provider_rows(settings_of(variables, {"azure": ProviderRow(clearance="public")}))
    assert "secret" not in caught.value.message


def test_a_key_that_cannot_be_one_stops_auto_and_not_who_has_it_for_another_tool() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY holds characters that no key has"):
        Catalog(settings_of({"OPENAI_API_KEY": "sk a"}))
    catalog = Catalog(settings_of({"GITHUB_TOKEN": "ghp a", "OPENAI_API_KEY": "k"}))
    assert ids(catalog, "auto")
    with pytest.raises(NoCandidateError, match="GITHUB_TOKEN holds characters that no key has"):
        catalog.candidates("github/openai/gpt-4.1")


@given(st.text(min_size=1, max_size=40))
def test_no_value_at_all_makes_another_host_of_an_address(value: str) -> None:
    address = provider_rows(settings_of({"AZURE_RESOURCE_NAME": value}))["azure"].base_url
    assert "$" in address or urlsplit(address).hostname.endswith(".openai.azure.com")
    assert "$" in address or urlsplit(address).path == "/openai/v1"


@pytest.mark.parametrize(
    "address", ["https://${A B}.x.example", "https://${A:-b/c}.x.example", "https://$A.x", "https://{x}"]
)
def test_an_address_with_a_slip_in_its_variable_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"\$\{NAME\} or \$\{NAME:-default\}"):
        ProviderRow(base_url=address)


def test_a_server_of_ones_own_under_a_known_name_needs_no_address_and_comes_first() -> None:
    own = settings("OPENAI_API_KEY", providers={"ollama": ProviderRow(clearance="internal")})
    rows = provider_rows(own)
    assert rows["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert next(iter(rows)) == "ollama"
    catalog = Catalog(own, discovered={"ollama": ("llama3.1:8b",)})
    assert ids(catalog, "auto")[0] == "ollama/llama3.1:8b"
    assert Catalog(settings()).get("ollama/llama3.1:8b").ready


def test_facts_of_a_model_go_before_the_rows_guess_and_the_users_word_before_both() -> None:
    assert "tools" not in Catalog(settings()).get("cloudflare/@cf/qwen/qwq-32b").capabilities
    assert "tools" in Catalog(settings()).get("cloudflare/@cf/qwen/not-known-yet").capabilities
    own = {"cloudflare": ProviderRow(capabilities={"tools": ("*qwq*",)})}
    assert "tools" in Catalog(settings(providers=own)).get("cloudflare/@cf/qwen/qwq-32b").capabilities


def test_a_price_that_only_the_tables_know_holds() -> None:
    catalog = Catalog(settings("DASHSCOPE_API_KEY"))
    model = catalog.get("dashscope/qwen-plus")
    assert model.prices.input > 0
    assert catalog.stated_prices(model) == model.prices
    known = catalog.get("openai/gpt-4o")
    assert catalog.stated_prices(known) is None


def test_a_compatible_row_is_at_most_nine_lines_and_states_no_unverified_clearance() -> None:
    text = files("unified_api").joinpath("providers.toml").read_text("utf-8")
    tables = [part for part in text.split("\n\n") if part.startswith("[")]
    assert len(tables) == len(builtin_rows())
    for table in tables:
        own_wire = re.search(r"^wires? = ", table, re.MULTILINE) is not None
        most = 11 if own_wire else 9
        keys = table.strip().splitlines()[1:]
        assert len(keys) <= most or 'wire = "local"' in table, table
    for name, table in tomllib.loads(text).items():
        if table.get("clearance", "public") != "public":
            assert table["data_policy"]["source"].startswith("https://"), name


def test_without_a_key_the_reason_for_every_model_is_told() -> None:
    with pytest.raises(NoCandidateError) as caught:
        Catalog(
            settings(), missing={"local/smollm2-135m-instruct": "the weights: orchestrate models pull local"}
        ).candidates("auto")
    message = str(caught.value)
    assert "OPENAI_API_KEY is not set" in message
    assert "orchestrate models pull local" in message
    dropped = {attempt.model: attempt.error for attempt in caught.value.attempts}
    assert dropped["openai/gpt-5.1"] == "no_credentials"
    assert dropped["local/smollm2-135m-instruct"] == "not_ready"
    assert "openai/gpt-image-1" not in dropped


def test_offline_the_local_stand_ins_serve_and_with_a_key_they_never_do() -> None:
    offline = Catalog(settings())
    assert ids(offline, "auto") == ["local/smollm2-135m-instruct"]
    assert ids(offline, "auto", Policy(needs=frozenset({"image_output"}))) == ["local/placeholder-image"]
    assert ids(offline, "auto", Policy(needs=frozenset({"embeddings"}))) == ["local/wordllama-256"]
    online = Catalog(settings("OPENAI_API_KEY")).candidates("auto")
    assert "local/smollm2-135m-instruct" not in [model.id for model in online.candidates]
    assert "stand_in" in {drop.code for drop in online.dropped if drop.model == "local/smollm2-135m-instruct"}
    assert ids(Catalog(settings("OPENAI_API_KEY")), "local/smollm2-135m-instruct") == ["local/smollm2-135m-instruct"]


def test_auto_keeps_to_one_vector_space() -> None:
    found = Catalog(settings("OPENAI_API_KEY", "MISTRAL_API_KEY")).candidates(
        "auto", Policy(needs=frozenset({"embeddings"}))
    )
    assert [model.id for model in found.candidates] == ["openai/text-embedding-3-small"]
    assert "other_vectors" in {drop.code for drop in found.dropped}


def test_the_users_own_provider_comes_first_and_counts_as_any_tier() -> None:
    row = ProviderRow(base_url="http://127.0.0.1:11434/v1")
    catalog = Catalog(settings("OPENAI_API_KEY", providers={"box": row}), discovered={"box": ("llama3:8b",)})
    for tier in ("economy", "standard", "premium"):
        assert ids(catalog, "auto", Policy(tier=tier))[0] == "box/llama3:8b"


def test_clearance_is_filtered_and_unknown_policies_get_public_data_only() -> None:
    catalog = Catalog(settings("OPENAI_API_KEY", "DEEPSEEK_API_KEY"))
    assert ids(catalog, "deepseek/deepseek-v4-pro")
    with pytest.raises(NoCandidateError, match="cleared for public data, and this is internal"):
        catalog.candidates("deepseek/deepseek-v4-pro", Policy(sensitivity="internal"))
    assert {i.partition("/")[0] for i in ids(catalog, "auto", Policy(sensitivity="internal"))} == {"openai"}
    assert ids(catalog, "auto", Policy(sensitivity="restricted")) == ["local/smollm2-135m-instruct"]


def test_a_server_on_this_machine_may_be_sent_everything_and_one_elsewhere_only_public_data() -> None:
    here, there = ProviderRow(base_url="http://localhost:8000/v1"), ProviderRow(base_url="http://10.0.0.5:8000/v1")
    catalog = Catalog(settings(providers={"here": here, "there": there}))
    assert catalog.get("here/m").data_policy.clearance == "restricted"
    assert catalog.get("there/m").data_policy.clearance == "public"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]/v1", True),
        ("http://LOCALHOST/", True),
        ("http://localhost.", False),
        ("http://a.localhost", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://0.0.0.0", False),
    ],
)
def test_this_machine_is_told_from_names_that_only_look_like_it(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_the_users_keys_are_merged_over_a_builtin_row() -> None:
    own = ProviderRow.model_validate(
        {"clearance": "confidential", "tiers": {"standard": "gpt-4.1"}, "profile": {"stream_usage": False}}
    )
    catalog = Catalog(settings("OPENAI_API_KEY", providers={"openai": own}))
    assert ids(catalog, "auto", Policy(sensitivity="confidential"))[0] == "openai/gpt-4.1"
    assert ids(catalog, "auto", Policy(tier="economy"))[0] == "openai/gpt-5.4-mini"
    assert catalog.base_url("openai") == "https://api.openai.com/v1"
    profile = provider_rows(settings(providers={"openai": own}))["openai"].profile
    assert (profile.stream_usage, profile.max_tokens_field) == (False, "max_completion_tokens")


def test_another_address_inherits_no_trust_and_the_key_only_on_this_machine() -> None:
    moved = ProviderRow(base_url="https://proxy.example/v1")
    row = provider_rows(settings(providers={"openai": moved}))["openai"]
    assert (row.api_key_env, row.effective_clearance, row.data_policy.trains) == (None, "public", None)
    assert row.profile.max_tokens_field == "max_completion_tokens"
    stated = ProviderRow(base_url="https://proxy.example/v1", api_key_env="OPENAI_API_KEY", clearance="internal")
    row = provider_rows(settings(providers={"openai": stated}))["openai"]
    assert (row.api_key_env, row.effective_clearance) == ("OPENAI_API_KEY", "internal")
    proxy = ProviderRow(base_url="http://127.0.0.1:9000/v1")
    row = provider_rows(settings(providers={"openai": proxy}))["openai"]
    assert (row.api_key_env, row.effective_clearance, row.data_policy.trains) == ("OPENAI_API_KEY", "internal", None)


def test_prices_follow_a_providers_name_or_what_it_is_priced_as() -> None:
    def price(name: str, **row: object) -> object:
        rows = {name: ProviderRow.model_validate({"base_url": "http://127.0.0.1:9000/v1", **row})}
        model = Catalog(settings("OPENAI_API_KEY", providers=rows)).get(f"{name}/gpt-4o")
        assert model is not None
        return model.prices

    public = Catalog(settings("OPENAI_API_KEY")).get("openai/gpt-4o")
    assert public is not None
    assert public.prices is not None
    assert price("openai") == public.prices
    assert price("proxy") is None
    assert price("proxy", priced_as="openai") == public.prices
    stated = price("openai", prices={"gpt-4o": {"input": 1, "output": 2}})
    assert stated not in (None, public.prices)
    with pytest.raises(ValueError, match="'opnai' is no built-in provider; did you mean 'openai'"):
        price("proxy", priced_as="opnai")


def test_the_same_host_under_another_path_keeps_everything() -> None:
    same = ProviderRow(base_url="https://api.openai.com:443/v2")
    row = provider_rows(settings(providers={"openai": same}))["openai"]
    assert (row.api_key_env, row.effective_clearance) == ("OPENAI_API_KEY", "internal")


def test_a_key_is_not_sent_readable_for_everyone_on_the_way() -> None:
    def rows(url: str, **more: object) -> dict[str, ProviderRow]:
        row = ProviderRow.model_validate({"base_url": url, "api_key_env": "BOX_KEY", **more})
        return provider_rows(settings(providers={"box": row}))

    with pytest.raises(ConfigurationError, match=r"\[providers.box\] would send BOX_KEY over plain http.*key_in_clear"):
        rows("http://10.0.0.5:8000/v1")
    with pytest.raises(ConfigurationError, match="plain http"):
        rows("HTTP://10.0.0.5:8000/v1")
    assert rows("http://10.0.0.5:8000/v1", key_in_clear=True)["box"].api_key_env == "BOX_KEY"
    assert rows("http://127.0.0.1:8000/v1")["box"].api_key_env == "BOX_KEY"


def test_a_new_provider_needs_an_address() -> None:
    with pytest.raises(ConfigurationError, match=r"\[providers.opnai\] needs a base_url, or did you mean"):
        provider_rows(settings(providers={"opnai": ProviderRow()}))


def test_the_in_process_wire_is_the_local_providers_alone() -> None:
    row = ProviderRow(base_url="http://localhost:1/v1", wire="local")
    with pytest.raises(ConfigurationError, match="only the provider local"):
        Catalog(settings(providers={"box": row}))


def test_an_unknown_model_of_a_known_provider_works_with_its_price_unknown() -> None:
    model = Catalog(settings("OPENAI_API_KEY")).candidates("openai/gpt-77-nova").candidates[0]
    assert (model.name, model.prices, model.context) == ("gpt-77-nova", None, None)
    assert "chat" in model.capabilities


def test_known_models_have_price_context_and_capabilities() -> None:
    model = Catalog(settings("OPENAI_API_KEY")).get("openai/gpt-4o-mini")
    assert model.prices.input == Decimal("0.15")
    assert model.context == 128_000
    assert {"chat", "vision", "tools", "structured_output", "streaming"} <= model.capabilities
    assert "temperature" in Catalog(settings()).get("openai/gpt-5-mini").unsupported


def test_prices_stated_in_the_configuration_hold() -> None:
    row = ProviderRow.model_validate(
        {"base_url": "https://a.example/v1", "prices": {"big-*": {"input": "1.5", "output": 6}}}
    )
    catalog = Catalog(settings(providers={"acme": row}))
    assert catalog.get("acme/big-1").prices.output == 6
    assert catalog.get("acme/small").prices is None


def test_a_bare_name_resolves_when_it_means_one_model() -> None:
    catalog = Catalog(settings("OPENAI_API_KEY"))
    assert ids(catalog, "gpt-4o") == ["openai/gpt-4o"]
    assert ids(catalog, "text-embedding-3-small", Policy(needs=frozenset({"embeddings"})))


def test_a_bare_name_with_several_meanings_takes_the_only_ready_one_or_asks() -> None:
    rows = {name: ProviderRow(base_url=f"https://{name}.example", api_key_env=f"{name}_KEY") for name in ("a", "b")}
    discovered = {"a": ("shared",), "b": ("shared",)}
    assert ids(Catalog(settings("b_KEY", providers=rows), discovered=discovered), "shared") == ["b/shared"]
    with pytest.raises(ConfigurationError, match=r"several models; write one of a/shared, b/shared"):
        Catalog(settings("a_KEY", "b_KEY", providers=rows), discovered=discovered).candidates("shared")


def test_a_name_with_a_slash_may_still_be_bare() -> None:
    row = ProviderRow(base_url="http://localhost:8000/v1")
    catalog = Catalog(settings(providers={"box": row}), discovered={"box": ("meta-llama/Llama-3.1-8B",)})
    assert ids(catalog, "meta-llama/Llama-3.1-8B") == ["box/meta-llama/Llama-3.1-8B"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("opnai/gpt-5-mini", "did you mean 'openai/gpt-5-mini'"),
        ("gpt5-mini", "gpt-5-mini"),
        ("zzz", "orchestrate models"),
        ("", "orchestrate models"),
        ("route/mian", "did you mean 'main'"),
        ("local/smollm", "local/smollm2-135m-instruct"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_a_suggestion(name: str, hint: str) -> None:
    catalog = Catalog(settings("OPENAI_API_KEY", main=("openai/gpt-5.1",)))
    with pytest.raises(ConfigurationError) as caught:
        catalog.candidates(name)
    assert hint in str(caught.value)


def test_a_route_keeps_its_order_and_is_filtered_like_the_rest() -> None:
    catalog = Catalog(settings("OPENAI_API_KEY", "GROQ_API_KEY", main=("groq/llama-3.3-70b-versatile", "gpt-4o")))
    assert ids(catalog, "route/main") == ["groq/llama-3.3-70b-versatile", "openai/gpt-4o"]
    assert ids(catalog, "route/main", Policy(needs=frozenset({"vision"}))) == ["openai/gpt-4o"]


@pytest.mark.parametrize("model", ["auto", "route/main", "nonsense"])
def test_a_route_to_nowhere_is_refused_at_once(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[routes.main\]"):
        Catalog(settings("OPENAI_API_KEY", main=(model,)))


def test_what_surely_does_not_fit_is_dropped() -> None:
    with pytest.raises(NoCandidateError, match="holds 128,000 tokens"):
        Catalog(settings("OPENAI_API_KEY")).candidates("openai/gpt-4o", tokens=200_000)


def test_a_shading_parameter_that_a_model_refuses_matters_only_where_the_caller_named_the_model() -> None:
    catalog = Catalog(settings("OPENAI_API_KEY"))
    assert catalog.candidates("auto", parameters=frozenset({"temperature"})).candidates
    with pytest.raises(NoCandidateError, match="refuses temperature"):
        catalog.candidates("openai/gpt-5-mini", parameters=frozenset({"temperature"}))
    with pytest.raises(NoCandidateError, match="refuses stop"):
        catalog.candidates("openai/gpt-5-mini", parameters=frozenset({"stop"}))


def test_a_server_that_did_not_answer_is_named_where_nothing_may_serve() -> None:
    row = ProviderRow(base_url="http://localhost:1/v1")
    missing = {"local/smollm2-135m-instruct": "the weights"}
    catalog = Catalog(settings(providers={"box": row}), unreachable={"box": "it is down"}, missing=missing)
    with pytest.raises(NoCandidateError, match=r"box/\*: it is down"):
        catalog.candidates("auto")


def test_a_kind_that_no_model_is_of_is_named() -> None:
    with pytest.raises(NoCandidateError, match="no known model can do image_output"):
        Catalog(settings(), rows={}).candidates("auto", Policy(needs=frozenset({"image_output"})))


def test_every_listed_model_can_do_something_and_has_an_id_of_its_own() -> None:
    models = Catalog(settings()).models
    assert all(model.capabilities for model in models)
    assert len({model.id for model in models}) == len(models)
    wires = {model.wire for model in models if model.provider == "openai" and model.name.endswith("-pro")}
    assert wires == {"openai_responses"}


@pytest.mark.parametrize("keys", [(), ("OPENAI_API_KEY",), ("XAI_API_KEY", "AZURE_API_KEY")])
def test_the_ready_models_are_those_of_all_that_are_ready(keys: tuple[str, ...]) -> None:
    every = [model.id for model in Catalog(settings(*keys)).models if model.ready]
    assert [model.id for model in Catalog(settings(*keys)).ready] == every


def test_the_users_patterns_are_heeded_before_those_of_the_builtin_row() -> None:
    """Of several patterns that fit a model the first one counts."""
    own = {"profile": {"efforts": {"grok-4.35": {"xhigh": "max"}, "grok-4.3*": {"low": "least"}}}}
    rows = provider_rows(settings(providers={"xai": ProviderRow.model_validate(own)}))
    efforts = rows["xai"].profile.efforts
    assert first_match(efforts, "grok-4.35") == {"xhigh": "max"}
    assert first_match(efforts, "grok-4.3") == {"low": "least"}
    assert first_match(efforts, "grok-3-mini") == {"low": "low", "high": "high"}
    tiers = ProviderRow.model_validate({"tiers": {"premium": "gpt-5.1"}})
    assert provider_rows(settings(providers={"openai": tiers}))["openai"].tier_of("gpt-5.1") == "standard"
