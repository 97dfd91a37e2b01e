"""Which modules of the project a module can reach through its imports, early or late."""

import ast
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SETTINGS = "pipeline.settings."  # what they name is loaded by whoever builds it


def reachable(module: str) -> set[str]:
    """The module itself and every `pipeline` module that it imports, directly or through others.

    The settings lead nowhere: they hold the values of losses, heads and backbones, which only a
    stage that trains lets work.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if not name.startswith(SETTINGS):
                waiting += [each for each in imported(name) if each.startswith("pipeline.")]
    return found


@cache
def imported(module: str) -> list[str]:
    """Names of the modules that a module imports when it runs; those outside the project too."""
    names: list[str] = []
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    ignored = _for_types_only(tree)
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [node.module, *(name for name in below if source_of(name).is_file())]
    return [name for name in names if not name.startswith("pipeline") or source_of(name).is_file()]


def _for_types_only(tree: ast.Module) -> set[int]:
    """Nodes below `if TYPE_CHECKING:`, which no run reaches."""
    blocks = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    return {id(node) for block in blocks for node in ast.walk(block)}


def source_of(module: str) -> Path:
    """The file of a module of the project."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
