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

from pipeline.core.atomic import written

ROOT = Path(__file__).resolve().parents[2]
RECORDS = "logs/code"


def code_versions(stage: str) -> list[str]:
    """Return `path digest` for each source file that decides what `stage` writes.

    The digest is of what the file does: comments, docstrings and layout do not count, so that
    Snakemake runs nothing again for them.
    """
    return [f"{path.relative_to(ROOT)} {_digest(path)}" for path in _files(stage)]


def code_digest(stage: str) -> str:
    """Return a hash of what all code of `stage` does."""
    return _joined_digest(code_versions(stage))


@cache  # hundreds of jobs ask for one stage
def recorded_code(stage: str) -> str:
    """Return `code <digest>` for Snakemake; `recorded_versions` tells later what that was."""
    versions = code_versions(stage)
    digest = _joined_digest(versions)[:12]
    path = ROOT / RECORDS / f"{digest}.txt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as temporary:
            temporary.write_text("\n".join(versions) + "\n", encoding="utf-8")
    return f"code {digest}"


def recorded_versions(digest: str) -> dict[str, str] | None:
    """Return path to digest of the source files that `digest` stands for; None if not known."""
    path = ROOT / RECORDS / f"{digest}.txt"
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: version for name, _, version in (line.partition(" ") for line in lines)}


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


def _joined_digest(versions: list[str]) -> str:
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


@cache
def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".py":
        content = _syntax(content.decode()).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _syntax(source: str) -> str:
    """Return the syntax tree as text, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    return ast.dump(tree)
