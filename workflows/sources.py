"""Where the workflows are found that steps of other workflows run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workflows import library
from workflows.findings import Finding, WorkflowError
from workflows.model import Workflow
from workflows.parse import read
from workflows.reading import MOST_TEXT

__all__ = ["Folder", "Library", "Missing", "Shelf", "Shelves", "WorkflowSource"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a workflow is not found."""

    names: tuple[str, ...] = ()
    """The workflows that there are."""
    versions: tuple[str, ...] = ()
    """The versions that there are of the workflow that was asked for."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with its file, where there is one that cannot be read."""


class WorkflowSource(Protocol):
    """Gives workflows by name and version."""

    def find(self, name: str, version: str) -> Workflow | Missing:
        """The workflow of this name and exactly this version. Never raises."""
        ...


class Shelf:
    """Workflows that are at hand."""

    def __init__(self, workflows: Iterable[Workflow] | Mapping[str, Workflow]) -> None:
        """The keys of a mapping are `name@version`, as a step pins them."""
        if isinstance(workflows, Mapping):
            self._held = dict(workflows)
        else:
            self._held = {f"{one.name}@{one.version}": one for one in workflows}

    def find(self, name: str, version: str) -> Workflow | Missing:
        found = self._held.get(f"{name}@{version}")
        return found if found is not None else _missing((key.rsplit("@", 1) for key in self._held), name)


class Library:
    """The ready workflows that come with the product."""

    def find(self, name: str, version: str) -> Workflow | Missing:
        names = library.names()
        if name not in names:
            return Missing(names)
        found = library.load(name)
        return found if found.version == version else Missing(names, (found.version,))


class Folder:
    """The files `NAME.json` of a folder, such as those beside a workflow's own file."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def find(self, name: str, version: str) -> Workflow | Missing:
        names = self._names()
        if name not in names:  # so no name leads out of the folder either
            return Missing(names)
        try:
            if (why := self._unfit(name)) is None:
                found = read(self._path / f"{name}.json")
        except WorkflowError as error:
            return Missing(names, findings=error.findings)
        except (OSError, RuntimeError) as error:  # the latter is how Python 3.11 tells of links in a circle
            why = getattr(error, "strerror", None) or str(error)
        if why is not None:
            broken = Finding(code="invalid_json", pointer="", message=f"the file {name}.json cannot be read: {why}")
            return Missing(names, findings=(broken,))
        return found if found.version == version else Missing(names, (found.version,))

    def _unfit(self, name: str) -> str | None:
        """Why a file is not opened: others than its author may have put it there, and a pipe has no end."""
        file = (self._path / f"{name}.json").resolve(strict=True)
        if not file.is_relative_to(self._path.resolve()):
            return "it is a link that leads out of the folder"
        if not file.is_file():
            return "it is no ordinary file"
        return f"it has more than {MOST_TEXT:,} bytes" if file.stat().st_size > MOST_TEXT else None

    def _names(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(one.stem for one in self._path.glob("*.json")))
        except OSError:
            return ()


class Shelves:
    """Several sources: the first that has the workflow gives it."""

    def __init__(self, *sources: WorkflowSource) -> None:
        self._sources = sources

    def find(self, name: str, version: str) -> Workflow | Missing:
        missing: list[Missing] = []
        for source in self._sources:
            found = source.find(name, version)
            if not isinstance(found, Missing):
                return found
            missing.append(found)
        return Missing(
            tuple(dict.fromkeys(name for one in missing for name in one.names)),
            tuple(dict.fromkeys(version for one in missing for version in one.versions)),
            tuple(finding for one in missing for finding in one.findings),
        )


def _missing(held: Iterable[list[str]], name: str) -> Missing:
    pairs = [(one[0], one[-1]) for one in held]
    names = tuple(dict.fromkeys(known for known, _ in pairs))
    return Missing(names, tuple(version for known, version in pairs if known == name))
