"""Known sizes and speeds from which `pipeline.plan` estimates; docs/data.md explains them."""

from dataclasses import dataclass, field

GB = 1e9

# AVA: 299 video files of 157 GB; Kinetics-700 (2020): archives of up to 1.2 TB, 644,584 clips.
AVA_VIDEO_BYTES = 157 * GB / 299
KINETICS_CLIP_BYTES = 1200 * GB / 644_584
KINETICS_ARCHIVE_BYTES = {"train": 1200 * GB * 0.847, "val": 1200 * GB * 0.053}
ANNOTATION_BYTES = 0.1 * GB  # all files of a dataset; most are far smaller
DRAWN_VIDEO_BYTES = 1e5  # a clip of the synthetic dataset
CHECKPOINT_BYTES = 0.13 * GB  # SlowOnly R50 with its classifier
MODEL_BYTES = 0.4 * GB  # a trained detector, with the state of its optimiser
YOUTUBE_BYTES_PER_SECOND = 6e4  # 360p, images alone
# Whole groups of images are kept, so more than the wanted seconds.
CUT_SHARE_OVER = 1.3
# Groups of up to 250 images, 8 s: a cut clip of 10 s begins at its first image and ends one
# second after its keyframe, which lies in the middle on average.
CUT_SHARE_OF_CLIP = 0.6
VIDEO_SECONDS = 6000.0  # mean length of a film in AVA
# 392 GB hold 900 s of 299 videos in full size at 30 a second; smaller ones in proportion.
JPEG_BYTES_PER_PX = 0.2
ASPECT = 16 / 9

CUT_BYTES_PER_CORE_SECOND = 100e6
FRAMES_PER_CORE_SECOND = 150.0  # decoded, shrunk and written as JPEG
PEOPLE_BYTES_PER_KEYFRAME = 500.0  # found by the detector: 400 as text, and the proposals
DETECTIONS_PER_SECOND = 10.0  # Faster R-CNN on one GPU
GMACS_PER_FRAME = 41.55 / 4  # SlowOnly R50 at 256 x 256
# A training step: forward once, backward about twice.
TRAINING_PASSES = 3
# All of AVA-Kinetics, made up, on one core: docs/performance.md, "Other measurements".
LISTED_CLIPS_PER_SECOND = 173_299 / 4.2
MERGED_KEYFRAMES_PER_SECOND = 440_475 / 7.1
REPORT_SECONDS_PER_VARIANT = 10.0  # assumed: about what merging takes


@dataclass(frozen=True)
class Published:
    """What is known of a part before its lists are here.

    Attributes:
        clips: to fetch.
        keyframes: annotated seconds; None while nothing tells.
        frames: to store.
    """

    clips: int
    keyframes: int | None
    frames: int


# By ground truth file. A keyframe of AVA has neighbours every second, so that all frames are
# stored.
PUBLISHED = {
    "ava_train_v2.2.csv": Published(235, 235 * 897, 235 * 897 * 30),
    "ava_val_v2.2.csv": Published(64, 64 * 897, 64 * 897 * 30),
    "ava_train_v2.1.csv": Published(235, 235 * 897, 235 * 897 * 30),
    "ava_val_v2.1.csv": Published(64, 64 * 897, 64 * 897 * 30),
    "kinetics_train_v1.0.csv": Published(141_000, 141_000, 141_000 * 70),
    "kinetics_val_v1.0.csv": Published(32_000, 31_272, 31_272 * 70),
}


@dataclass(frozen=True)
class Means:
    """What there is to work with."""

    bytes_per_second: float  # of the network
    cores: int
    flops: float  # a second, of the GPU


@dataclass
class Step:
    """One stage: bytes to download, bytes on the disk when done, seconds; and what is there.

    Attributes:
        linked_bytes: still to come as second names of files that lie on this disk already.
    """

    stage: str
    what: str
    download_bytes: float = 0.0
    disk_bytes: float = 0.0
    seconds: float = 0.0
    there_bytes: float = 0.0
    linked_bytes: float = 0.0
    notes: list[str] = field(default_factory=list)
