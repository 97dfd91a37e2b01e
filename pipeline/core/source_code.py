"""Which source code a stage's outputs depend on: what Snakemake and DVC watch for changes.

Both watch whole folders. `pipeline/core` and `pipeline/settings` are left out: they decide no byte
of an output (settings reach a stage as values, and values are watched as such).
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Beside its own module. `pretrain` and `detect_people` may download a checkpoint, and the demo's
# mirror may serve it: a pinned hash decides what they get, so these folders do not count there.
CODE = {
    "draw_world": ("pipeline/demo",),
    "download_annotations": ("pipeline/download", "pipeline/sources"),
    "list_clips": ("pipeline/annotations", "pipeline/sources"),
    "download": ("pipeline/download", "pipeline/sources", "pipeline/video"),
    "cut_clips": ("pipeline/video",),
    "extract_frames": ("pipeline/video",),
    "detect_people": (
        "pipeline/people",
        "pipeline/annotations",
        "pipeline/video",
        "pipeline/models",
    ),
    "merge_annotations": ("pipeline/annotations", "pipeline/sources", "pipeline/video"),
    "pretrain": ("pipeline/training", "pipeline/models", "pipeline/video"),
    "train": (
        "pipeline/training",
        "pipeline/models",
        "pipeline/evaluation",
        "pipeline/annotations",
        "pipeline/video",
    ),
    "evaluate": (
        "pipeline/evaluation",
        "pipeline/training",
        "pipeline/models",
        "pipeline/annotations",
        "pipeline/video",
    ),
    "report": ("pipeline/report", "pipeline/evaluation", "pipeline/annotations", "pipeline/video"),
}


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


def _files(stage: str) -> Iterator[Path]:
    yield ROOT / f"pipeline/stages/{stage}.py"
    for folder in CODE[stage]:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _syntax(source: str) -> str:
    """Return the syntax tree as text, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    return ast.dump(tree)
