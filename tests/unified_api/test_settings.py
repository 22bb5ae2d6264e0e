from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified_api.errors import ConfigurationError
from unified_api.settings import Environment, Settings


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "orchestrator.toml"
    path.write_text(text, "utf-8")
    return Settings.load(path, environ=environ)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return str(caught.value)


def test_without_any_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load(environ={"ORCHESTRATOR_HOME": str(tmp_path / "home")})
    assert settings.path is None
    assert settings.planner.model == "auto"
    assert settings.timeouts.connect_s == 10


def test_every_table_is_read_typed(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [providers.acme]
        base_url = "https://api.acme.example/v1/"
        api_key_env = "ACME_API_KEY"
        clearance = "internal"
        tiers = { economy = "small" }
        prices = { "small" = { input = 0.5, output = 1 } }
        [routes.main]
        models = ["acme/large", "openai/gpt-5-mini"]
        [timeouts]
        silence_s = 5
        [planner]
        model = "rules"
        [run]
        max_parallel = 3
        """,
    )
    assert settings.providers["acme"].base_url == "https://api.acme.example/v1"
    assert settings.routes["main"].models == ("acme/large", "openai/gpt-5-mini")
    assert (settings.timeouts.silence_s, settings.planner.model, settings.run.max_parallel) == (5.0, "rules", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[providers.acme]\nbase_ur = "https://a.example"', ["line 2", "'base_ur'", "[providers.acme]", "'base_url'"]),
        ("[timeout]\ntotal_s = 3", ["line 1", "'timeout'", "the top level", "'timeouts'"]),
        ("[timeouts]\ntotal = 3", ["line 2", "'total'", "'total_s'"]),
        ("[timeouts]\nheaders_s = 0", ["line 2", "headers_s", "greater than 0"]),
        ('[providers.acme]\nbase_url = "acme"', ["line 2", "base_url", "https://api.example.com/v1"]),
        ('[providers.acme]\nbase_url = "https://me:pw@a.example"', ["must not hold a user name or password"]),
        ('[providers.acme]\nbase_url = "https://a.example:99999999"', ["base_url"]),
        ('[providers.acme]\napi_key_env = "gsk_4f7Qz81mXw93LdPq0Tn2"', ["line 2", "api_key_env", "looks like a key"]),
        ('[providers.acme.headers]\nx-a = "b\\r\\nx-c: d"', ["headers", "printable ASCII"]),
        ('[providers.acme.headers]\nx-a = "ü"', ["headers", "printable ASCII"]),
        ('[providers.acme.headers]\nHost = "evil.example"', ["headers", "'Host'", "leave it out"]),
        ('[providers.acme.headers]\ncontent-length = "3"', ["'content-length'", "leave it out"]),
        ('[providers.acme.headers]\nTransfer-Encoding = "chunked"', ["'Transfer-Encoding'", "leave it out"]),
        ('[providers.acme.headers]\nAuthorization = "Bearer x"', ["'Authorization'", "`auth`"]),
        ('[providers.acme]\nbase_url = "https://a..example/v1"', ["base_url", "1 to 63 characters"]),
        (f'[providers.acme]\nbase_url = "https://{"a" * 64}.example"', ["base_url", "1 to 63 characters"]),
        ('[providers.acme]\nclearance = "secret"', ["clearance", "'restricted'"]),
        ('[providers.Acme]\nbase_url = "https://a.example"', ["Acme", "pattern"]),
        ('[providers.acme.profile]\nmax_tokens = "x"', ["[providers.acme.profile]", "'max_tokens_field'"]),
        ("[routes.main]\nmodels = []", ["models", "at least 1"]),
        ("[run]\nmax_parallel = 0", ["max_parallel"]),
        ('[planner]\nmodel = ""', ["model", "[planner]"]),
        ("a = [", ["not valid TOML", "end of document"]),
        ("a = 1\nb = = 2", ["not valid TOML", "line 2"]),
        ("providers = 3", ["'providers'"]),
    ],
)
def test_what_is_no_setting_is_refused_with_file_place_key_and_the_nearest_valid_one(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    message = refusal(tmp_path, text)
    assert str(tmp_path / "orchestrator.toml") in message
    for word in words:
        assert word in message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, '[timeouts]\ntotal = 3\n[planner]\nmodle = "x"\n')
    assert "'total'" in message
    assert "'modle'" in message


def test_a_key_written_into_the_file_is_refused_without_being_repeated(tmp_path: Path) -> None:
    for text in ('[providers.acme]\napi_key = "sk-secret"', '[providers.acme]\napi_key_env = "sk-secret value"'):
        assert "sk-secret" not in refusal(tmp_path, text)
    assert "sk-secret" not in refusal(tmp_path, '[providers.acme.headers]\nx-key = "sk-secret\\n"')


@pytest.mark.parametrize(
    "key", ["gsk_4f7Qz81mXw93LdPq0Tn2", "AIzaSyD0000000000000000000000000000", "0123456789abcdef" * 2]
)
def test_a_key_in_the_place_of_its_variables_name_is_not_repeated_either(tmp_path: Path, key: str) -> None:
    assert key not in refusal(tmp_path, f'[providers.acme]\nbase_url = "https://a.example"\napi_key_env = "{key}"')


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Settings.load(tmp_path / "absent.toml", environ={})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Settings.load(tmp_path, environ={})
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[planner]\nmodel = "\xe9"')
    with pytest.raises(ConfigurationError, match="UTF-8"):
        Settings.load(latin, environ={})
    large = tmp_path / "large.toml"
    large.write_text("#" * 1_000_001, "utf-8")
    with pytest.raises(ConfigurationError, match="larger"):
        Settings.load(large, environ={})


def test_the_file_is_looked_for_in_the_environment_then_here_then_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "config").mkdir(parents=True)
    here.mkdir()
    (home / "config" / "orchestrator.toml").write_text('[planner]\nmodel = "home/m"', "utf-8")
    monkeypatch.chdir(here)
    environ = {"ORCHESTRATOR_HOME": str(home)}
    assert Settings.load(environ=environ).planner.model == "home/m"
    (here / "orchestrator.toml").write_text('[planner]\nmodel = "here/m"', "utf-8")
    assert Settings.load(environ=environ).planner.model == "here/m"
    named = tmp_path / "named.toml"
    named.write_text('[planner]\nmodel = "named/m"', "utf-8")
    assert Settings.load(environ={**environ, "ORCHESTRATOR_CONFIG": str(named)}).planner.model == "named/m"
    with pytest.raises(ConfigurationError, match="absent"):
        Settings.load(environ={**environ, "ORCHESTRATOR_CONFIG": str(tmp_path / "absent.toml")})


def test_the_home_variable_moves_every_folder(tmp_path: Path) -> None:
    settings = Settings(environment=Environment({"ORCHESTRATOR_HOME": str(tmp_path)}))
    assert settings.data_dir == tmp_path / "data"
    assert settings.cache_dir == tmp_path / "cache"
    assert Settings().data_dir != Settings().cache_dir


def test_secrets_are_never_shown() -> None:
    settings = Settings.load(environ={"OPENAI_API_KEY": "sk-secret", "ORCHESTRATOR_CONFIG": ""})
    assert settings.environment.key("OPENAI_API_KEY") == "sk-secret"
    assert "sk-secret" not in repr(settings) + str(settings.environment) + repr(vars(type(settings)))


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_a_blank_key_is_no_key(value: str) -> None:
    assert Environment({"KEY": value}).key("KEY") is None


@pytest.mark.parametrize("value", ["sk one", "sk\none", "schlüssel", "“sk-1”"])
def test_a_key_that_no_header_can_hold_is_refused_by_name_only(value: str) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        Environment({"OPENAI_API_KEY": value}).key("OPENAI_API_KEY")
    assert value not in str(caught.value)


_KEYS = st.sampled_from(
    ["providers", "routes", "acme", "timeouts", "planner", "run", "base_url", "models", "x.y", "[["]
)
_VALUES = st.sampled_from(['"text"', "3", "-1", "[]", "{}", "true", "1979-05-27", '["a"]', "inf", '"""', "'"])


@given(st.lists(st.tuples(_KEYS, _KEYS, _VALUES), max_size=5))
def test_any_file_gives_settings_or_a_readable_error(tmp_path_factory: pytest.TempPathFactory, lines: list) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"[{table}]\n{key} = {value}" for table, key, value in lines), "utf-8")
    with suppress(ConfigurationError):
        assert Settings.load(path, environ={}).path == path
