"""A small mirror and a dataset of one part that wants clips from it."""

import csv
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pandas as pd

from pipeline.clips import COLUMNS, write_clips
from pipeline.demo.mirror_server import serve
from pipeline.download.data_lock import DataLock
from pipeline.download.download_pass import open_pass
from pipeline.download.http import RetryPolicy
from pipeline.download.job import download_clips
from pipeline.download.job_context import DownloadLimits
from pipeline.download.video_table import clips_there
from pipeline.settings.sections import Subset, YouTube
from tests.small_dataset import read_settings, write_settings

POLICY = RetryPolicy(timeout_seconds=1, attempts=2, first_wait_seconds=0.01)
QUICK = YouTube(
    cookies=None, at_once=2, sleep_seconds=0.0, sleep_requests_seconds=0.0, videos_per_job=100
)


def video(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 2000


class World:
    """A small mirror, and a dataset of one part that wants clips from it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mirror, self.raw = folder, folder / "mirror", folder / "raw"
        self.out, self.job = folder / "out", "00"
        self.mirror.mkdir(parents=True)
        self.raw.mkdir()
        self.sources: list[dict[str, str]] = []
        self.clips: list[dict[str, object]] = []
        self.lock, self.accept_changed = folder / "locks" / "00.csv", False
        self.limits = DownloadLimits(POLICY, 2, QUICK, short_side_px=100)

    def want(
        self,
        *clips: str,
        shard: str = "00",
        video_id: str = "",
        start: float = 0.0,
        end: float = 0.0,
    ) -> None:
        for clip in clips:
            row = dict.fromkeys(COLUMNS, "") | {"subset": "a", "split": "train", "clip": clip}
            row |= {"video_id": video_id or clip, "shard": shard, "windows": "1-9"}
            row |= {"start_seconds": start, "end_seconds": end, "offset_seconds": 0.0}
            self.clips.append(row)

    def publish(self, *names: str, url: str = "{mirror}") -> None:
        """Put videos on the mirror, and a list that names them among the raw annotations."""
        for name in names:
            (self.mirror / name).write_bytes(video(name))
        (self.raw / "names.txt").write_text("".join(f"{name}\n" for name in names))
        self.sources.append({"kind": "files", "list": "names.txt", "url": url})

    def publish_archives(self, *archives: list[str]) -> None:
        for number, names in enumerate(archives):
            with tarfile.open(self.mirror / f"{number}.tar.gz", "w:gz") as archive:
                for name in names:
                    info = tarfile.TarInfo(name)
                    info.size = len(video(name))
                    archive.addfile(info, io.BytesIO(video(name)))
        lines = [f"{{mirror}}/{number}.tar.gz\n" for number in range(len(archives))]
        (self.raw / "paths.txt").write_text("".join(lines))
        self.sources.append({"kind": "archives", "list": "paths.txt"})

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.clips, columns=list(COLUMNS)).astype(COLUMNS)

    @property
    def subset(self) -> dict[str, object]:
        return {
            "name": "a",
            "split": "train",
            "ground_truth": "t.csv",
            "proposals": "detect",
            "sources": self.sources,
        }

    def download(self, shard: int = 0, num_shards: int = 1, number: int = 0) -> dict[str, float]:
        """Run one job of a pass, counted from 0; `rows` and `files` are of the last one."""
        passes = Subset.model_validate(self.subset).passes
        names = [f"{each:02d}" for each in range(num_shards)]
        suffixes = ["", *(f"_{later}" for later in range(2, len(passes) + 1))]
        earlier = [self.out / f"{name}{end}.csv" for end in suffixes[:number] for name in names]
        self.job = names[shard] + suffixes[number]
        clips = self.table
        with serve(self.mirror) as base:
            return download_clips(
                clips[~clips["clip"].isin(clips_there(earlier))],
                {"a": open_pass(passes[number], self.raw)},
                shard,
                num_shards,
                self.videos,
                self.report,
                limits=self.limits,
                lock=DataLock(self.lock, self.accept_changed),
                mirror=base,
            )

    def download_all(self, num_shards: int = 1) -> dict[str, dict[str, str]]:
        """Run all passes of all shards; return the rows of what is there."""
        there: dict[str, dict[str, str]] = {}
        for number in range(len(Subset.model_validate(self.subset).passes)):
            for shard in range(num_shards):
                self.download(shard, num_shards, number)
                found = {clip: row for clip, row in self.rows.items() if row["status"] == "ok"}
                assert not found.keys() & there.keys()
                assert sorted(self.files) == sorted(row["path"] for row in found.values())
                there |= found
        return there

    def forget(self) -> None:
        """As on another machine: nothing is there but the data lock."""
        shutil.rmtree(self.out)

    @property
    def videos(self) -> Path:
        return self.out / self.job

    @property
    def report(self) -> Path:
        return self.out / f"{self.job}.csv"

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        with self.report.open(newline="") as file:
            return {row["clip"]: row for row in csv.DictReader(file)}

    @property
    def files(self) -> dict[str, bytes]:
        """What lies in the folder of videos; nothing may lie in the working folder but notes."""
        working = self.out / f".{self.job}.partial"
        assert all(path.suffix in (".jsonl",) for path in working.rglob("*"))
        return {path.name: path.read_bytes() for path in self.videos.iterdir()}


def params_file(world: World) -> Path:
    """The project's settings with one more dataset, of this world's part."""
    params = read_settings()
    validation = {**world.subset, "name": "b", "split": "val"}
    params["dataset"] = "tiny"
    params["datasets"]["tiny"] = {
        **params["datasets"]["demo"],
        "num_shards": 1,
        "subsets": [world.subset, validation],
    }
    path = world.folder / "params.yaml"
    write_settings(path, params)
    return path


def arguments(world: World, params: Path) -> list[str]:
    write_clips(world.table, world.folder / "clips.csv")
    flags = {
        "params": params,
        "clips": world.folder / "clips.csv",
        "raw": world.raw,
        "job": "00",
        "videos": world.videos,
        "report": world.report,
        "earlier": world.out,
        "mirror": world.mirror,
        "summary": world.folder / "summary.json",
    }
    return [text for name, value in flags.items() for text in (f"--{name}", str(value))]
