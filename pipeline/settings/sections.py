"""The sections of params.yaml: one frozen class per stage, with the range of every value.

Imports no torch: Snakemake reads the settings again in every job.
"""

from itertools import groupby
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.sampling import Sampling

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Protocol = Literal["official", "uncapped"]
Precision = Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 where it is faster
JOINT_SPLIT = "val_all"  # all validation splits of a dataset that has several, scored as one


class Section(BaseModel):
    """Unknown keys and wrong types are errors; "3" is not a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DrawWorld(Section):
    seed: Count
    ava_train_videos: Positive
    ava_val_videos: Positive
    ava_seconds: Annotated[int, Field(ge=4)]  # length of the annotated span
    kinetics_train_clips: Positive
    kinetics_val_clips: Positive
    kinetics_seconds: Annotated[int, Field(ge=3)]


class DownloadAnnotations(Section):
    timeout_seconds: PositiveFloat  # without a byte, then the transfer counts as stalled
    attempts: Positive


class ListClips(Section):
    frames_before: Count  # stored frames wanted before a keyframe (30 a second)
    frames_after: Count
    pretrain_frames: Positive  # around the middle of a clip that is wanted for its label only


class YouTube(Section):
    """How to ask YouTube; decides no byte of what comes."""

    cookies: str | None  # a cookies.txt; AVA_YOUTUBE_COOKIES in the environment replaces it
    at_once: Positive  # videos fetched at once by one job
    sleep_seconds: Annotated[float, Field(ge=0)]  # after each video
    sleep_requests_seconds: Annotated[float, Field(ge=0)]  # before each question about one
    videos_per_job: Positive  # the others are left to a later run


class Download(Section):
    timeout_seconds: PositiveFloat
    attempts: Positive
    connections: Positive  # files fetched at once by one job
    youtube: YouTube


class CutClips(Section):
    pass


class ExtractFrames(Section):
    short_side_px: Positive  # larger frames shrink to it, smaller ones stay
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


class DetectPeople(Section):
    weights: str  # path or address of a torchvision Faster R-CNN checkpoint
    sha256: Sha256 | None
    min_score: Fraction
    min_side_px: Count
    batch_size: Positive
    fill_gaps: bool  # also at keyframes that a published file has no boxes for


class MergeAnnotations(Section):
    pass


class Optimisation(Section):
    """What pretraining and training share: linear warm-up, then half a cosine to zero."""

    backbone: str  # a name in pipeline.models.slow_only.BACKBONES
    epochs: Positive
    batch_size: Positive  # clips of one step, over all passes and processes
    micro_batch_size: Positive  # through the network at once: what batch norm and dropout see
    optimizer: Literal["sgd", "adamw"]
    learning_rate: PositiveFloat  # at a batch of learning_rate_batch; in proportion at others
    learning_rate_batch: Positive
    warmup_epochs: Count
    momentum: Fraction
    weight_decay: Annotated[float, Field(ge=0)]
    clip_norm: PositiveFloat
    dropout: Annotated[float, Field(ge=0, lt=1)]
    short_side_px: Annotated[tuple[Positive, Positive], Field(strict=False)]  # lowest, highest
    crop_px: Positive
    test_short_side_px: Positive
    seed: Count
    threads: Positive  # part of the result: sums of floats depend on how they are split
    workers: Count  # processes that prepare batches beside the training; decides no number
    save_every_minutes: PositiveFloat
    precision: Precision
    deterministic: bool  # have a GPU repeat its bits; a CPU always does
    compile: bool  # generate kernels for the backbone (torch.compile); other roundings

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.warmup_epochs >= max(self.epochs, 1):
            raise ValueError(f"warmup_epochs {self.warmup_epochs}, expected below {self.epochs}")
        low, high = self.short_side_px
        if not self.crop_px <= low <= high:
            raise ValueError(
                f"short_side_px {[low, high]}, expected [low, high] with crop_px "
                f"{self.crop_px} <= low <= high"
            )
        return self


class Sampled(Section):
    sampling: str  # frames x interval at 30 a second: 8x8

    @field_validator("sampling")
    @classmethod
    def _is_a_sampling(cls, value: str) -> str:
        Sampling.parse(value)
        return value


class Pretrain(Optimisation, Sampled):
    pass


class Train(Optimisation, Sampled):
    epochs: Count  # 0: keep the weights it starts from
    pretrained: str  # a name in the dataset's `pretrained`
    context: bool  # classify [box, whole image] instead of the box alone
    temporal_pool: Literal["mean", "max"]
    head: Literal["linear", "mlp"]
    loss: Literal["bce", "focal"]
    focal_gamma: Annotated[float, Field(ge=0)]
    max_rois: Positive  # people per keyframe that enter the loss
    min_proposal_score: Fraction
    validate_every: Count  # epochs between two evaluations while training; 0: never


class Evaluate(Section):
    batch_size: Positive
    min_score: Fraction  # detections at or below are dropped
    bootstrap_resamples: Count
    precision: Precision
    checkpoint: Literal["last", "best"]  # the last epoch's weights, or those of its highest mAP


class Report(Section):
    gallery_keyframes: Count
    published: dict[str, float]  # variant to the mAP that its authors published


class AnnotationFile(Section):
    url: str  # address or local path; archives are unpacked
    name: str | None = None  # file name to keep, when not the address's own
    sha256: Sha256 | None = None


class FilesSource(Section):
    kind: Literal["files"]
    list: str  # file among the raw annotations: one file name per line
    url: str  # folder that holds them


class FolderSource(Section):
    kind: Literal["folder"]
    path: str
    trimmed: bool = False  # files named by a video's id alone hold one clip, not the whole video


class ArchivesSource(Section):
    kind: Literal["archives"]
    list: str  # file among the raw annotations: one archive address per line
    keep: Literal["seconds", "whole"] = "seconds"  # of a clip: what is looked at, or all of it


class YouTubeSource(Section):
    kind: Literal["youtube"]
    url: str = "https://www.youtube.com/watch?v={video_id}"  # or another site that yt-dlp knows

    @field_validator("url")
    @classmethod
    def _names_the_video(cls, value: str) -> str:
        if "{video_id}" not in value:
            raise ValueError(f"url {value!r}, expected one with {{video_id}} in it")
        return value


Source = Annotated[
    FilesSource | FolderSource | ArchivesSource | YouTubeSource, Field(discriminator="kind")
]


class Subset(Section):
    """Videos annotated together: a ground truth file, where its videos are, who its people are."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    split: Annotated[str, Field(pattern=r"^(train|val[a-z0-9_]*)$")]
    ground_truth: str
    excluded: str | None = None
    proposals: str  # file among the raw annotations, or `detect`
    span_seconds: Annotated[tuple[float, float], Field(strict=False)] | None = None
    clip_list: str | None = None  # csv: label, youtube_id, time_start, time_end, split
    sources: Annotated[list[Source], Field(min_length=1)]

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.span_seconds is not None:
            if self.clip_list is not None:
                raise ValueError("found both span_seconds and clip_list, expected one or neither")
            if not 0 <= self.span_seconds[0] < self.span_seconds[1]:
                raise ValueError(f"span_seconds {self.span_seconds}, expected [start, later end]")
        return self

    @property
    def passes(self) -> list[list[Source]]:
        """The sources in download passes, each for what those before lack: archives apart.

        No shard knows what the archives of another one hold: what is left for the next source only
        the tables of all shards tell.
        """
        grouped = groupby(self.sources, key=lambda source: source.kind == "archives")
        return [list(sources) for _, sources in grouped]


