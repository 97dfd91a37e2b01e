"""Known sizes and speeds from which the plan estimates; docs/data.md explains them."""

from dataclasses import dataclass, field

GB = 1e9

# AVA: 299 video files of 157 GB; Kinetics-700 (2020): archives of up to 1.2 TB, 644,584 clips.
AVA_VIDEO_BYTES = 157 * GB / 299
KINETICS_CLIP_BYTES = 1200 * GB / 644_584
KINETICS_ARCHIVE_BYTES = {"train": 1200 * GB * 0.847, "val": 1200 * GB * 0.053}
ANNOTATION_BYTES = 0.1 * GB  # all files of a dataset; most are far smaller
DRAWN_VIDEO_BYTES = 1e5  # a clip of the synthetic dataset
CHECKPOINT_BYTES = 0.13 * GB  # SlowOnly R50 with its classifier
MODEL_BYTES = 0.4 * GB  # a trained detector, with the state of its optimizer
YOUTUBE_BYTES_PER_SECOND = 6e4  # 360p, video alone
CUT_SHARE_OVER = 1.3  # whole groups of frames are kept, so more than the wanted seconds
CUT_SHARE_OF_CLIP = 0.6  # a cut clip of 10 s ends a second after its keyframe, in the middle
VIDEO_SECONDS = 6000.0  # mean length of a film in AVA
JPEG_BYTES_PER_PX = 0.2
ASPECT = 16 / 9

CUT_BYTES_PER_CORE_SECOND = 100e6
FRAMES_PER_CORE_SECOND = 150.0  # decoded, shrunk and written as JPEG
BOX_BYTES_PER_KEYFRAME = 500.0  # what the detector leaves
DETECTIONS_PER_SECOND = 10.0  # Faster R-CNN on one GPU
STEP_OVER_FORWARD = 3  # a training step: forward once, backward about twice
LISTED_CLIPS_PER_SECOND = 173_299 / 4.2  # AVA-Kinetics, made up, on one core
MERGED_KEYFRAMES_PER_SECOND = 440_475 / 7.1
REPORT_SECONDS_PER_VARIANT = 10.0  # assumed


@dataclass(frozen=True)
class Size:
    """What is known of a subset.

    Attributes:
        clips: to download.
        keyframes: annotated seconds; None while nothing tells.
        frames: to store.
    """

    clips: int
    keyframes: int | None
    frames: int


UNKNOWN = Size(0, None, 0)
# By ground truth file. A keyframe of AVA has neighbours every second: all frames are stored.
PUBLISHED = {
    "ava_train_v2.2.csv": Size(235, 235 * 897, 235 * 897 * 30),
    "ava_val_v2.2.csv": Size(64, 64 * 897, 64 * 897 * 30),
    "ava_train_v2.1.csv": Size(235, 235 * 897, 235 * 897 * 30),
    "ava_val_v2.1.csv": Size(64, 64 * 897, 64 * 897 * 30),
    "kinetics_train_v1.0.csv": Size(141_000, 141_000, 141_000 * 70),
    "kinetics_val_v1.0.csv": Size(32_000, 31_272, 31_272 * 70),
}


@dataclass(frozen=True)
class Means:
    """What there is to work with."""

    bytes_per_second: float  # of the network
    cores: int
    flops: float  # a second, of the GPU


@dataclass
class Step:
    """One stage: bytes to download, bytes on the disk when done, seconds; and what is there."""

    stage: str
    what: str
    download_bytes: float = 0.0
    disk_bytes: float = 0.0
    seconds: float = 0.0
    there_bytes: float = 0.0
    notes: list[str] = field(default_factory=list)
