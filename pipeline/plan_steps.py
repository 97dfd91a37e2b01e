"""What each stage of a dataset downloads, stores and computes, and what is there already."""

import csv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from pipeline import plan_figures as known
from pipeline.params import Params
from pipeline.plan_disk import bytes_there, can_link
from pipeline.plan_figures import Means, Published, Step
from pipeline.plan_parts import known_keyframes, part_size
from pipeline.sampling import FPS, Sampling
from pipeline.sections import ArchivesSource, FilesSource, FolderSource, Part, YouTubeSource
from pipeline.transfers.http_reader import Patience, open_client
from pipeline.transfers.sources import MIRROR, is_address, is_video, read_lines
from pipeline.transfers.youtube_refusals import may_come_later


def plan_steps(params: Params, root: Path, means: Means, ask: bool = False) -> list[Step]:
    """The stages that download, store or compute much, in their order.

    Args:
        root: folder of `data` and `results`.
        ask: ask the hosts for sizes.
    """
    data = root / "data" / params.dataset
    sizes = _ask_sizes(params, data) if ask else {}
    parts = {part.name: part_size(params, part, data) for part in params.data.parts}
    steps = [
        _annotations(params, sizes),
        _videos(params, data, parts, sizes),
        *_frames(params, parts, means),
        _people(params, parts),
        *_models(params, parts, means),
    ]
    folders = {
        "download_annotations": data / "annotations",
        "download": data / "videos",
        "cut_clips": data / "clips",
        "extract_frames": data / "frames",
        "detect_people": data / "proposals",
        "pretrain": data / "pretrained",
        "train": root / "results" / params.dataset,
    }
    for step in steps:
        is_linked = step.linked_bytes > 0
        step.there_bytes = bytes_there([folders[step.stage]], is_linked)
        step.seconds += step.download_bytes / means.bytes_per_second
    return steps


def _annotations(params: Params, sizes: dict[str, float]) -> Step:
    files = params.data.annotation_files
    told = [sizes[file.url] for file in files if file.url in sizes]
    bytes_ = sum(told) if len(told) == len(files) else known.ANNOTATION_BYTES
    return Step("download_annotations", f"{len(files)} files", bytes_, 2 * bytes_)


def _videos(
    params: Params, data: Path, parts: dict[str, Published], sizes: dict[str, float]
) -> Step:
    """Downloads of all parts; two parts may share files and archives, which count once."""
    step = Step("download", f"{sum(part.clips for part in parts.values()):,} clips")
    archives: dict[str, float] = {}
    for part in params.data.parts:
        num_clips = parts[part.name].clips
        if not num_clips:
            step.notes.append(f"{part.name}: size unknown until its clips are listed")
        bytes_ = num_clips * _video_bytes(params, part)
        source = part.sources[0]  # the others give what it lacks
        if isinstance(source, FilesSource):
            told = [size for url, size in sizes.items() if url.startswith(source.url)]
            bytes_ = num_clips * sum(told) / len(told) if told else bytes_
        if isinstance(source, FolderSource) and can_link(Path(source.path), data / "videos"):
            step.linked_bytes += bytes_
            step.notes.append(
                f"{part.name}: {source.path} is on the disk of the data: hard links, no more room"
            )
        else:
            step.disk_bytes += bytes_
        if isinstance(source, FilesSource | YouTubeSource):
            step.download_bytes += bytes_
        for each in part.sources:
            if isinstance(each, ArchivesSource):  # read whole, were it for one clip
                archives |= _archives(each, data, sizes, params.data.synthetic)
    step.download_bytes += sum(archives.values())
    batches = params.every_batch
    share = sum((data / "videos" / f"{each}.csv").is_file() for each in batches) / len(batches)
    step.download_bytes *= 1 - share
    step.linked_bytes *= 1 - share
    step.notes += [f"{share:.0%} of the shards are there"] if share else []
    return step


def _video_bytes(params: Params, part: Part) -> float:
    if params.data.synthetic:
        return known.DRAWN_VIDEO_BYTES
    if isinstance(part.sources[0], YouTubeSource):
        first, last = part.span_seconds or (0.0, 10.0)
        return known.YOUTUBE_BYTES_PER_SECOND * (last - first)
    return known.AVA_VIDEO_BYTES if part.span_seconds else known.KINETICS_CLIP_BYTES


def _archives(
    source: ArchivesSource, data: Path, sizes: dict[str, float], is_synthetic: bool
) -> dict[str, float]:
    """Archive, or list where it is not here yet, to its bytes."""
    listing = data / "annotations" / "raw" / source.list
    names = read_lines(listing) if listing.is_file() else []
    if names and all(name in sizes for name in names):
        return {name: sizes[name] for name in names}
    if is_synthetic:
        return {source.list: 0.0}
    split = "val" if "val" in source.list else "train"
    return {source.list: known.KINETICS_ARCHIVE_BYTES[split]}


