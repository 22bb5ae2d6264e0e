"""How much text there is to look at."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Length"]


@dataclass(slots=True)
class Length:
    """A visitor that counts characters and changes nothing."""

    characters: int = 0

    def texts(self, pieces: tuple[str, ...]) -> tuple[str, ...]:
        for piece in pieces:
            self.characters += len(piece)
        return pieces

    def behind(self, context: str, text: str) -> str:
        self.characters += len(context) + len(text)
        return text

    def arguments(self, text: str) -> str:
        self.characters += len(text)
        return text

    def fixed(self, text: str) -> None:
        self.characters += len(text)

    def definitions(self, texts: list[str]) -> None:
        self.characters += sum(map(len, texts))

    def media(self) -> None:
        """Nobody reads it."""
