"""Counts the text that the loops of a template write out."""

from __future__ import annotations

from workflows.lexer import Segment

__all__ = ["metered"]


def metered(source: str, segments: tuple[Segment, ...], *, meter: str, least: int) -> str:
    """The source with a call at the head of each loop that tells `meter` how many characters one round may write.

    minijinja shows what it writes of values, but not of the template's own text, and a short loop can write
    gigabytes of it. Loops of fewer characters than `least` are left as they are.
    """
    lengths: dict[int, int] = {}
    loops: list[int] = []
    for segment in segments:
        word = segment.tokens[0].text if segment.kind == "statement" and segment.tokens else ""
        if word == "for":
            loops.append(segment.end)
        elif word == "endfor" and loops:
            loops.pop()
        elif segment.kind == "text" and loops:
            lengths[loops[-1]] = lengths.get(loops[-1], 0) + segment.end - segment.start
    for end, length in sorted(lengths.items(), reverse=True):
        if length >= least:
            trim = "-" if source[end - 3] == "-" else ""
            source = f"{source[:end]}{{{{ {meter}({length}) {trim}}}}}{source[end:]}"
    return source
