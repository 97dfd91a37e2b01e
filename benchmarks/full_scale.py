"""CPU and memory of the steps that see the whole of `ava_kinetics`: 1.17 million training rows.

    python -m benchmarks.full_scale [--folder FOLDER]

Makes a copy of the project with 256 shards in the folder (2 GB), or in a temporary one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch.multiprocessing

from benchmarks.commands import GIB, measure
from benchmarks.full_world import write_all_proposals, write_annotations, write_shards
from pipeline.settings.params import load_params
from pipeline.stages.record import DATA_STAGES
from pipeline.training.keyframe_index import KeyframeIndex, read_index
from tests.small_dataset import read_settings, write_settings

ROOT = Path(__file__).resolve().parents[1]
DATASET = "ava_kinetics"
WORKERS = 8
ROWS_OF_A_PAGE = 10  # or more, of any column


def show(what: str, cpu: float, peak: float, limit: str) -> None:
    sys.stdout.write(f"{what:18}{cpu:7.1f} CPU s{peak:7.2f} GiB   at most {limit}\n")
    sys.stdout.flush()


def copy_project(folder: Path, num_shards: int = 256, num_variants: int = 9) -> None:
    """The project as after `git clone`, set to the real dataset."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    path = folder / "params.yaml"
    values = read_settings(path)
    values["dataset"] = DATASET
    values["datasets"][DATASET]["num_shards"] = num_shards
    rows = list(values["variants"].values())
    for name in list(values["variants"])[num_variants:]:
        del values["variants"][name]
    for number in range(len(rows), num_variants):
        values["variants"][f"row_{number}"] = rows[number % len(rows)]
    write_settings(path, values)


def stage(folder: Path, name: str, **flags: str) -> tuple[float, float]:
    words = [word for flag, value in flags.items() for word in (f"--{flag}", value)]
    return measure(folder, sys.executable, "-m", f"pipeline.stages.{name}", *words)


def build(folder: Path) -> None:
    """Make the files, and run the two stages over them on the way."""
    copy_project(folder)
    write_raw(folder)
    show("list_clips", *list_clips(folder), "10 s, 1 GB")
    write_stages(folder)
    show("merge_annotations", *merge(folder), "10 s, 1 GB")


def write_raw(folder: Path, share: float | None = None) -> None:
    """What the stages before `list_clips` would leave; see `write_annotations`."""
    data = folder / "data" / DATASET
    (data / "mirror").mkdir(parents=True)
    (data / "mirror" / "none.txt").write_text("this dataset is not drawn\n")
    write_annotations(data / "annotations/raw", share=share)


def write_stages(folder: Path) -> None:
    """What the stages from `download` to `detect_people` would leave."""
    data, params = folder / "data" / DATASET, load_params(folder / "params.yaml")
    write_shards(data, params, folder / "logs" / DATASET)
    write_all_proposals(data, params)


def list_clips(folder: Path) -> tuple[float, float]:
    here = f"data/{DATASET}"
    return stage(folder, "list_clips", raw=f"{here}/annotations/raw", clips=f"{here}/clips.csv")


def merge(folder: Path) -> tuple[float, float]:
    here = f"data/{DATASET}"
    return stage(
        folder,
        "merge_annotations",
        raw=f"{here}/annotations/raw",
        clips=f"{here}/clips.csv",
        videos=f"{here}/videos",
        cut=f"{here}/clips",
        frames=f"{here}/frames",
        proposals=f"{here}/proposals",
        index=f"{here}/index",
        coverage=f"{here}/coverage.csv",
    )


def proportional_kib(pid: int) -> int:
    """Memory of a process in KiB, what it shares counted in equal parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def read_all(index: KeyframeIndex | None, ready, leave) -> None:  # type: ignore[no-untyped-def]
    """A worker: touches all of the memory, says so, and waits to be measured."""
    for row in range(0, len(index or ()), ROWS_OF_A_PAGE):
        assert index is not None
        people = np.arange(len(index.ground_truth(row)))
        index.proposals(row, 0.9), index.labels(np.full(len(people), row), people)
        index.clip[row], index.video_id[row]
    ready.release()
    leave.wait()


def memory_of_workers(index: KeyframeIndex | None, num_workers: int = WORKERS) -> float:
    """GiB that all workers take together, and this process with them."""
    context = torch.multiprocessing.get_context("spawn")
    ready, leave = context.Semaphore(0), context.Event()
    workers = [
        context.Process(target=read_all, args=(index, ready, leave)) for _ in range(num_workers)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    pids = [os.getpid(), *(worker.pid for worker in workers)]
    total = sum(proportional_kib(pid) for pid in pids if pid is not None)
    leave.set()
    for worker in workers:
        worker.join()
    return total * 1024 / GIB


def share_index(folder: Path) -> None:
    path = folder / "data" / DATASET / "index" / "train.parquet"
    without = memory_of_workers(None)
    before = proportional_kib(os.getpid())
    index = read_index(path, labelled_only=True)
    alone = (proportional_kib(os.getpid()) - before) * 1024 / GIB
    added = memory_of_workers(index) - without
    sys.stdout.write(
        f"index of {len(index):,} keyframes: {alone:.3f} GiB here, {added:.3f} GiB here and in "
        f"{WORKERS} workers ({added / alone:.2f} times)\n"
    )


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--folder", type=Path, help="where the project's copy is or shall be")
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "project"
        if folder.exists():
            show("merge_annotations", *merge(folder), "10 s, 1 GB")
        else:
            build(folder)
        share_index(folder)
        show("snakemake -n", *measure(folder, "snakemake", "-n", "--quiet"), "15 s")
        if not (folder / "dvc.lock").exists():
            measure(folder, "dvc", "commit", "--force", "--quiet", *DATA_STAGES)
        started = time.monotonic()
        show("dvc status", *measure(folder, "dvc", "status"), "20 s")
        sys.stdout.write(f"  ({time.monotonic() - started:.0f} s by the clock)\n")


if __name__ == "__main__":
    main()
