"""Which source files a stage runs: what Snakemake and DVC watch to know that code has changed.

`python -m pipeline.code_files` writes the lists into dvc.yaml (Snakemake asks `code_files` itself).
"""

import ast
import io
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# These decide no byte of any output: settings reach a stage as values, which are watched as such.
PLUMBING = {
    "pipeline",
    "pipeline.stages",
    "pipeline.annotations",
    "pipeline.evaluation",
    "pipeline.frames",
    "pipeline.training",
    "pipeline.transfers",
    "pipeline.atomic",
    "pipeline.command",
    "pipeline.disk_space",
    "pipeline.params",
    "pipeline.progress",
    "pipeline.sections",
    "pipeline.summaries",
    "pipeline.tracking",
    "pipeline.training.gpus",
    "pipeline.training.launch",
    "pipeline.variant_run",
}


def code_files(stage: str) -> list[str]:
    """Paths below the project's root of a stage's module and all it imports of `pipeline`.

    The list is read from the import statements, so it cannot fall behind the code.
    """
    found: set[str] = set()
    waiting = [f"pipeline.stages.{stage}"]
    while waiting:
        module = waiting.pop()
        if module in found or module in PLUMBING:
            continue
        found.add(module)
        waiting += _imports(_path(module))
    return sorted(str(_path(module).relative_to(ROOT)) for module in found)


@cache
def _imports(path: Path) -> list[str]:
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in modules if name.startswith("pipeline") and _path(name).is_file()]


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def with_code(dvc_yaml: str) -> str:
    """The text of dvc.yaml with each stage's source files listed behind its other dependencies."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(dvc_yaml)
    for name, stage in tree["stages"].items():
        body = stage.get("do", stage)
        data = [path for path in body.get("deps", []) if not path.startswith("pipeline/")]
        body["deps"] = data + code_files(name)
    text = io.StringIO()
    yaml.dump(tree, text)
    return text.getvalue()


if __name__ == "__main__":
    listing = ROOT / "dvc.yaml"
    listing.write_text(with_code(listing.read_text(encoding="utf-8")), encoding="utf-8")
