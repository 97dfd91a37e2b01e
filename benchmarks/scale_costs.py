"""What the steps of the pipeline cost at a tenth, a third and all of the full size, made up.

Each function here lets one thing grow and yields a curve for each step that sees it. A point is the
least of a few runs: what disturbs the machine only adds.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.multiprocessing

from benchmarks import full_scale, full_world
from benchmarks.commands import GIB, measure
from benchmarks.made_files import NUM_VIDEOS, write_files
from benchmarks.made_frames import made_index, write_clips
from pipeline.models.augmentations import scale_crop_flip
from pipeline.sampling import Sampling
from pipeline.stages.record import DATA_STAGES
from pipeline.training.batches import ExampleKey
from pipeline.training.hardware import set_up
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.video.frame_store import FrameStore
from tests.small_dataset import read_settings

SHARES = (0.1, 1 / 3, 1.0)
RUNS = 2
NUM_SAMPLES, NUM_KEYFRAMES = 60, 300_000
LABELS = full_scale.ROOT / "tests/reference/evaluator/labels.pbtxt"
Cost = tuple[float, float]  # CPU seconds, peak GiB
Measured = dict[str, list[Cost]]  # step to its costs, smallest size first


@dataclass(frozen=True)
class Curve:
    """Cost of one step at each size.

    Attributes:
        grows: what grows, a key of `GROWTHS`.
        step: what is measured.
        unit: of the costs: "CPU s" or "GiB".
        sizes, costs: smallest first.
    """

    grows: str
    step: str
    unit: str
    sizes: list[float]
    costs: list[float]


def clips(folder: Path) -> Iterator[Curve]:
    """Yield the whole of AVA-Kinetics, in 256 shards."""
    measured: Measured = {}
    for share in SHARES:
        project = _project(folder / f"clips_{share:.2f}", 256, share)
        _add(measured, "list_clips", full_scale.list_clips, project)
        _add(measured, "merge_annotations", full_scale.merge, project)
        _add(measured, "cut_clips, nothing to cut", _empty_cut, project)
    full = full_world.TRAIN_CLIPS + full_world.VAL_CLIPS + sum(full_world.AVA_VIDEOS.values())
    sizes = [round(share * full) for share in SHARES]
    yield from _curves("clips", sizes, measured)
    yield Curve("clips", "merge_annotations", "GiB", sizes, _memory(measured["merge_annotations"]))


def shards(folder: Path) -> Iterator[Curve]:
    """Yield a tenth of the clips, in more and more shards."""
    sizes = [round(share * 256) for share in SHARES]
    measured: Measured = {}
    for size in sizes:
        project = _project(folder / f"shards_{size}", size, SHARES[0])
        _add(measured, "merge_annotations", full_scale.merge, project)
        _add(measured, "snakemake -n", _plan, project)
        measure(project, "dvc", "commit", "--force", "--quiet", *DATA_STAGES)
        _add(measured, "dvc status", _status, project)
    yield from _curves("shards", sizes, measured)


def variants(folder: Path) -> Iterator[Curve]:
    """Up to three times the study's rows; nothing is built for Snakemake, all for DVC."""
    sizes = [3, 10, 30]
    measured: Measured = {}
    for size in sizes:
        project = folder / f"variants_{size}"
        full_scale.copy_project(project, num_shards=4, num_variants=size)
        _add(measured, "snakemake -n", _plan, project)
        _write_outputs(project)
        measure(project, "dvc", "commit", "--force", "--quiet")
        _add(measured, "dvc status", _status, project)
    yield from _curves("variants", sizes, measured)


def videos(folder: Path) -> Iterator[Curve]:
    """Scoring AVA's validation videos: 6.8 million detections of 60 classes."""
    sizes = [round(share * NUM_VIDEOS) for share in SHARES]
    measured: Measured = {}
    for size in sizes:
        words = _detections(folder / f"videos_{size}", LABELS, num_videos=size)
        _add(measured, "score, official", _score, *words)
        _add(measured, "score, 1000 resamples", _score, *words, "--bootstrap", "1000")
    yield from _curves("videos", sizes, measured)
    yield Curve("videos", "score, official", "GiB", sizes, _memory(measured["score, official"]))


def boxes(folder: Path) -> Iterator[Curve]:
    """Ten times the boxes that a detector finds in a keyframe, in a tenth of the videos."""
    seen, false = 1.82, 0.45  # of a keyframe
    sizes = [round(10 * share * (seen + false), 2) for share in SHARES]
    measured: Measured = {}
    for size in sizes:
        place, few = folder / f"boxes_{size}", round(NUM_VIDEOS * SHARES[0])
        words = _detections(place, LABELS, num_videos=few, false_boxes=size - seen)
        _add(measured, "score, official", _score, *words)
    yield from _curves("boxes", sizes, measured)


def classes(folder: Path) -> Iterator[Curve]:
    """Yield the classes that count, each with a score for every box of all videos."""
    blocks = LABELS.read_text().split("item")[1:]
    sizes = [round(share * len(blocks)) for share in SHARES]
    measured: Measured = {}
    for size in sizes:
        labels = folder / f"labels_{size}.pbtxt"
        labels.write_text("".join(f"item{block}" for block in blocks[:size]))
        words = _detections(folder / f"classes_{size}", labels)
        _add(measured, "score, official", _score, *words)
    yield from _curves("classes", sizes, measured)


