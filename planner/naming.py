"""Short names for steps and workflows, made from the words of the task."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from planner.clauses import Clause
from planner.lexicon import word_set

__all__ = ["step_name", "thing_name", "unused", "workflow_name"]

_WORD = re.compile(r"[a-z0-9]+")
_SKIPPED = word_set(
    """
    i need want would like please have we you a an the my your our his her its their this that these those some
    any one two three four five me us it them both all each of in to and or for on with
    """
)
_ENDS = word_set(
    """
    of in into to from for about with that which who by on at as using based between and or so if where when
    """
)
_OBJECT_END = re.compile(r"[,.:;()?!\n]")
_LONGEST = 40


def step_name(clause: Clause, *, taken: Collection[str], place: int) -> str:
    """An id such as `write_headline`: the verb and the last word of its object; `part_3` when neither is Latin."""
    if clause.verb in {"compare", "contrast"}:
        return unused(clause.verb, taken)
    said = _OBJECT_END.split(clause.masked.lower().replace("'", "").replace("’", ""), maxsplit=1)[0]
    words = _WORD.findall(_latin(said))
    verb = clause.verb or ("answer" if "?" in clause.masked else "")
    rest = words[1:] if clause.verb and words and words[0] == clause.verb.split("-")[0] else words
    phrase: list[str] = []
    for word in rest[:8]:
        if word in _ENDS and phrase:
            break
        if word not in _SKIPPED and not word.isdigit():
            phrase.append(word)
    parts = [*_WORD.findall(verb), *([phrase[-1]] if phrase and clause.verb else phrase[:2])]
    name = "_".join(parts)[:_LONGEST].strip("_")
    if not name or not name[0].isalpha():
        name = f"part_{place}"
    return unused(name, taken)


def unused(name: str, taken: Collection[str]) -> str:
    """`name`, or `name_2` and so on when it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def thing_name(thing: str, *, taken: Collection[str], place: int) -> str:
    """An id for the study of one thing: `facts_wind_power`."""
    words = [word for word in _WORD.findall(_latin(thing.lower())) if word not in _SKIPPED][:4]
    return unused("_".join(["facts", *(words or [str(place)])])[:_LONGEST].strip("_"), taken)


def workflow_name(task: str) -> str:
    """Lower-case words joined by hyphens, from the beginning of the task; `task` when there are none."""
    words = _WORD.findall(_latin(task[:200].lower().replace("'", "").replace("’", "")))[:7]
    return "-".join(words)[:60].strip("-") or "task"


def _latin(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
