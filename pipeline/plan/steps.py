"""What each stage of a dataset downloads, stores and computes, and what is there already."""

import csv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from pipeline.download.annotation_files import SUMS
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.sources import MIRROR, is_address, is_video, read_lines
from pipeline.download.youtube_refusals import may_come_later
from pipeline.plan import figures as known
from pipeline.plan.compute import light_steps, model_steps, people_step, pretrain_step, subset_size
from pipeline.plan.disk import bytes_there, can_link
from pipeline.plan.figures import Means, Published, Step
from pipeline.sampling import FPS
from pipeline.settings.params import Params
from pipeline.settings.sections import (
    AnnotationFile,
    ArchivesSource,
    FilesSource,
    FolderSource,
    Subset,
    YouTubeSource,
)

STORED = ("tar", "parquet", "csv")  # files of a shard of frames


def plan_steps(params: Params, root: Path, means: Means, ask: bool = False) -> list[Step]:
    """Return the stages in their order, without the drawing of the synthetic dataset.

    Args:
        root: folder of `data` and `results`.
        ask: ask the hosts for sizes.
    """
    data = root / "data" / params.dataset
    sizes = _ask_sizes(params, data) if ask else {}
    subsets = {subset.name: subset_size(params, subset, data) for subset in params.data.subsets}
    results = root / "results" / params.dataset
    light = light_steps(params, subsets, root)
    steps = [
        _annotations(params, data, sizes),
        light["list_clips"],
        _videos(params, data, subsets, sizes),
        *_frames(params, data, subsets, means),
        people_step(params, subsets, data),
        light["merge_annotations"],
        pretrain_step(params, data),
        *model_steps(params, subsets, results, means),
        light["report"],
    ]
    cut_on_arrival = any(map(_is_cut_on_arrival, params.data.subsets))
    for step in steps:
        is_linked = step.linked_bytes > 0 or (step.stage == "cut_clips" and cut_on_arrival)
        step.there_bytes = bytes_there(_outputs(step.stage, data, results), is_linked)
        step.seconds += step.download_bytes / means.bytes_per_second
    return steps


def _outputs(stage: str, data: Path, results: Path) -> list[Path]:
    """Return files and folders that a stage leaves."""
    folders = {
        "download_annotations": data / "annotations",
        "list_clips": data / "clips.csv",
        "download": data / "videos",
        "cut_clips": data / "clips",
        "extract_frames": data / "frames",
        "detect_people": data / "proposals",
        "merge_annotations": data / "index",
        "pretrain": data / "pretrained",
        "report": results / "report",
    }
    if stage in folders:
        return [folders[stage]]
    trained = ("model.pt", "best.pt", "history.csv")
    of_variants = results.glob("variants/*/*")
    return [path for path in of_variants if (path.name in trained) == (stage == "train")]


def _annotations(params: Params, data: Path, sizes: dict[str, float]) -> Step:
    files = params.data.annotation_files
    there = _annotations_there(data / "annotations")
    left = [file for file in files if _name(file) not in there]
    told = {file.url: sizes[file.url] for file in files if file.url in sizes}
    all_told = len(told) == len(files)
    bytes_ = sum(told.values()) if all_told else known.ANNOTATION_BYTES
    step = Step("download_annotations", f"{len(files)} files", disk_bytes=2 * bytes_)
    step.download_bytes = bytes_ * len(left) / len(files) if files else 0.0
    if all_told:
        step.download_bytes = sum(told[file.url] for file in left)
    return step


def _annotations_there(annotations: Path) -> set[str]:
    """Return names of the files that have come, those of archives included, which are not kept."""
    folders = annotations / "raw", annotations / ".raw.incoming"
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    sums = annotations / "raw" / SUMS
    lines = read_lines(sums) if sums.is_file() else []
    return names | {line.split()[-1] for line in lines if line.startswith("#")}


def _name(file: AnnotationFile) -> str:
    path = urlsplit(file.url).path if is_address(file.url) else file.url
    return file.name or unquote(path).rpartition("/")[2]


def _videos(
    params: Params, data: Path, subsets: dict[str, Published], sizes: dict[str, float]
) -> Step:
    """Downloads of all parts; two parts may share files and archives, which count once."""
    step = Step("download", f"{sum(subset.clips for subset in subsets.values()):,} clips")
    archives: dict[str, float] = {}
    for subset in params.data.subsets:
        num_clips = subsets[subset.name].clips
        if not num_clips:
            step.notes.append(f"{subset.name}: size unknown until its clips are listed")
        bytes_ = num_clips * _video_bytes(params, subset)
        source = subset.sources[0]  # the others give what it lacks
        if _is_cut_on_arrival(subset):
            bytes_ = _cut_bytes(params, subset, subsets[subset.name])
            step.notes.append(f"{subset.name}: of its clips only the seconds looked at are kept")
        if isinstance(source, FilesSource):
            told = [size for url, size in sizes.items() if url.startswith(source.url)]
            bytes_ = num_clips * sum(told) / len(told) if told else bytes_
        if isinstance(source, FolderSource) and can_link(Path(source.path), data / "videos"):
            step.linked_bytes += bytes_
            step.notes.append(
                f"{subset.name}: {source.path} is on the disk of the data: hard links, no more room"
            )
        else:
            step.disk_bytes += bytes_
        if isinstance(source, FilesSource | YouTubeSource):
            step.download_bytes += bytes_
        for each in subset.sources:
            if isinstance(each, ArchivesSource):  # read whole, were it for one clip
                archives |= _archives(each, data, sizes, params.data.synthetic)
    step.download_bytes += sum(archives.values())
    batches = params.every_job
    _shrink(step, sum((data / "videos" / f"{b}.csv").is_file() for b in batches) / len(batches))
    return step


