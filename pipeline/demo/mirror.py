"""The synthetic dataset as a folder `host/path`, file by file as on the real servers."""

import csv
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pipeline.core.progress import track
from pipeline.demo import ground_truth
from pipeline.demo.ava import ava_keyframes, plan_ava
from pipeline.demo.classes import evaluated_list, full_list
from pipeline.demo.encoding import AVA_FAULTS, KINETICS_FAULTS, KINETICS_VAL_FAULTS, encode, spoil
from pipeline.demo.film import Film
from pipeline.demo.kinetics import KineticsClip, plan_kinetics
from pipeline.demo.motions import EVALUATED_IDS
from pipeline.demo.programme import seeded
from pipeline.settings.sections import DrawWorld

AVA = "s3.amazonaws.com/ava-dataset"
KINETICS = "s3.amazonaws.com/kinetics/700_2020"
AVA_KINETICS = "storage.googleapis.com/deepmind-media/Datasets/ava_kinetics_v1_0.tar.gz"
PROPOSALS = "download.openmmlab.com/mmaction/dataset/ava"
CLIPS_PER_ARCHIVE = 60
NUM_EXCLUDED = {"train": 2, "val": 1}
README = """AVA-Kinetics v1.0, demo edition: drawn by a program, not filmed.

kinetics_{train,val}_v1.0.csv: video_id, timestamp, x1, y1, x2, y2, action_id.
A row of video_id and timestamp alone is an annotated keyframe without people.
"""
Save = Callable[[str, bytes], None]