class Pretrained(Section):
    """A backbone to start from: a published checkpoint, or one to train on clip labels."""

    sampling: str | None = None  # when trained with another than the pretrain section's
    checkpoint: str | None = None  # path or address
    sha256: Sha256 | None = None
    labels: list[str] | None = None  # Kinetics classes to train on; []: all
    clips_per_label: Positive | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.checkpoint is None) == (self.labels is None):
            raise ValueError("expected either checkpoint or labels (with clips_per_label)")
        if self.labels is not None and self.clips_per_label is None:
            raise ValueError("labels given, expected clips_per_label beside it")
        return self


class Dataset(Section):
    synthetic: bool  # whether draw_world makes its mirror, served on loopback as {mirror}
    num_shards: Positive
    class_list: str
    annotation_files: list[AnnotationFile]
    subsets: Annotated[list[Subset], Field(min_length=1)]
    pretrained: Annotated[dict[str, Pretrained], Field(min_length=1)]
    settings: dict[str, dict[str, object]]  # stage section to the values that differ here

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [subset.name for subset in self.subsets]
        if len(set(names)) < len(names):
            raise ValueError(f"subsets: found names {names}, expected each once")
        splits = {subset.split for subset in self.subsets}
        if "train" not in splits or len(splits) < 2:
            raise ValueError(f"subsets: found splits {sorted(splits)}, expected train and val...")
        if JOINT_SPLIT in splits and len(splits) > 2:
            raise ValueError(
                f"subsets: found splits {sorted(splits)}, expected none of several validation splits "
                f"to be called {JOINT_SPLIT}, the name of all of them together"
            )
        return self


STAGES: dict[str, type[Section]] = {
    "draw_world": DrawWorld,
    "download_annotations": DownloadAnnotations,
    "list_clips": ListClips,
    "download": Download,
    "cut_clips": CutClips,
    "extract_frames": ExtractFrames,
    "detect_people": DetectPeople,
    "merge_annotations": MergeAnnotations,
    "pretrain": Pretrain,
    "train": Train,
    "evaluate": Evaluate,
    "report": Report,
}
