"""The words of the sources: the engine's errors, the field's vocabulary, and paths in documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PYTHON = TOP / "python" / "rustnet"
RUST = TOP / "src"

# Messages that say neither what was expected nor what was received: (file, how it begins) → why.
EXCEPTIONS = {
    ("graph/op.rs", "{} has no gradient"): "the op is all there is to say",
    (
        "ops/softmax/cross_entropy.rs",
        "label {label} at row",
    ): "says the label, its row and the number of classes",
}
# Words of ours that gave way to the field's: word → the field's, and where the word means something else.
FORMER_WORDS = {
    "tape": ("instruction sequence, fused kernel", ()),
    "tapes": ("instruction sequences", ()),
    "CompiledTape": ("FusedKernel", ()),
    "winner": ("argmax", ()),
    "winners": ("argmax", ()),
    "unit_of": ("item_of", ()),
    # The argument of two callbacks, as in Keras.
    "patience": ("time limit", ("callbacks/early_stopping.py", "callbacks/learning_rate.py")),
}


def messages_of_rust(text: str) -> Iterator[tuple[int, str]]:
    code = text.split("#[cfg(test)]\nmod tests {")[0]
    call = r'Error::(?:Shape|Configuration|Data)\(\s*(?:format!\(\s*)?"((?:[^"\\]|\\.)*)"'
    for found in re.finditer(call, code, re.DOTALL):
        yield code.count("\n", 0, found.start()) + 1, found[1]


def says_it(message: str) -> bool:
    return "expect" in message.lower() or "Received:" in message


def sources(*suffixes: str) -> list[tuple[str, Path]]:
    """Each source file, with its path below `src/` or the package."""
    return [
        (path.relative_to(root).as_posix(), path)
        for root in (PYTHON, RUST)
        for path in sorted(root.rglob("*"))
        if path.suffix in suffixes
    ]


def messages() -> Iterator[tuple[str, int, str]]:
    """The engine's; those of the front are read in `test_messages.py`."""
    for name, path in sources(".rs"):
        if not name.removesuffix(".rs").endswith(("tests", "testing")):
            yield from ((name, line, message) for line, message in messages_of_rust(path.read_text()))


def exception_of(name: str, message: str) -> tuple[str, str] | None:
    return next((key for key in EXCEPTIONS if key[0] == name and message.startswith(key[1])), None)


def test_an_error_says_what_was_expected_or_received():
    wrong = [
        f"{name}:{line}: {message}"
        for name, line, message in messages()
        if not says_it(message) and exception_of(name, message) is None
    ]
    assert not wrong, "\n".join(wrong)


def test_every_exception_is_needed():
    used = {exception_of(name, message) for name, _, message in messages() if not says_it(message)}
    assert set(EXCEPTIONS) == used - {None}


def test_messages_are_found():
    rust = 'x\n    Err(Error::Shape(format!(\n "no {x}",\n    Error::Data("expected 2. Received: n=3".into())'
    assert list(messages_of_rust(rust)) == [(2, "no {x}"), (4, "expected 2. Received: n=3")]
    assert [says_it(message) for _, message in messages_of_rust(rust)] == [False, True]
    assert len(list(messages())) > 50


@pytest.mark.parametrize("word", FORMER_WORDS)
def test_the_word_of_the_field_is_used(word):
    field, elsewhere = FORMER_WORDS[word]
    documents = [("docs/architecture.md", TOP / "docs" / "architecture.md")]
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, path in [*sources(".py", ".rs"), *documents]
        if name not in elsewhere
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(rf"\b{word}\b", line, re.IGNORECASE)
    ]
    assert not found, f"say {field!r}:\n" + "\n".join(found)


def test_the_files_that_the_architecture_names_exist():
    text = (TOP / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:rs|py|md))`", text)
    roots = (TOP, RUST, RUST / "compile", PYTHON)
    missing = [name for name in named if not any((root / name).is_file() for root in roots)]
    assert named and not missing, missing