def workers(folder: Path) -> Iterator[Curve]:
    """Data-loading processes that share one index, and share the same samples."""
    sizes = [1, 3, 10]
    index = made_index([f"clip{number:06d}" for number in range(NUM_KEYFRAMES)], 340, 256)
    once = index.path.stat().st_size / GIB  # in this process, in all that is measured here
    idle = [full_scale.memory_of_workers(None, size) for size in sizes]
    reading = [full_scale.memory_of_workers(index, size) for size in sizes]
    memory = [once + more - less for more, less in zip(reading, idle, strict=True)]
    yield Curve("workers", "the index, all together", "GiB", sizes, memory)
    small = write_clips(folder / "frames", 12, 340, 256)
    store = FrameStore(folder / "frames" / "store")
    dataset = TrainingKeyframes(
        small, store, Sampling.parse("8x8"), 0, scale_crop_flip((256, 320), 256), 32, 0.9
    )
    spent = [min(_sample_seconds(dataset, size) for _ in range(RUNS)) for size in sizes]
    yield Curve("workers", f"the same {NUM_SAMPLES} samples", "CPU s", sizes, spent)


GROWTHS: Mapping[str, Callable[[Path], Iterator[Curve]]] = {
    "clips": clips,
    "videos": videos,
    "boxes": boxes,
    "classes": classes,
    "variants": variants,
    "shards": shards,
    "workers": workers,
}


def _curves(grows: str, sizes: Sequence[float], measured: Measured) -> Iterator[Curve]:
    for step, costs in measured.items():
        yield Curve(grows, step, "CPU s", list(sizes), [cpu for cpu, _ in costs])


def _add(measured: Measured, step: str, run: Callable[..., Cost], *given: Any) -> None:
    costs = [run(*given) for _ in range(RUNS)]
    measured.setdefault(step, []).append(min(costs))


def _memory(costs: Sequence[Cost]) -> list[float]:
    return [gib for _, gib in costs]


def _project(folder: Path, num_shards: int, share: float) -> Path:
    """Return a copy of the project with all that the stages before `merge_annotations` leave."""
    full_scale.copy_project(folder, num_shards)
    full_scale.write_raw(folder, share)
    full_scale.list_clips(folder)
    full_scale.write_stages(folder)
    full_scale.merge(folder)
    return folder


def _plan(project: Path) -> Cost:
    return measure(project, "snakemake", "-n", "--quiet")


def _status(project: Path) -> Cost:
    return measure(project, "dvc", "status")


def _empty_cut(project: Path) -> Cost:
    (project / "none").mkdir(exist_ok=True)
    (project / "none.csv").write_text("clip,path,status,offset_seconds\n")
    flags = {"clips": f"data/{full_scale.DATASET}/clips.csv", "shard": "000", "videos": "none"}
    return full_scale.stage(
        project, "cut_clips", **flags, downloaded="none.csv", cut="cut", report="cut.csv"
    )


def _write_outputs(project: Path) -> None:
    """A small file for whatever dvc.yaml names, so that DVC has something to look at."""
    rows = read_settings(project / "params.yaml")["variants"]
    named: set[Path] = set()
    for stage in read_settings(project / "dvc.yaml")["stages"].values():
        body = stage.get("do", stage)
        for kind in ("deps", "outs", "metrics", "plots"):
            for entry in body.get(kind, []):
                path = entry if isinstance(entry, str) else next(iter(entry))
                path = path.replace("${dataset}", full_scale.DATASET)
                for key, row in rows.items():
                    of_row = path.replace("${item.pretrained}", row["pretrained"])
                    named.add(project / of_row.replace("${key}", key))
    folders = {parent for path in named for parent in path.parents}
    for path in named - folders:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(f"{path.relative_to(project)}\n")


def _detections(folder: Path, labels: Path, **size: float) -> list[str]:
    """Made files of a size, as flags of `pipeline.score`."""
    folder.mkdir()
    ground_truth, found = write_files(folder, labels, detectors=["found"], **size)  # type: ignore[arg-type]
    return [
        "--ground-truth",
        str(ground_truth),
        "--detections",
        str(found),
        "--labels",
        str(labels),
    ]


def _score(*words: str) -> Cost:
    command = (sys.executable, "-m", "pipeline.score", *words)
    return measure(Path(words[1]).parent, *command, at=full_scale.ROOT)


def _sample_seconds(dataset: TrainingKeyframes, num_workers: int) -> float:
    """CPU seconds of all workers together for the same samples, once they have started."""
    context = torch.multiprocessing.get_context("spawn")
    spent = context.SimpleQueue()
    shares = [range(first, NUM_SAMPLES, num_workers) for first in range(num_workers)]
    processes = [context.Process(target=_load, args=(dataset, share, spent)) for share in shares]
    for process in processes:
        process.start()
    total = sum(spent.get() for _ in processes)
    for process in processes:
        process.join()
    return total


def _load(dataset: TrainingKeyframes, samples: range, spent) -> None:  # type: ignore[no-untyped-def]
    set_up(threads=1, deterministic=True)
    dataset[[ExampleKey(0, 0)]]  # opens the store and loads what is loaded once
    start = time.process_time()
    for number in samples:
        dataset[[ExampleKey(1 + number // len(dataset), number % len(dataset))]]
    spent.put(time.process_time() - start)
