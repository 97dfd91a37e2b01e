"""The files of `ava_kinetics` at its real size or a share of it, annotations and tables only.

At the real size the Kinetics validation rows and list are the real ones where AVA_REFERENCE_DIR has
them; Kinetics training rows are whole videos of them, repeated under new names. All else is
made.
"""

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.ava_csv import read_ground_truth
from pipeline.clips import parse_windows, read_clips
from pipeline.people.proposals import BOX, write_proposals
from pipeline.settings.params import Params

AVA_VIDEOS = {"ava_train": 235, "ava_val": 64}
TRAIN_CLIPS, VAL_CLIPS = 141_000, 32_000
LISTED_CLIPS = 545_000  # of the Kinetics-700 training list, most of them without boxes
PEOPLE_PER_SECOND, ACTIONS_PER_PERSON = 1.64, 2.42  # give AVA's 837,000 training rows
Random = np.random.Generator


def write_annotations(raw: Path, seed: int = 0, share: float | None = None) -> None:
    """Write the raw annotation files that the dataset's subsets name.

    Args:
        share: of the real numbers of videos and clips; None: all, with the real rows if there.
    """
    size = 1.0 if share is None else share
    raw.mkdir(parents=True)
    random = np.random.default_rng(seed)
    names = []
    for subset, count in AVA_VIDEOS.items():
        videos = [f"{subset}-{number:04d}" for number in range(round(size * count))]
        names += [f"{video}.mkv\n" for video in videos]
        (raw / f"{subset}_v2.2.csv").write_text(_ava_rows(videos, random))
        excluded = "".join(f"{video},0905\n" for video in videos[::9])
        (raw / f"{subset}_excluded_timestamps_v2.2.csv").write_text(excluded)
    (raw / "ava_file_names_trainval_v2.1.txt").write_text("".join(names))
    for split in ("train", "val"):
        (raw / f"k700_2020_{split}_path.txt").write_text("https://example.org/0.tar.gz\n")
    known = _real_kinetics_val() if share is None else None
    val_rows, val_list = known or _kinetics_val(round(size * VAL_CLIPS), random)
    (raw / "kinetics_val_v1.0.csv").write_text(val_rows)
    (raw / "k700_val.csv").write_text(val_list)
    _write_train(raw, val_rows, size, random)
    items = [f'item {{ name: "action {number}" id: {number} }}\n' for number in range(1, 61)]
    (raw / "ava_action_list_v2.2_for_activitynet_2019.pbtxt").write_text("".join(items))


def _ava_rows(videos: list[str], random: Random) -> str:
    lines = []
    for video in videos:
        for second, people in enumerate(random.poisson(PEOPLE_PER_SECOND, 897), start=902):
            if not people:
                lines.append(f"{video},{second:04d}\n")
            for person in range(people):
                box = _box(random.random(4))
                actions = random.choice(80, 1 + random.poisson(ACTIONS_PER_PERSON - 1)) + 1
                lines += [f"{video},{second:04d},{box},{action},{person}\n" for action in actions]
    return "".join(lines)


