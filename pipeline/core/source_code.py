"""Which source code a stage's outputs depend on: what Snakemake and DVC watch for changes.

dvc.yaml lists it for both: the stage's module, and whole folders. `pipeline/core` and
`pipeline/settings` are left out: they decide no byte of an output (settings reach a stage as
values, and values are watched as such). `pretrain` and `detect_people` may download a checkpoint:
a pinned hash decides what they get, so `pipeline/download` and `pipeline/sources` do not count
there.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]


def code(stage: str) -> list[str]:
    """Return the paths, below the project's root, of all code that decides what `stage` writes."""
    return [str(path.relative_to(ROOT)) for path in _files(stage)]


def code_digest(stage: str) -> str:
    """Return a hash of what the code of `stage` does: comments, docstrings, layout do not count."""
    total = hashlib.sha256()
    for path in _files(stage):
        total.update(str(path.relative_to(ROOT)).encode())
        if path.suffix == ".py":
            total.update(_syntax(path.read_text(encoding="utf-8")).encode())
        else:
            total.update(path.read_bytes())
    return total.hexdigest()


@cache
def watched(stage: str) -> tuple[str, ...]:
    """Return the source files and folders among the stage's `deps` in dvc.yaml."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    body = YAML(typ="safe", pure=True).load(text)["stages"][stage]
    return tuple(path for path in body.get("do", body)["deps"] if path.startswith("pipeline/"))


def _files(stage: str) -> Iterator[Path]:
    for name in watched(stage):
        path = ROOT / name
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and "__pycache__" not in each.parts:
                yield each


def _syntax(source: str) -> str:
    """Return the syntax tree as text, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    return ast.dump(tree)
