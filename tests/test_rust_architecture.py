"""Which part of the engine may use which: the modules of `src/` in one direction, and no circle of files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs import circles

TOP = Path(__file__).parent.parent
SOURCES = TOP / "src"
# From the lowest up: each part uses those before it, and itself.
PARTS = ("error", "tensor", "threads", "kernels", "graph", "ops", "compile", "runtime", "python")


def module_of(path: Path) -> tuple[str, ...]:
    """`src/kernels/gemm/mod.rs` → `("kernels", "gemm")`."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return parts[:-1] if parts[-1] == "mod" else parts


def is_test(path: Path) -> bool:
    """Whether a file is compiled for tests alone; these look at whatever they need."""
    return any(
        part.removesuffix(".rs").endswith(("tests", "testing")) for part in path.relative_to(SOURCES).parts
    )


FILES = {
    module_of(path): path
    for path in sorted(SOURCES.rglob("*.rs"))
    if path.name != "lib.rs" and not is_test(path)
}


def code_of(path: Path) -> str:
    """The source without its unit tests and comments, every line in its place."""
    text = path.read_text().split("#[cfg(test)]\nmod tests {")[0]
    return re.sub(r"//[^\n]*", "", text)


def expanded(path: str) -> Iterator[str]:
    """`a::{b, c::{d, e}}` → `a::b`, `a::c::d`, `a::c::e`."""
    if "{" not in path:
        yield path.split(" as ")[0].strip()
        return
    prefix, _, rest = path.partition("{")
    depth, item = 0, ""
    for letter in rest[: rest.rindex("}")] + ",":
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if item.strip():
                yield from expanded(prefix + item.strip())
            item = ""
        else:
            item += letter


def paths_in(path: Path) -> Iterator[tuple[str, int]]:
    """What a file names, from the root or from its parent, and in which line."""
    code = code_of(path)
    for use in re.finditer(r"\buse ((?:crate|super)::[^;]+);", code):
        line = code.count("\n", 0, use.start()) + 1
        yield from ((one, line) for one in expanded(" ".join(use[1].split())))
    for name in re.finditer(r"(?<!use )\b((?:crate|super)(?:::\w+)+)", code):
        yield name[1], code.count("\n", 0, name.start()) + 1


def absolute(name: str, module: tuple[str, ...]) -> tuple[str, ...]:
    """The path from the root of what `name` means in a module."""
    parts = name.split("::")
    base = () if parts[0] == "crate" else module
    while parts and parts[0] in ("crate", "super"):
        base = base[:-1] if parts[0] == "super" else base
        parts = parts[1:]
    return (*base, *parts)


def uses_of(module: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """The files that a module uses. What a module above it exports is looked for no further."""
    for name, line in paths_in(FILES[module]):
        path = absolute(name, module)
        while path and path not in FILES:
            path = path[:-1]
        if path and path != module[: len(path)]:
            yield path, line


def test_all_parts_have_a_place_in_the_order():
    assert {module[0] for module in FILES} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_rust_modules_use_those_below_them(part):
    upwards = [
        f"{FILES[module].relative_to(TOP)}:{line} names {name}"
        for module in FILES
        if module[0] == part
        for name, line in paths_in(FILES[module])
        # Others are macros, and what a module within a file names of that.
        if (path := absolute(name, module)) and path[0] in PARTS
        if PARTS.index(path[0]) > PARTS.index(part)
    ]
    assert upwards == []


def test_no_rust_files_use_one_another():
    """But for ops: the derivative of each is written with others."""
    graph = {
        "/".join(module): {"/".join(used): line for used, line in uses_of(module)}
        for module in FILES
        if module[0] != "ops"
    }
    assert circles(graph) == []


def test_uses_are_found():
    assert list(expanded("super::{a, b::{C, d as e}}")) == ["super::a", "super::b::C", "super::b::d"]
    assert absolute("super::super::simd::Isa", ("kernels", "gemm", "tile")) == ("kernels", "simd", "Isa")
    assert ("kernels", "gemm", "tile") in {used for used, _ in uses_of(("kernels", "gemm", "dots"))}
