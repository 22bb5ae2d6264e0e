"""The settings: `orchestrator.toml` and the environment, read once and typed. The only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from unified_api.errors import ConfigurationError
from unified_api.providers import PROVIDER_NAME_PATTERN, ProviderRow
from unified_api.settings_file import read_tables

__all__ = ["FILE_NAME", "Environment", "PlannerSettings", "Route", "RunSettings", "Settings", "Timeouts"]

FILE_NAME = "orchestrator.toml"
_APPLICATION = "meta-orchestrator"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Timeouts(_Table):
    """`[timeouts]`, in seconds."""

    connect_s: Annotated[float, Field(gt=0)] = 10.0
    """Making the connection."""
    headers_s: Annotated[float, Field(gt=0)] = 300.0
    """From sending a request to the first byte of its answer. A call that is not streamed answers when it is whole."""
    first_token_s: Annotated[float, Field(gt=0)] = 300.0
    """From the start of a stream to its first content; comments, pings and role-only chunks are no content. Models that
    reason show nothing of it for minutes."""
    silence_s: Annotated[float, Field(gt=0)] = 60.0
    """Between two pieces of a stream; keep-alive comments are silence."""
    total_s: Annotated[float, Field(gt=0)] = 600.0
    """The whole call, all attempts and waits together, where the call's policy names no deadline."""

    def patient(self) -> Timeouts:
        """For a server on this machine: the waits for its first word that are not set here are the whole call's.

        Such a server may load its model first (Ollama allows itself five minutes) and reads a long prompt slowly.
        """
        waits = {name: self.total_s for name in ("headers_s", "first_token_s") if name not in self.model_fields_set}
        return self.model_copy(update=waits)


class Route(_Table):
    """`[routes.NAME]`: what `route/NAME` stands for."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """In order of preference."""


class PlannerSettings(_Table):
    """`[planner]`."""

    model: Annotated[str, StringConstraints(min_length=1)] = "auto"
    """What plans a task: a model as in a request, or `rules` for none."""


class RunSettings(_Table):
    """`[run]`."""

    max_parallel: Annotated[int, Field(ge=1, le=1000)] = 8
    """Steps at once, where the workflow does not say."""


class _File(_Table):
    providers: dict[Annotated[str, StringConstraints(pattern=PROVIDER_NAME_PATTERN)], ProviderRow] = {}
    routes: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")], Route] = {}
    timeouts: Timeouts = Timeouts()
    planner: PlannerSettings = PlannerSettings()
    run: RunSettings = RunSettings()


class Environment:
    """The environment's variables as they were; never shown, because some are secrets."""

    __slots__ = ("_variables",)

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(variables or {})

    def __repr__(self) -> str:
        return f"Environment(<{len(self._variables)} variables>)"

    def get(self, name: str) -> str | None:
        """The variable without the white space around it; None when it is unset or blank."""
        return self._variables.get(name, "").strip() or None

    def key(self, name: str) -> str | None:
        """A key to be sent in a header. ConfigurationError for one that no header can hold."""
        value = self.get(name)
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise ConfigurationError(
                f"the environment variable {name} holds characters that no key has (spaces, line ends or non-ASCII "
                "ones); copy the key again, without quotes"
            )
        return value


def _home(environment: Environment, kind: str) -> Path:
    home = environment.get("ORCHESTRATOR_HOME")
    if home:
        return Path(home).expanduser() / kind
    import platformdirs

    paths = {
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
        "config": platformdirs.user_config_path,
    }
    return paths[kind](_APPLICATION, appauthor=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. `Settings()` is the defaults without any key; `Settings.load()` is what the user has set."""

    path: Path | None = None
    """The file that was read."""
    providers: Mapping[str, ProviderRow] = field(default_factory=dict)
    """The user's own tables; the catalog merges each over the built-in row of the same name."""
    routes: Mapping[str, Route] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    planner: PlannerSettings = PlannerSettings()
    run: RunSettings = RunSettings()
    environment: Environment = field(default_factory=Environment, repr=False)

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `path`, or else the first that exists of $ORCHESTRATOR_CONFIG, ./orchestrator.toml and the user's own.

        Raises:
            ConfigurationError: the file cannot be read, or holds something that is no setting; names file and place.

        """
        environment = Environment(os.environ if environ is None else environ)
        found = path or _find(environment)
        if found is None:
            return cls(environment=environment)
        file = read_tables(found, _File)
        return cls(
            path=found,
            providers=file.providers,
            routes=file.routes,
            timeouts=file.timeouts,
            planner=file.planner,
            run=file.run,
            environment=environment,
        )

    @property
    def data_dir(self) -> Path:
        """Where runs are recorded: $ORCHESTRATOR_HOME/data, or the user's data folder. May not exist yet."""
        return _home(self.environment, "data")

    @property
    def cache_dir(self) -> Path:
        """Where weights are kept: $ORCHESTRATOR_HOME/cache, or the user's cache folder. May not exist yet."""
        return _home(self.environment, "cache")


def _find(environment: Environment) -> Path | None:
    named = environment.get("ORCHESTRATOR_CONFIG")
    if named:
        return Path(named).expanduser()
    here = Path(FILE_NAME)
    if here.is_file():
        return here.absolute()
    own = _home(environment, "config") / FILE_NAME
    return own if own.is_file() else None
