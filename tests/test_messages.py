"""Errors of the front say what was expected, and then what was received."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "python" / "rustnet"
# Other errors tell of a class that is to define a method, of what is not offered, of files and networks.
CHECKED = {"ValueError", "TypeError"}
# Where nothing was received, by file and part of the message.
WITHOUT_VALUE = {
    ("core/rules.py", "RUSTNET_DISABLE_RULES"): "the error inside says what was received",
    ("layers/calling.py", "expected the arguments of its call()"): "Python says what is wrong with them",
    ("layers/input_layer.py", "expected no call of the input layer"): "the call itself is wrong",
    ("layers/state.py", "expected to be built before its weights are counted"): "there are none",
    ("layers/surface.py", "expected to be built before stateless_call"): "there are no weights",
    ("layers/surface.py", "expected stateless_call outside of other layers"): "the call itself is wrong",
    ("models/configuration.py", "expected arguments of its call"): "the error inside says what was received",
}


def messages() -> Iterator[tuple[str, int, str]]:
    """The constant parts of each message that is raised, with its file and line."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
                continue
            if getattr(node.exc.func, "id", None) not in CHECKED:
                continue
            parts = [part.value for part in ast.walk(node.exc.args[0]) if isinstance(part, ast.Constant)]
            text = "".join(part for part in parts if isinstance(part, str))
            # What an f-string puts in may be all of it.
            if len(text) > 20:
                yield path.relative_to(PACKAGE).as_posix(), node.lineno, text


def is_excused(file: str, text: str) -> bool:
    return any(file == known and part in text for known, part in WITHOUT_VALUE)


def test_messages_say_what_was_expected_and_received():
    found = list(messages())
    assert len(found) > 300
    wrong = [
        f"{file}:{line} {text}"
        for file, line, text in found
        if not ("expected" in text and "Received: " in text) and not is_excused(file, text)
    ]
    assert wrong == []


def test_excuses_are_still_needed():
    texts = [(file, text) for file, _, text in messages()]
    assert all(any(file == known and part in text for file, text in texts) for known, part in WITHOUT_VALUE)
