"""Which part of the package may import which: the layers of the house, and no circle of imports."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphs import circles

TOP = Path(__file__).parent.parent
PACKAGE = TOP / "python" / "rustnet"
# From the lowest up: each part imports those before it, and itself. The root, above all, imports on demand.
PARTS = (
    "core",
    "config",
    "ops",
    "effects",
    "backend",
    "random",
    "registry",
    "activations",
    "initializers",
    "regularizers",
    "constraints",
    "losses",
    "metrics",
    "optimizers",
    "datasets",
    "utils",
    "callbacks",
    "layers",
    "training",
    "models",
    "rustnet",
)


def name_of(path: Path) -> str:
    """`core/trace.py` → `rustnet.core.trace`, `core/__init__.py` → `rustnet.core`."""
    parts = ["rustnet", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# What is compiled: every module may use it.
ENGINE = "rustnet._core"
MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module: str) -> str:
    return module.split(".")[min(1, module.count("."))]


def imports_of(module: str) -> Iterator[tuple[str, int]]:
    """What a module imports of this package, at its top or in functions, and in which line.

    What only annotations need (`if TYPE_CHECKING:`) counts too: a reader has to follow it.
    """
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner != ENGINE:
                    yield (inner if inner in MODULES else node.module), node.lineno


@functools.cache
def graph() -> dict[str, dict[str, int]]:
    """For each module but the root: what it imports, and in which line."""
    return {module: dict(imports_of(module)) for module in MODULES if module != "rustnet"}


def test_all_parts_have_a_place_in_the_order():
    assert {part_of(module) for module in MODULES} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_python_imports_point_down(part):
    upwards = [
        f"{MODULES[module].relative_to(TOP)}:{line} imports {other}"
        for module, imported in graph().items()
        if part_of(module) == part
        for other, line in imported.items()
        if PARTS.index(part_of(other)) > PARTS.index(part)
    ]
    assert upwards == []


def test_circles_are_found():
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c"]]


def test_no_python_modules_import_one_another():
    assert circles(graph()) == []
