"""docs/adding.md is followed to the letter, in a copy of the sources, and what it adds works there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recipes

TOP = Path(__file__).parent.parent
DOCUMENT = TOP / "docs" / "adding.md"
# Kept between runs, so that only what has changed is compiled again.
BUILD = TOP / "target" / "adding"
COPIED = (
    "src",
    "python",
    "tests",
    "benches",
    "docs",
    "Cargo.toml",
    "Cargo.lock",
    "pyproject.toml",
    "README.md",
)
RECIPES = recipes.read(DOCUMENT)
KINDS = ("An elementwise op", "A reduction", "An op with a kernel", "A layer", "A rewrite")

ENVIRONMENT = {
    **os.environ,
    "CARGO_TARGET_DIR": str(BUILD / "target"),
    "PYO3_BUILD_EXTENSION_MODULE": "1",
    "PYO3_PYTHON": sys.executable,
}


def copy_sources(tree: Path) -> None:
    """Makes `tree` a copy of the sources. What is the same there already stays as it is, for cargo's sake."""
    wanted = [
        path.relative_to(TOP)
        for name in COPIED
        for path in ([TOP / name] if (TOP / name).is_file() else sorted((TOP / name).rglob("*")))
        if path.is_file() and path.suffix not in (".so", ".pyd", ".pyc")
    ]
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        if path.relative_to(tree) not in wanted:
            path.unlink()
    for path in wanted:
        target = tree / path
        if not target.exists() or target.read_bytes() != (TOP / path).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TOP / path, target)


def run(command: list[str], tree: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=tree, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree():
    """A copy of the sources in which all recipes have been followed, with its engine."""
    tree = BUILD / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    copy_sources(tree)
    for recipe in RECIPES:
        for edit in recipe.edits:
            edit.apply(tree)
    run(["cargo", "build", "--quiet", "--locked", "--lib", "--features", "python"], tree)
    libraries = [
        path for path in (BUILD / "target" / "debug").iterdir() if path.suffix in (".so", ".dylib", ".dll")
    ]
    [library] = [path for path in libraries if "rustnet" in path.name]
    suffix = ".pyd" if library.suffix == ".dll" else ".abi3.so"
    shutil.copyfile(library, tree / "python" / "rustnet" / f"_core{suffix}")
    return tree


def test_all_kinds_are_there():
    assert tuple(recipe.title for recipe in RECIPES) == KINDS


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.title for recipe in RECIPES])
def test_a_recipe_touches_as_many_files_as_it_says(recipe):
    assert len(recipe.files) == recipe.stated, sorted(recipe.files)


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.title for recipe in RECIPES])
def test_a_recipe_works(recipe, tree):
    assert recipe.checks
    for check in recipe.checks:
        program, *rest = shlex.split(check)
        if program == "cargo":
            passed = re.findall(r"(\d+) passed", run(["cargo", *rest], tree))
            assert sum(map(int, passed)) > 0, f"{check} ran no test"
        else:
            assert program == "pytest"
            # Where no test is selected, pytest fails.
            paths = os.pathsep.join(str(tree / name) for name in ("python", "tests", "benches"))
            run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *rest],
                tree,
                PYTHONPATH=paths,
            )
