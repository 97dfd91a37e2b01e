"""Estimate what each stage downloads, stores and computes: one function per stage.

What is there already takes no time and is not downloaded again. Whether it is out of date is
Snakemake's affair (`snakemake -n`).
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.models.augmentations import crop_side
from pipeline.plan import figures as known
from pipeline.plan.disk import bytes_there, can_link
from pipeline.plan.figures import Means, Size, Step
from pipeline.plan.subsets import subset_size
from pipeline.sampling import FPS, Sampling
from pipeline.settings.params import Params
from pipeline.settings.sections import (
    Subset,
    Train,
)
from pipeline.sources.archives import ArchivesSource
from pipeline.sources.clip_files import is_address
from pipeline.sources.files import FilesSource
from pipeline.sources.folder import FolderSource
from pipeline.sources.youtube import YouTubeSource

STORED = ("tar", "parquet", "csv")  # files of a shard of frames


def plan_steps(params: Params, root: Path, means: Means) -> list[Step]:
    """Return the stages in their order, without the drawing of the synthetic dataset.

    Args:
        params: the settings.
        root: folder of `data` and `results`.
        means: network, cores and GPU to work with.
    """
    data, results = root / "data" / params.dataset, root / "results" / params.dataset
    sizes = {subset.name: subset_size(params, subset, data) for subset in params.data.subsets}
    steps = {
        data / "annotations": annotations(params, data),
        data / "clips.csv": list_clips(params, sizes, data),
        data / "videos": download(params, sizes, data),
        data / "clips": cut_clips(params, sizes, data, means),
        data / "frames": extract_frames(params, sizes, data, means),
        data / "proposals": detect_people(params, sizes, data),
        data / "index": merge_annotations(params, sizes, data),
        data / "pretrained": pretrain(params, data),
        results / "variants/*/*.pt": train(params, sizes, results, means),
        results / "variants/*/detections*": evaluate(params, sizes, results, means),
        results / "report": report(params, results),
    }
    for path, step in steps.items():
        step.there_bytes = bytes_there(root.glob(str(path.relative_to(root))))
        step.seconds += step.download_bytes / means.bytes_per_second
    return list(steps.values())


def annotations(params: Params, data: Path) -> Step:
    """Estimate the annotation files: archives are unpacked, so they lie there twice."""
    step = Step("download_annotations", f"{len(params.data.annotation_files)} files")
    step.disk_bytes = 2 * known.ANNOTATION_BYTES
    if not (data / "annotations/raw").is_dir():
        step.download_bytes = known.ANNOTATION_BYTES
    return step


def list_clips(params: Params, sizes: dict[str, Size], data: Path) -> Step:
    """Estimate the listing of clips; note frames that no variant looks at."""
    num_clips = sum(size.clips for size in sizes.values())
    step = Step("list_clips", f"{num_clips:,} clips")
    windows, reach = params.list_clips, params.reach
    if (windows.frames_before, windows.frames_after) != reach:
        step.notes.append(
            f"no variant looks further than {reach[0]} frames back and {reach[1]} ahead, "
            f"stored are {windows.frames_before} and {windows.frames_after}"
        )
    if not (data / "clips.csv").is_file():
        step.seconds = num_clips / known.LISTED_CLIPS_PER_SECOND
    return step


def download(params: Params, sizes: dict[str, Size], data: Path) -> Step:
    """Estimate the videos; archives count whole, were it for one clip, and once."""
    step = Step("download", f"{sum(size.clips for size in sizes.values()):,} clips")
    archives: dict[str, float] = {}
    for subset in params.data.subsets:
        source, size = subset.sources[0], sizes[subset.name]  # the others give what it lacks
        num_bytes = size.clips * _video_bytes(params, subset)
        if not size.clips:
            step.notes.append(f"{subset.name}: size unknown until its clips are listed")
        if isinstance(source, FilesSource | YouTubeSource):
            step.download_bytes += num_bytes
        if isinstance(source, FolderSource) and can_link(Path(source.path), data / "videos"):
            step.notes.append(f"{subset.name}: {source.path}: hard links, no more room")
        elif _is_cut_on_arrival(subset):
            step.disk_bytes += _cut_bytes(params, subset, size)
            step.notes.append(f"{subset.name}: of its clips only the seconds looked at are kept")
        else:
            step.disk_bytes += num_bytes
        for each in subset.sources:
            if isinstance(each, ArchivesSource) and not params.data.synthetic:
                split = "val" if "val" in each.list else "train"
                archives[each.list] = known.KINETICS_ARCHIVE_BYTES[split]
    step.download_bytes += sum(archives.values())
    _leave_out_finished(step, ([data / "videos" / f"{job}.csv"] for job in params.every_job))
    return step


def cut_clips(params: Params, sizes: dict[str, Size], data: Path, means: Means) -> Step:
    """Estimate the cutting; what was cut when it came gets a second name.

    Args:
        params, sizes: the settings, and what is known of each subset.
        data: folder of the dataset, for what is there already.
        means: what there is to work with.
    """
    hours = sum(size.frames for size in sizes.values()) / FPS / 3600
    step = Step("cut_clips", f"{hours:,.1f} h of video")
    for subset in params.data.subsets:
        num_bytes = _cut_bytes(params, subset, sizes[subset.name])
        step.seconds += num_bytes / known.CUT_BYTES_PER_CORE_SECOND / means.cores
        step.disk_bytes += 0.0 if _is_cut_on_arrival(subset) else num_bytes
    _leave_out_finished(step, ([data / "clips" / f"{shard}.csv"] for shard in params.shards))
    return step


def extract_frames(params: Params, sizes: dict[str, Size], data: Path, means: Means) -> Step:
    """Estimate the stored frames; smaller sources are not enlarged, so this is the upper end.

    Args:
        params, sizes: the settings, and what is known of each subset.
        data: folder of the dataset, for what is there already.
        means: what there is to work with.
    """
    num_frames = sum(size.frames for size in sizes.values())
    side = params.extract_frames.short_side_px
    step = Step("extract_frames", f"{num_frames:,} frames")
    step.disk_bytes = num_frames * side * side * known.ASPECT * known.JPEG_BYTES_PER_PX
    step.seconds = num_frames / known.FRAMES_PER_CORE_SECOND / means.cores
    step.notes = [
        f"{name}: frames unknown until its clips are listed"
        for name, size in sizes.items()
        if not size.frames
    ]
    stored = ([data / "frames" / f"{shard}.{kind}" for kind in STORED] for shard in params.shards)
    _leave_out_finished(step, stored)
    return step


def detect_people(params: Params, sizes: dict[str, Size], data: Path) -> Step:
    """Estimate the detection of persons in the splits that have no boxes yet."""
    step = Step("detect_people", "")
    detected = [subset for subset in params.data.subsets if subset.proposals == "detect"]
    num_keyframes = _known_keyframes(step, detected, sizes)
    step.what = f"{num_keyframes:,} keyframes{' known so far' if step.notes else ''}"
    step.disk_bytes = num_keyframes * known.BOX_BYTES_PER_KEYFRAME
    left = [p for p in detected if not (data / "proposals" / f"{p.split}.parquet").is_file()]
    step.seconds = sum(sizes[p.name].keyframes or 0 for p in left) / known.DETECTIONS_PER_SECOND
    return step


def merge_annotations(params: Params, sizes: dict[str, Size], data: Path) -> Step:
    """Estimate the merging into one index per split."""
    step = Step("merge_annotations", "")
    num_keyframes = _known_keyframes(step, params.data.subsets, sizes)
    step.what = f"{num_keyframes:,} keyframes"
    if not all((data / "index" / f"{split}.parquet").is_file() for split in params.splits):
        step.seconds = num_keyframes / known.MERGED_KEYFRAMES_PER_SECOND
    return step


def pretrain(params: Params, data: Path) -> Step:
    """Estimate the backbones to start from."""
    backbones = params.data.pretrained
    step = Step("pretrain", f"{len(backbones)} backbones")
    step.disk_bytes = len(backbones) * known.CHECKPOINT_BYTES
    left = [
        each
        for name, each in backbones.items()
        if not (data / "pretrained" / f"{name}.pt").is_file()
    ]
    addresses = [each for each in left if is_address(str(each.checkpoint))]
    step.download_bytes = len(addresses) * known.CHECKPOINT_BYTES
    if any(each.labels is not None for each in left):
        step.notes.append("time to train on labels is not estimated")
    return step


def train(params: Params, sizes: dict[str, Size], results: Path, means: Means) -> Step:
    """Estimate the training of the variants without a model, validation after epochs included.

    Args:
        params, sizes: the settings, and what is known of each subset.
        results: folder of the results, for what is there already.
        means: what there is to work with.
    """
    step = Step("train", f"{len(params.variants)} variants, on one GPU")
    step.disk_bytes = len(params.variants) * known.MODEL_BYTES
    seen = _known_keyframes(step, params.subsets("train"), sizes)
    held_out = sum(sizes[each.name].keyframes or 0 for each in _held_out(params))
    for settings in _left_to_do(step, params, results, "model.pt"):
        flops = known.STEP_OVER_FORWARD * _flops(settings, crop_side(settings.augmentations))
        step.seconds += settings.epochs * seen * flops / means.flops
        if settings.validate_every:
            flops = _flops(settings, settings.test_short_side_px)
            num_validations = settings.epochs // settings.validate_every
            step.seconds += num_validations * held_out * flops / means.flops
    return step


def evaluate(params: Params, sizes: dict[str, Size], results: Path, means: Means) -> Step:
    """Estimate the evaluation of the variants without metrics.

    Args:
        params, sizes: the settings, and what is known of each subset.
        results: folder of the results, for what is there already.
        means: what there is to work with.
    """
    step = Step("evaluate", f"{len(params.variants)} variants, on one GPU")
    held_out = _known_keyframes(step, _held_out(params), sizes)
    for settings in _left_to_do(step, params, results, "metrics.json"):
        step.seconds += held_out * _flops(settings, settings.test_short_side_px) / means.flops
    return step


def report(params: Params, results: Path) -> Step:
    """Estimate the report."""
    step = Step("report", f"{len(params.variants)} variants")
    if not (results / "metrics.json").is_file():
        step.seconds = len(params.variants) * known.REPORT_SECONDS_PER_VARIANT
    return step


def _video_bytes(params: Params, subset: Subset) -> float:
    if params.data.synthetic:
        return known.DRAWN_VIDEO_BYTES
    if isinstance(subset.sources[0], YouTubeSource):
        first, last = subset.span_seconds or (0.0, 10.0)
        return known.YOUTUBE_BYTES_PER_SECOND * (last - first)
    return known.AVA_VIDEO_BYTES if subset.span_seconds else known.KINETICS_CLIP_BYTES


def _cut_bytes(params: Params, subset: Subset, size: Size) -> float:
    video_bytes = _video_bytes(params, subset)
    if subset.span_seconds is None or params.data.synthetic:
        return size.clips * video_bytes * known.CUT_SHARE_OF_CLIP
    return size.frames / FPS * video_bytes / known.VIDEO_SECONDS * known.CUT_SHARE_OVER


def _is_cut_on_arrival(subset: Subset) -> bool:
    source = subset.sources[0]
    return isinstance(source, ArchivesSource) and source.keep == "seconds"


def _leave_out_finished(step: Step, files: Iterable[list[Path]]) -> None:
    """Shrink a step by the share of its jobs whose files are all there."""
    ended = [all(path.is_file() for path in each) for each in files]
    share = sum(ended) / len(ended)
    step.download_bytes *= 1 - share
    step.seconds *= 1 - share
    step.notes += [f"{share:.0%} of the jobs are done"] if share else []


def _known_keyframes(step: Step, subsets: Iterable[Subset], sizes: dict[str, Size]) -> int:
    """Return how many keyframes there are; the step notes each subset that is unknown."""
    total = 0
    for subset in subsets:
        keyframes = sizes[subset.name].keyframes
        if keyframes is None:
            step.notes.append(f"{subset.name}: keyframes unknown until its annotations are here")
        total += keyframes or 0
    return total


def _held_out(params: Params) -> list[Subset]:
    return [subset for subset in params.data.subsets if subset.split != "train"]


def _left_to_do(step: Step, params: Params, results: Path, file: str) -> list[Train]:
    """Return the settings of variants without a file; the step notes backbones not estimated."""
    settings = {variant: params.train(variant) for variant in params.variants}
    others = [
        variant for variant, each in settings.items() if each.backbone.gmacs_per_frame is None
    ]
    if others:
        whose = "this backbone" if len(others) == len(settings) else ", ".join(others)
        step.notes.append(f"time of {whose} is not estimated")
    return [
        each
        for variant, each in settings.items()
        if variant not in others and not (results / "variants" / variant / file).is_file()
    ]


def _flops(settings: Train, side_px: int) -> float:
    """Return the operations of one keyframe forward, its frames taken as squares."""
    frames = Sampling.parse(settings.sampling).num_frames
    return 2e9 * frames * (settings.backbone.gmacs_per_frame or 0) * (side_px / 256) ** 2
