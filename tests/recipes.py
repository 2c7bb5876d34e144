"""The recipes of docs/adding.md, as steps that can be followed and checks that can be run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
HEADING = re.compile(r"^## (?P<title>.+): (?P<number>\w+) files?$")
NEW_FILE = re.compile(r"^New file `(?P<path>[^`]+)`:$")
EDIT = re.compile(r"^In `(?P<path>[^`]+)`, (?P<side>after|before) ``? ?(?P<anchor>.+?) ?``?:$")
CHECK = re.compile(r"^Check it: `(?P<command>[^`]+)`$")


@dataclass(frozen=True)
class Edit:
    """One step of a recipe: a new file, or lines that go beside a line of a file that is there."""

    path: str
    text: str
    # The line that the text goes beside, without its indentation; None for a new file.
    anchor: str | None = None
    side: str = "after"

    def apply(self, root: Path) -> None:
        """Follows the step in a copy of the sources. Raises `ValueError` where they are not as it says."""
        path = root / self.path
        if self.anchor is None:
            if path.exists():
                raise ValueError(f"expected a new file. Received: {self.path}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text)
            return
        lines = path.read_text().splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.strip() == self.anchor]
        if len(found) != 1:
            raise ValueError(f"expected one line {self.anchor!r} in {self.path}. Received: lines {found}")
        position = found[0] + (self.side == "after")
        path.write_text("".join([*lines[:position], self.text, *lines[position:]]))


@dataclass
class Recipe:
    """How one kind of thing is added."""

    title: str
    # How many files the document says that it takes.
    stated: int
    edits: list[Edit] = field(default_factory=list)
    # Commands that must succeed afterwards.
    checks: list[str] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        return {edit.path for edit in self.edits}


def read(document: Path) -> list[Recipe]:
    """All recipes of the document, in its order."""
    recipes: list[Recipe] = []
    lines = iter(document.read_text().splitlines())
    for line in lines:
        if heading := HEADING.match(line):
            recipes.append(Recipe(heading["title"], NUMBERS.index(heading["number"])))
        elif new := NEW_FILE.match(line):
            recipes[-1].edits.append(Edit(new["path"], _next_block(lines)))
        elif edit := EDIT.match(line):
            recipes[-1].edits.append(Edit(edit["path"], _next_block(lines), edit["anchor"], edit["side"]))
        elif check := CHECK.match(line):
            recipes[-1].checks.append(check["command"])
    return recipes


def _next_block(lines: object) -> str:
    """The content of the next fenced block."""
    block: list[str] = []
    inside = False
    for line in lines:  # type: ignore[attr-defined]
        if line.startswith("```"):
            if inside:
                return "".join(f"{one}\n" for one in block)
            inside = True
        elif inside:
            block.append(line)
        elif line.strip():
            raise ValueError(f"expected a fenced block. Received: {line!r}")
    raise ValueError("expected a fenced block. Received: the end of the document")