def _box(numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    left, top, width, height = numbers * [0.5, 0.4, 0.4, 0.5] + [0, 0, 0.05, 0.05]
    return f"{left:.3f},{top:.3f},{left + width:.3f},{top + height:.3f}"


def _real_kinetics_val() -> tuple[str, str] | None:
    folder = Path(os.environ.get("AVA_REFERENCE_DIR", "none")) / "annotations"
    rows, listed = folder / "kinetics_val_v1.0.csv", folder / "kinetics-700_2020_val.csv"
    if not (rows.exists() and listed.exists()):
        return None
    return rows.read_text(), listed.read_text()


def _kinetics_val(num_clips: int, random: Random) -> tuple[str, str]:
    lines, clips = [], ["label,youtube_id,time_start,time_end,split\n"]
    for number in range(num_clips):
        clips.append(f"class {number % 700},v{number:010d},10,20,validate\n")
        start = f"v{number:010d},{10 + random.random() * 10:.6f}"
        people = random.poisson(1.3)
        if not people:
            lines.append(f"{start}\n")
        for _ in range(people):
            box = _box(random.random(4))
            lines += [f"{start},{box},{action + 1}\n" for action in random.choice(80, 2)]
    return "".join(lines), "".join(clips)


def _write_train(raw: Path, val_rows: str, size: float, random: Random) -> None:
    by_video: dict[str, list[str]] = {}
    for line in val_rows.splitlines(keepends=True):
        video, _, rest = line.partition(",")
        by_video.setdefault(video, []).append(rest)
    groups = list(by_video.values())
    lines, clips = [], ["label,youtube_id,time_start,time_end,split\n"]
    num_clips, num_listed = round(size * TRAIN_CLIPS), round(size * LISTED_CLIPS)
    for number, chosen in enumerate(random.integers(len(groups), size=num_clips).tolist()):
        video, group = f"t{number:010d}", groups[chosen]
        lines += [f"{video},{rest}" for rest in group]
        start = max(int(float(group[0].partition(",")[0])) - 4, 0)
        clips.append(f"class {number % 700},{video},{start},{start + 10},train\n")
    others = range(num_clips, num_listed)
    clips += [f"class {number % 700},t{number:010d},0,10,train\n" for number in others]
    (raw / "kinetics_train_v1.0.csv").write_text("".join(lines))
    (raw / "k700_train.csv").write_text("".join(clips))


def write_shards(data: Path, params: Params, logs: Path) -> None:
    """What download, cut and extract would leave of the clip table: all there but 3 in 100."""
    clips = read_clips(data / "clips.csv").drop_duplicates("clip")
    lost = np.array([zlib.crc32(clip.encode()) % 100 < 3 for clip in clips["clip"]])
    of_shard = np.array(
        [zlib.crc32(clip[::-1].encode()) % len(params.shards) for clip in clips["clip"]]
    )
    for stage in ("videos", "clips", "frames"):
        (data / stage).mkdir()
    for number, shard in enumerate(params.shards):
        mine = clips[of_shard == number]
        missing = lost[of_shard == number]
        report = pd.DataFrame({"clip": mine["clip"], "status": "ok", "reason": ""})
        report.loc[missing, ["status", "reason"]] = "missing", "HTTP 404"
        for stage in ("videos", "clips"):
            (data / stage / shard).mkdir()
            (data / stage / shard / "a.mp4").write_text(shard)
        report.to_csv(data / "videos" / f"{shard}.csv", index=False)
        report[~missing].to_csv(data / "clips" / f"{shard}.csv", index=False)
        report[~missing].to_csv(data / "frames" / f"{shard}.csv", index=False)
        (data / "frames" / f"{shard}.tar").write_text(shard)
        _write_store(data / "frames" / f"{shard}.parquet", mine[~missing].sort_values("clip"))
        for stage in ("download", "cut_clips", "extract_frames"):
            (logs / stage).mkdir(parents=True, exist_ok=True)
            (logs / stage / f"{shard}.json").write_text(json.dumps({"clips": len(mine)}))


def _write_store(path: Path, clips: pd.DataFrame) -> None:
    windows = [parse_windows(text) for text in clips["windows"]]
    frames = [np.concatenate([np.arange(a, b + 1) for a, b in each]) for each in windows]
    numbers = np.concatenate(frames).astype(np.int32)
    lengths = np.full(len(numbers), 15_000, np.int32)
    codes = np.repeat(np.arange(len(clips), dtype=np.int32), [len(each) for each in frames])
    names = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(clips["clip"].tolist()))
    columns = {
        "clip": names.cast(pa.string()),
        "frame": numbers,
        "offset": np.arange(len(numbers)) * 15_360 + 512,
        "length": lengths,
        "width": np.full(len(numbers), 455, np.int32),
        "height": np.full(len(numbers), 256, np.int32),
    }
    pq.write_table(pa.table(columns), path)


def write_all_proposals(data: Path, params: Params) -> None:
    """Every ground truth box once, with a score, as a good detector would leave them."""
    for split in params.splits:
        subsets = [
            read_ground_truth(data / "annotations/raw" / subset.ground_truth)
            for subset in params.subsets(split)
        ]
        ground_truth = pd.concat(subsets)
        boxes = ground_truth[ground_truth["action_id"] != 0].drop_duplicates(
            ["video_id", "timestamp", *BOX]
        )
        boxes = boxes.sort_values(["video_id", "timestamp"])
        write_proposals(data / "proposals" / f"{split}.parquet", boxes.assign(score=0.95))
