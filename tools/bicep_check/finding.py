"""What the checker has to say."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake.

    Attributes:
        file: Name of the file, relative to the folder that is checked.
        code: Stable, kebab-case name of the kind of mistake.
        message: What was found, what was expected.
    """

    file: str
    position: Position
    code: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.position.line}:{self.position.column}: {self.code}: {self.message}"
        )
