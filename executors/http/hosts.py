"""The allow-list of hosts: who may be reached, with what data, and with which credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from executors.failures import StepFailure
from executors.http.target import Target
from unified_api.settings import Environment, HostSettings, HttpSettings
from unified_api.types import Sensitivity
from unified_api.types.sensitivity import cleared

__all__ = ["AllowedHost", "allowed", "check_clearance", "secured"]


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """What the settings say of a host that may be reached."""

    entry: str
    clearance: Sensitivity
    private_addresses: bool
    token_env: str | None
    headers_env: Mapping[str, str]

    def credentials(self, environment: Environment) -> dict[str, str]:
        """The headers that go to this host alone. StepFailure `no_credentials`."""
        found: dict[str, str] = {}
        if self.token_env is not None:
            found["authorization"] = f"Bearer {self._value(self.token_env, environment)}"
        for name, variable in self.headers_env.items():
            found[name.lower()] = self._value(variable, environment)
        return found

    def _value(self, variable: str, environment: Environment) -> str:
        value = environment.get(variable)
        if value is None:
            raise StepFailure(
                "no_credentials", f"{self.entry!r} needs the environment variable {variable}, which is not set"
            )
        if not (value.isascii() and value.isprintable()):
            # The value is not shown: it is a secret.
            raise StepFailure(
                "no_credentials",
                f"the environment variable {variable} holds characters that no header can; copy it again",
            )
        return value


def allowed(target: Target, settings: HttpSettings) -> AllowedHost:
    """What the settings say of the target's host; the most exact entry counts.

    Raises:
        StepFailure: `host_not_allowed`.
    """
    entry = next((entry for entry in _entries(target) if entry in settings.hosts), None)
    if entry is None:
        raise StepFailure("host_not_allowed", _how_to_allow(target, settings))
    own = settings.hosts[entry]
    return AllowedHost(
        entry=entry,
        clearance=settings.clearance if own.clearance is None else own.clearance,
        private_addresses=settings.private_addresses if own.private_addresses is None else own.private_addresses,
        token_env=own.token_env,
        headers_env=own.headers_env,
    )


def check_clearance(host: AllowedHost, label: Sensitivity) -> None:
    """StepFailure `insufficient_clearance`."""
    if not cleared(host.clearance, label):
        raise StepFailure(
            "insufficient_clearance",
            f"the request holds {label} data and {host.entry!r} is cleared for {host.clearance}; nothing was sent. Set"
            f' clearance = "{label}" in [http.hosts."{host.entry}"] if it may have it, or `declassify` what it is sent',
        )


def _entries(target: Target) -> Iterator[str]:
    """Every entry that would allow the target, the most exact one first."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    names = [host]
    if target.address is None:
        labels = target.host.split(".")
        names += [f"*.{'.'.join(labels[place:])}" for place in range(1, len(labels))]
    is_usual = target.authority == host
    for name in names:
        yield f"{name}:{target.port}"
        if is_usual:
            yield name


def _how_to_allow(target: Target, settings: HttpSettings) -> str:
    if not settings.hosts:
        how = f'to allow them write `[http]` and `hosts = ["{target.authority}"]` into orchestrator.toml'
    elif all(host == HostSettings() for host in settings.hosts.values()):
        how = f'to allow them add "{target.authority}" to `hosts` in [http] of orchestrator.toml'
    else:
        how = f'to allow them write `[http.hosts."{target.authority}"]` into orchestrator.toml'
    known = ", ".join(list(settings.hosts)[:10]) or "none"
    return f"requests to {target.authority!r} are not allowed, so nothing was sent; {how} (allowed now: {known})"


def secured(target: Target, host: AllowedHost, *, is_private: bool) -> None:
    """Refuses to send credentials in the open. StepFailure `insecure_url`."""
    if target.scheme == "http" and not is_private and (host.token_env or host.headers_env):
        raise StepFailure(
            "insecure_url",
            f"{target.named} would carry the credentials of {host.entry!r} unencrypted through the internet; use https",
        )
