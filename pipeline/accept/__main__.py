"""Keep results after a change that alters no number: `python -m pipeline.accept [STAGE...]`.

A comment, a docstring, layout or a new setting at its default makes DVC want to run stages again;
this shows which and why, and lets Snakemake and DVC agree that nothing is to be done. What changes
code or a value is refused: --force keeps the results all the same, and notes it beside them.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.command import MistakesError, run

NOTES = "accepted.jsonl"  # in the folder of results: a line for each acceptance by force


def main(argv: list[str] | None = None) -> None:
    flags = argparse.ArgumentParser(
        prog="python -m pipeline.accept",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_argument("stages", nargs="*", help="that may have changed; all, if none is named")
    flags.add_argument("--force", action="store_true", help="also where code or a value changed")
    args = flags.parse_args(argv)
    for line in accept(args.stages, force=args.force):
        sys.stdout.write(f"{line}\n")


def accept(stages: Sequence[str] = (), *, force: bool = False) -> list[str]:
    """Make both builders agree that results are up to date; return what was kept, line by line.

    Args:
        stages: that may have changed; all, if empty.
        force: whether results are kept although code or a value changed.

    Raises:
        ValueError: an unknown stage, missing results, or a change that needs `force`; names the
            stages and what changed.
    """
    from pipeline.accept.builders import commit, pending_jobs, stale_stages, touch
    from pipeline.settings.sections import STAGES

    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise ValueError(f"found {unknown}, expected stages of {list(STAGES)}")
    jobs, stale = pending_jobs(), stale_stages()
    changed = [job for job in jobs if not job.is_caused]
    lines = _grouped("snakemake", [(job.stage, job.change) for job in changed])
    lines += _grouped("dvc", [(stage, ", ".join(what)) for stage, what in stale.items()])
    if any(job.lacks_output for job in jobs):
        raise MistakesError(["results are missing; build them with snakemake", *lines])
    if other := sorted({job.stage for job in changed if stages} - set(stages)):
        raise MistakesError([f"{other} changed too, expected {list(stages)} only", *lines])
    if changed and not force:
        raise MistakesError(["numbers may differ; --force keeps results", *lines])
    if changed:
        touch()
        _note(lines)
    if stale:
        commit(list(stale))
    if left := [job.stage for job in pending_jobs()] + list(stale_stages()):
        raise ValueError(f"{left} would run all the same")
    return lines or ["nothing to accept: Snakemake and DVC have nothing to do"]


def _grouped(builder: str, changes: Sequence[tuple[str, str]]) -> list[str]:
    """Return `snakemake  train (9): pipeline/models/losses.py` for each stage and change."""
    counts = Counter((stage.partition("@")[0], what) for stage, what in changes)
    return [
        f"{builder:9}  {stage}{f' ({count})' if count > 1 else ''}: {what}"
        for (stage, what), count in counts.items()
    ]


def _note(lines: Sequence[str]) -> None:
    from pipeline.settings.params import load_params

    folder = Path("results") / load_params(Path("params.yaml")).dataset
    note = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "kept": list(lines)}
    with (folder / NOTES).open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    run(main)
