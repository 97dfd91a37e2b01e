"""Write the frames that the stages would store of a video, to look at.

DIR gets `img_<number>.jpg`, 30 a second from --start on, and `frames.json`: status and reason as in
the report of `extract_frames`, track, rate and size of the video, and for each frame its number and
the source's time, in seconds from the start of the video, at which that image comes on screen.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.command import run
from pipeline.sampling import FPS

if TYPE_CHECKING:
    from pipeline.settings.sections import ExtractFrames
    from pipeline.video.crash_guard import Guard

NOTE = "frames.json"
MOST_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Request:
    """What to show; `numbers` frames from `start_seconds` of the video on."""

    video: Path
    start_seconds: float
    num_frames: int
    out: Path
    settings: "ExtractFrames"


@dataclass
class _Folder:
    """Writes frames as single files."""

    out: Path
    size: list[int] = field(default_factory=list)

    def add(self, clip: str, frame: int, jpeg: bytes, width: int, height: int) -> None:
        """Write one frame; `clip` has a folder of its own already."""
        (self.out / f"img_{frame:05d}.jpg").write_bytes(jpeg)
        self.size = [width, height]


def show_frames(request: Request, guard: "Guard") -> dict[str, Any]:
    """Write the frames and return what stands in `frames.json`.

    Cutting and extracting are those of the stages; a video that cannot be read gives a status and a
    reason.
    """
    from pipeline.video.shard_cutting import cut_guarded
    from pipeline.video.shard_extraction import ClipReport, extract_clip

    store, start, last = _Folder(request.out), request.start_seconds, request.num_frames
    frames: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=request.out) as folder:
        clip = "clip"
        cut = cut_guarded(guard, request.video, Path(folder), clip, f"1-{last}", start)
        zero = cut.zero_seconds - start  # of the video, as the cut file counts

        def note(number: int, seconds: float) -> None:
            frames.append({"number": number, "source_time": round(seconds - zero, 6)})

        report = ClipReport(clip, "damaged", last, 0, cut.reason)
        if cut.path:
            numbers = list(range(1, last + 1))
            report = extract_clip(cut, Path(folder), numbers, store, request.settings, note)
    return {
        "status": report.status,
        "reason": report.reason,
        **_source(request.video),
        "size": store.size,
        "frames": frames,
    }


def _source(video: Path) -> dict[str, Any]:
    """Return track (its position in the file) and rate in frames a second; null where unknown."""
    from pipeline.video.video import opened

    try:
        with opened(video) as (_, stream):
            rate = stream.average_rate
            return {"track": stream.index, "rate": float(rate) if rate else None}
    except ValueError:
        return {"track": None, "rate": None}


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.core.atomic import written_folder
    from pipeline.settings.params import load_params
    from pipeline.video.crash_guard import guarded

    args.video.stat()  # says that it is missing
    _require_own(args.out)
    settings = load_params(args.params).extract_frames
    with written_folder(args.out) as folder:
        num_frames = max(1, round(args.seconds * FPS))
        request = Request(args.video, args.start, num_frames, folder, settings)
        shown = guarded(show_frames, request)
        (folder / NOTE).write_text(json.dumps(shown, indent=1, allow_nan=False) + "\n")


def _require_own(out: Path) -> None:
    """Raise ValueError if writing to `out` would remove files of somebody else."""
    if not out.exists() or (out / NOTE).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise ValueError(f"{out}: found other files, expected a new folder or one of show_frames")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(text)
    return seconds


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("video", type=Path)
    start = "where to begin, in seconds from the start of the video"
    flags.add_argument("--start", type=_seconds, default=0.0, help=start)
    flags.add_argument("--seconds", type=_seconds, default=2.0, help="how much to write (2)")
    flags.add_argument("--out", type=Path, required=True, help="folder to write")
    settings = "settings with the frames' size and quality (params.yaml)"
    flags.add_argument("--params", type=Path, default=Path("params.yaml"), help=settings)
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
