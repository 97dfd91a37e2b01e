"""What Snakemake and DVC would run again, and why; both are asked by their commands."""

import ast
import json
import re
import subprocess
import sys
from typing import Any, NamedTuple

from pipeline.core.source_code import ROOT, recorded_versions

_CAUSED = re.compile(r"Input files updated by another job: [^;]*")
_JOB = re.compile(r"^Job \d+: .*\nReason: (.*)\n(?s:(.*?))(?=^\[|\Z)", re.M)
_STAGE = re.compile(r"-m pipeline\.stages\.(\w+)")
_EXCLUSIVE = re.compile(r"before: (.*) now: (.*?) *(?:; [A-Z]|$)")  # what only one of both has


class Pending(NamedTuple):
    """A job that Snakemake would run.

    Attributes:
        stage: such as `train`.
        reason: in Snakemake's words.
    """

    stage: str
    reason: str

    @property
    def is_caused(self) -> bool:
        """Whether it would run only because another job does."""
        return not _CAUSED.sub("", self.reason).strip("; ")

    @property
    def lacks_output(self) -> bool:
        """Whether its files are not there, which nobody can accept."""
        return "Missing output files" in self.reason

    @property
    def change(self) -> str:
        """Return what changed, in short: source files, settings, or Snakemake's reason."""
        if self.lacks_output:
            return "results are not there"
        own_reason = _CAUSED.sub("", self.reason).strip("; ")
        if (exclusive := _EXCLUSIVE.search(self.reason)) is None:
            return own_reason
        try:
            before, now = map(_values, exclusive.groups())
        except (SyntaxError, ValueError):  # no plain values
            return own_reason
        changes = []
        for old, new in zip(_codes(before), _codes(now), strict=False):
            changes += _changed_files(old, new)
        settings = [value for value in now if value not in before and not value.startswith("code ")]
        gone = [value for value in before if value not in now and not value.startswith("code ")]
        changes += [f"{value} (was {_old(value, gone)})" for value in settings if "=" in value]
        return ", ".join(changes) or self.reason


def pending_jobs() -> list[Pending]:
    """Return what Snakemake would run.

    Raises:
        ValueError: Snakemake itself stops, with its last line.
    """
    done = _run("snakemake", "--dry-run", "--printshellcmds", "--nocolor", "--cores", "1")
    text = done.stdout + done.stderr
    if done.returncode:
        raise ValueError(f"snakemake: {text.strip().splitlines()[-1]}")
    return [
        Pending(stage[1], reason)
        for reason, command in _JOB.findall(text)
        if (stage := _STAGE.search(command))
    ]


def stale_stages() -> dict[str, list[str]]:
    """Return each stage of DVC that is not up to date, and what differs."""
    done = _run("dvc", "status", "--json")
    if done.returncode:
        raise ValueError(f"dvc: {done.stderr.strip().splitlines()[-1]}")
    status: dict[str, list[Any]] = json.loads(done.stdout)
    return {stage: sorted(_differences(entries)) for stage, entries in status.items()}


def touch() -> None:
    """Let Snakemake take what is there as made by the code and settings of now."""
    _check(_run("snakemake", "--touch", "--cores", "1"), "snakemake --touch")


def commit(stages: list[str]) -> None:
    """Let DVC take what is there as made by the code and settings of now."""
    # Links would give the outputs new timestamps, and Snakemake would build again.
    _check(_run("dvc", "commit", "--force", "--no-relink", *stages), "dvc commit")


def _run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _check(done: "subprocess.CompletedProcess[str]", what: str) -> None:
    if done.returncode:
        raise ValueError(f"{what}: {(done.stdout + done.stderr).strip().splitlines()[-1]}")


def _differences(entries: list[Any]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        if isinstance(entry, str):  # such as "changed command"
            found.add(entry)
            continue
        for kind in entry.values():
            for name, state in kind.items():
                nested = state.items() if isinstance(state, dict) else [(name, state)]
                found |= {f"{state} {key}" for key, state in nested}
    return found


def _values(text: str) -> list[str]:
    """Return the values that Snakemake shows on one side of a difference."""
    return _flat(ast.literal_eval(f"[{text.replace('<nothing exclusive>', '')}]"))


def _flat(values: Any) -> list[str]:
    """Return the texts of nested lists."""
    if isinstance(values, list | tuple):
        return [text for each in values for text in _flat(each)]
    return [str(values)]


def _codes(values: list[str]) -> list[str]:
    return [value.removeprefix("code ") for value in values if value.startswith("code ")]


def _changed_files(old: str, new: str) -> list[str]:
    """Return the source files that differ between two versions of a stage's code."""
    before, now = (recorded_versions(digest) for digest in (old, new))
    if before is None or now is None:
        return [f"code {old} -> {new}"]
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def _old(value: str, gone: list[str]) -> str:
    key = value.partition("=")[0]
    return next((each.partition("=")[2] for each in gone if each.partition("=")[0] == key), "unset")