def draw_mirror(section: DrawWorld, folder: Path) -> dict[str, int]:
    """Draw the whole world below `folder`; return counts for the job's summary."""
    counts = {"files": 0, "bytes": 0}

    def save(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        counts["files"] += 1
        counts["bytes"] += len(content)

    films = {
        "train": plan_ava(section.seed, "train", section.ava_train_videos, section.ava_seconds),
        "val": plan_ava(section.seed, "val", section.ava_val_videos, section.ava_seconds),
    }
    seconds = section.kinetics_seconds
    clips = {
        "train": plan_kinetics(section.seed, "train", section.kinetics_train_clips, seconds),
        "val": plan_kinetics(section.seed, "val", section.kinetics_val_clips, seconds),
    }
    counts |= _publish_ava(section, films, save)
    counts |= _publish_kinetics(section, clips, save)
    _publish_videos(section, films, clips, save)
    return counts


# --- annotations ----------------------------------------------------------------------------------


def _excluded(section: DrawWorld, split: str, films: Iterable[Film]) -> str:
    """Return a few keyframes that the annotators could not agree on."""
    rng = seeded(section.seed, f"excluded/{split}")
    moments = [
        (film.video_id, second) for film in films for second in ava_keyframes(section.ava_seconds)
    ]
    # Never all of a tiny world.
    chosen = rng.choice(len(moments), min(NUM_EXCLUDED[split], len(moments) - 1), replace=False)
    rows = sorted(moments[number] for number in chosen)
    return "".join(f"{video_id},{second:04d}\n" for video_id, second in rows)


def _publish_ava(section: DrawWorld, films: dict[str, list[Film]], save: Save) -> dict[str, int]:
    files, counts = {}, {}
    for split, some in films.items():
        keyframes = ground_truth.annotate_ava(some, section.ava_seconds)
        files[f"ava_{split}_v2.2.csv"] = ground_truth.ava_csv(keyframes)
        files[f"ava_{split}_excluded_timestamps_v2.2.csv"] = _excluded(section, split, some)
        save(
            f"{PROPOSALS}/ava_dense_proposals_{split}.FAIR.recall_93.9.pkl",
            ground_truth.detect(keyframes, section.seed, padded=True),
        )
        counts[f"ava_{split}_keyframes"] = len(keyframes)
        counts[f"ava_{split}_boxes"] = sum(len(keyframe.people) for keyframe in keyframes)
    files["ava_action_list_v2.2.pbtxt"] = full_list()
    files["ava_action_list_v2.2_for_activitynet_2019.pbtxt"] = evaluated_list(EVALUATED_IDS)
    seconds = ava_keyframes(section.ava_seconds)
    files["ava_included_timestamps_v2.2.txt"] = "".join(f"{second:04d}\n" for second in seconds)
    save(f"{AVA}/annotations/ava_v2.2.zip", zipped(dict(sorted(files.items()))))
    names = sorted(_file_name(film) for some in films.values() for film in some)
    save(
        f"{AVA}/annotations/ava_file_names_trainval_v2.1.txt",
        "".join(f"{name}\n" for name in names).encode(),
    )
    return counts


def _clip_list(clips: Iterable[KineticsClip], split: str) -> bytes:
    """csv of all labelled clips, as published: by class, then by id."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
    rows = [(clip.label, clip.film.video_id, clip.start, clip.end) for clip in clips]
    writer.writerows((*row, {"val": "validate"}.get(split, split)) for row in sorted(rows))
    return text.getvalue().encode()


def _publish_kinetics(
    section: DrawWorld, clips: dict[str, list[KineticsClip]], save: Save
) -> dict[str, int]:
    files, counts = {"README.md": README.encode()}, {}
    for split, some in clips.items():
        keyframes = ground_truth.annotate_kinetics(some)
        files[f"kinetics_{split}_v1.0.csv"] = ground_truth.kinetics_csv(keyframes).encode()
        save(
            f"{PROPOSALS}/kinetics_proposals_{split}.pkl",
            ground_truth.detect(keyframes, section.seed, padded=False),
        )
        save(f"{KINETICS}/annotations/{split}.csv", _clip_list(some, split))
        counts[f"kinetics_{split}_keyframes"] = len(keyframes)
        counts[f"kinetics_{split}_boxes"] = sum(len(keyframe.people) for keyframe in keyframes)
    members = {f"ava_kinetics_v1_0/{name}": content for name, content in sorted(files.items())}
    save(AVA_KINETICS, tarred(members))
    return counts


# --- videos ---------------------------------------------------------------------------------------


def _file_name(film: Film) -> str:
    return f"{film.video_id}.{film.container}"


def _publish_videos(
    section: DrawWorld,
    films: dict[str, list[Film]],
    clips: dict[str, list[KineticsClip]],
    save: Save,
) -> None:
    everything = [film for some in films.values() for film in some]
    everything += [clip.film for some in clips.values() for clip in some]
    # A forked child can hang on a lock that another thread of its parent held; fresh ones cannot.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        encoded = track(
            pool.map(encode, everything), "draw videos", unit="video", total=len(everything)
        )
        videos = {film.video_id: content for film, content in zip(everything, encoded, strict=True)}
    for split, some in films.items():
        for number, film in enumerate(some):
            fault = AVA_FAULTS.get(number) if split == "train" else None
            content = spoil(videos[film.video_id], fault, section.seed)
            if content is not None:
                save(f"{AVA}/trainval/{_file_name(film)}", content)
    for split, cuts in clips.items():
        _publish_archives(section, split, cuts, videos, save)


def _publish_archives(
    section: DrawWorld,
    split: str,
    clips: list[KineticsClip],
    videos: dict[str, bytes],
    save: Save,
) -> None:
    faults = KINETICS_FAULTS if split == "train" else KINETICS_VAL_FAULTS
    members = {}
    for number, clip in enumerate(clips):
        content = spoil(videos[clip.film.video_id], faults.get(number), section.seed)
        if content is not None:
            members[f"{clip.name}.mp4"] = content
    names, addresses = list(members), []
    # At least three archives of the training part, so that shards have something to share out.
    per_archive = min(CLIPS_PER_ARCHIVE, -(-len(names) // (3 if split == "train" else 1)))
    for number, first in enumerate(range(0, len(names), per_archive)):
        chosen = names[first : first + per_archive]
        path = f"{KINETICS}/{split}/k700_{split}_{number:03d}.tar.gz"
        # Video does not shrink: the fastest level costs nothing.
        save(path, tarred({name: members[name] for name in chosen}, level=1))
        addresses.append(f"{{mirror}}/{path}\n")
    save(f"{KINETICS}/{split}/k700_2020_{split}_path.txt", "".join(addresses).encode())


# The earliest moment a zip can hold; tar and gzip take 0.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(files: Mapping[str, str]) -> bytes:
    """Return a zip of text files, in the given order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name, ZIP_EPOCH)
            member.external_attr = 0o644 << 16
            archive.writestr(member, text.encode(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def tarred(files: Mapping[str, bytes], level: int = 6) -> bytes:
    """Return a tar.gz of files, in the given order; `level` 1 for what does not shrink anyway."""
    packed = io.BytesIO()
    # The name in the gzip header stays empty, its time 0.
    with (
        gzip.GzipFile("", "wb", level, packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
