"""Finds the functions that a Python file or module offers as tools."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["ToolFileError", "functions_of"]


class ToolFileError(Exception):
    """A file or module of tools cannot be used; the message says why."""


def functions_of(sources: Iterable[str]) -> list[Callable[..., Any]]:
    """The functions of every source: a path that ends in `.py`, or the dotted name of an installed module.

    Those named in `__all__`, or else the public ones defined there. Importing runs the module's own code.

    Raises:
        ToolFileError: a source cannot be imported, or offers no function.
    """
    return [function for source in sources for function in _functions(source)]


def _functions(source: str) -> list[Callable[..., Any]]:
    module = _imported(source)
    named = getattr(module, "__all__", None)
    if named is None:
        named = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.__name__
        ]
    found = [getattr(module, name, None) for name in named]
    functions: list[Callable[..., Any]] = [function for function in found if inspect.isroutine(function)]
    if not functions:
        raise ToolFileError(f"{source!r} offers no tools: define public functions in it, or name them in __all__")
    return functions


def _imported(source: str) -> ModuleType:
    try:
        return _from_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except ToolFileError:
        raise
    except (Exception, SystemExit) as error:  # the module is the user's code and may raise anything
        raise ToolFileError(f"the tools {source!r} cannot be imported: {type(error).__name__}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ToolFileError(f"there is no file of tools at {str(path)!r}")
    name = f"tools_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ToolFileError(f"{str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where annotations and pickles look their names up
    spec.loader.exec_module(module)
    return module