def _is_cut_on_arrival(subset: Subset) -> bool:
    source = subset.sources[0]
    return isinstance(source, ArchivesSource) and source.keep == "seconds"


def _cut_bytes(params: Params, subset: Subset, size: Published) -> float:
    video_bytes = _video_bytes(params, subset)
    if subset.span_seconds is None or params.data.synthetic:
        return size.clips * video_bytes * known.CUT_SHARE_OF_CLIP
    rate = video_bytes / known.VIDEO_SECONDS
    return size.frames / FPS * rate * known.CUT_SHARE_OVER


def _video_bytes(params: Params, subset: Subset) -> float:
    if params.data.synthetic:
        return known.DRAWN_VIDEO_BYTES
    if isinstance(subset.sources[0], YouTubeSource):
        first, last = subset.span_seconds or (0.0, 10.0)
        return known.YOUTUBE_BYTES_PER_SECOND * (last - first)
    return known.AVA_VIDEO_BYTES if subset.span_seconds else known.KINETICS_CLIP_BYTES


def _archives(
    source: ArchivesSource, data: Path, sizes: dict[str, float], is_synthetic: bool
) -> dict[str, float]:
    """Return archive, or list where it is not here yet, to its bytes."""
    listing = data / "annotations" / "raw" / source.list
    names = read_lines(listing) if listing.is_file() else []
    if names and all(name in sizes for name in names):
        return {name: sizes[name] for name in names}
    if is_synthetic:
        return {source.list: 0.0}
    split = "val" if "val" in source.list else "train"
    return {source.list: known.KINETICS_ARCHIVE_BYTES[split]}


def _frames(params: Params, data: Path, subsets: dict[str, Published], means: Means) -> list[Step]:
    num_frames = sum(subset.frames for subset in subsets.values())
    seconds = num_frames / FPS
    side = params.extract_frames.short_side_px
    jpeg_bytes = num_frames * side * side * known.ASPECT * known.JPEG_BYTES_PER_PX
    cut = Step("cut_clips", f"{seconds / 3600:,.1f} h of video")
    for subset in params.data.subsets:
        cut_bytes = _cut_bytes(params, subset, subsets[subset.name])
        cut.seconds += cut_bytes / known.CUT_BYTES_PER_CORE_SECOND / means.cores
        # What was cut when it came gets a second name.
        cut.disk_bytes += 0.0 if _is_cut_on_arrival(subset) else cut_bytes
    frames = Step("extract_frames", f"{num_frames:,} frames", disk_bytes=jpeg_bytes)
    frames.notes = [
        f"{name}: frames unknown until its clips are listed"
        for name, subset in subsets.items()
        if not subset.frames
    ]
    frames.seconds = num_frames / known.FRAMES_PER_CORE_SECOND / means.cores
    for step, folder, kinds in ((cut, "clips", ("csv",)), (frames, "frames", STORED)):
        ended = [[data / folder / f"{shard}.{kind}" for kind in kinds] for shard in params.shards]
        _shrink(step, sum(all(path.is_file() for path in each) for each in ended) / len(ended))
    return [cut, frames]


def _shrink(step: Step, share: float) -> None:
    """Leave what is still to do when a share of the shards has ended."""
    step.download_bytes *= 1 - share
    step.linked_bytes *= 1 - share
    step.seconds *= 1 - share
    step.notes += [f"{share:.0%} of the shards are there"] if share else []


def _ask_sizes(params: Params, data: Path) -> dict[str, float]:
    """Content-Length of annotation files, listed videos and archives, where the host tells."""
    addresses = [file.url for file in params.data.annotation_files]
    raw = data / "annotations" / "raw"
    for subset in params.data.subsets:
        for source in subset.sources:
            if isinstance(source, FilesSource) and (raw / source.list).is_file():
                names = [name for name in read_lines(raw / source.list) if is_video(name)]
                addresses += [f"{source.url.rstrip('/')}/{quote(name)}" for name in names]
            elif isinstance(source, ArchivesSource) and (raw / source.list).is_file():
                addresses += read_lines(raw / source.list)
    asked = [each for each in dict.fromkeys(addresses) if "://" in each and MIRROR not in each]
    with open_client(RetryPolicy(10.0, 1), 8) as client, ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda address: _content_length(client, address), asked)
        return {each: size for each, size in zip(asked, told, strict=True) if size is not None}


def _content_length(client: httpx.Client, address: str) -> float | None:
    try:
        try:
            answer = client.head(address)
        except httpx.RemoteProtocolError:  # the host had closed a connection it had left open
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