def _frames(params: Params, parts: dict[str, Published], means: Means) -> list[Step]:
    num_frames = sum(part.frames for part in parts.values())
    seconds = num_frames / FPS
    side = params.extract_frames.short_side_px
    jpeg_bytes = num_frames * side * side * known.ASPECT * known.JPEG_BYTES_PER_PX
    cut_bytes = 0.0
    for part in params.data.parts:
        is_film = part.span_seconds is not None and not params.data.synthetic
        rate = _video_bytes(params, part) / (known.VIDEO_SECONDS if is_film else 10)
        cut_bytes += parts[part.name].frames / FPS * rate * known.CUT_SHARE_OVER
    cut = Step("cut_clips", f"{seconds / 3600:,.1f} h of video", disk_bytes=cut_bytes)
    cut.seconds = cut_bytes / known.CUT_BYTES_PER_CORE_SECOND / means.cores
    frames = Step("extract_frames", f"{num_frames:,} frames", disk_bytes=jpeg_bytes)
    frames.notes = [
        f"{name}: frames unknown until its clips are listed"
        for name, part in parts.items()
        if not part.frames
    ]
    frames.seconds = num_frames / known.FRAMES_PER_CORE_SECOND / means.cores
    return [cut, frames]


def _people(params: Params, parts: dict[str, Published]) -> Step:
    step = Step("detect_people", "")
    detected = [part for part in params.data.parts if part.proposals == "detect"]
    num_keyframes = known_keyframes(step, detected, parts)
    unknown = " known so far" if step.notes else ""
    step.what = f"{num_keyframes:,} keyframes to search{unknown}"
    step.seconds = num_keyframes / known.DETECTIONS_PER_SECOND
    return step


def _models(params: Params, parts: dict[str, Published], means: Means) -> list[Step]:
    files = [each for each in params.data.pretrained.values() if each.checkpoint]
    fetched = [each for each in files if is_address(str(each.checkpoint))]
    pretrain = Step("pretrain", f"{len(params.data.pretrained)} backbones")
    pretrain.download_bytes = len(fetched) * known.CHECKPOINT_BYTES
    pretrain.disk_bytes = len(params.data.pretrained) * known.CHECKPOINT_BYTES
    if len(files) < len(params.data.pretrained):
        pretrain.notes.append("time to train on labels is not reckoned")
    train = Step("train", f"{len(params.variants)} variants, on one GPU")
    keyframes = known_keyframes(train, params.parts("train"), parts)
    train.disk_bytes = len(params.variants) * known.MODEL_BYTES
    for variant in params.variants:
        settings = params.train(variant)
        frames = Sampling.parse(settings.sampling).num_frames
        share = (settings.crop_px / 256) ** 2
        macs = frames * known.GMACS_PER_FRAME * 1e9 * share * known.TRAINING_PASSES
        train.seconds += keyframes * settings.epochs * 2 * macs / means.flops
    if params.train(params.variants[0]).backbone != "slowonly_r50":
        train.seconds = 0.0
        train.notes.append("time of this backbone is not reckoned")
    return [pretrain, train]


def _ask_sizes(params: Params, data: Path) -> dict[str, float]:
    """Content-Length of annotation files, listed videos and archives, where the host tells."""
    addresses = [file.url for file in params.data.annotation_files]
    raw = data / "annotations" / "raw"
    for part in params.data.parts:
        for source in part.sources:
            if isinstance(source, FilesSource) and (raw / source.list).is_file():
                names = [name for name in read_lines(raw / source.list) if is_video(name)]
                addresses += [f"{source.url}/{name}" for name in names]
            elif isinstance(source, ArchivesSource) and (raw / source.list).is_file():
                addresses += read_lines(raw / source.list)
    asked = [each for each in dict.fromkeys(addresses) if "://" in each and MIRROR not in each]
    with open_client(Patience(10.0, 1), 8) as client, ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda address: _content_length(client, address), asked)
        return {each: size for each, size in zip(asked, told, strict=True) if size is not None}


def _content_length(client: httpx.Client, address: str) -> float | None:
    try:
        answer = client.head(address)
    except (httpx.HTTPError, ValueError):
        return None
    length = answer.headers.get("Content-Length", "")
    return float(length) if answer.is_success and length.isdecimal() else None


def tables_to_ask_again(videos: Path, batches: Iterable[str]) -> list[Path]:
    """Those of the tables of videos with clips that nobody has given and a later run may get."""
    there: set[str] = set()
    open_: dict[Path, set[str]] = {}
    paths = [videos / f"{batch}.csv" for batch in batches]
    for path in filter(Path.is_file, paths):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                reason = row.get("reason") or ""
                if row.get("status") == "ok":
                    there.add(row["clip"])
                elif may_come_later(reason):
                    open_.setdefault(path, set()).add(row["clip"])
    return [path for path, clips in open_.items() if clips - there]
