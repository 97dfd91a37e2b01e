"""The sections of params.yaml that belong to stages: every value with its range and its meaning.

Imports no torch: Snakemake reads the settings again in every job. What a dataset says of itself is
in `datasets.py`.
"""

from typing import Annotated, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from pipeline.core.section import OneOf, Section
from pipeline.models.augmentations import AUGMENTATIONS, Augmentation, check_order
from pipeline.models.heads import HEADS, Head
from pipeline.models.losses import LOSSES, Loss
from pipeline.models.network import Network
from pipeline.models.zoo import BACKBONES
from pipeline.sampling import Sampling
from pipeline.settings.datasets import JOINT_SPLIT as JOINT_SPLIT
from pipeline.settings.datasets import MOST, Positive, Sha256
from pipeline.settings.datasets import AnnotationFile as AnnotationFile
from pipeline.settings.datasets import Dataset as Dataset
from pipeline.settings.datasets import Pretrained as Pretrained
from pipeline.settings.datasets import Subset as Subset

Count = Annotated[int, Field(ge=0, le=MOST)]
Few = Annotated[int, Field(gt=0, le=10_000)]  # things that are there at once
PositiveFloat = Annotated[float, Field(gt=0, le=MOST)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=MOST)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["auto", "float32", "bfloat16"]


class DrawWorld(Section):
    seed: Count = Field(description="Seed of the synthetic dataset: equal seeds, equal bytes")
    ava_train_videos: Few = Field(description="AVA-like videos for training")
    ava_val_videos: Few = Field(description="AVA-like videos for validation")
    ava_seconds: int = Field(
        ge=4, le=10_000, description="Length of their annotated span in seconds"
    )
    kinetics_train_clips: Few = Field(description="Kinetics-like clips for training")
    kinetics_val_clips: Few = Field(description="Kinetics-like clips for validation")
    kinetics_seconds: int = Field(
        ge=3, le=10_000, description="Length of each of these clips in seconds"
    )


class DownloadAnnotations(Section):
    timeout_seconds: PositiveFloat = Field(
        description="Seconds without a byte until a transfer is stalled"
    )
    attempts: Few = Field(description="How often a file is tried before it is given up")


class ListClips(Section):
    frames_before: Count = Field(description="Stored frames (30 a second) kept before a keyframe")
    frames_after: Count = Field(description="Stored frames kept after a keyframe")
    pretrain_frames: Positive = Field(
        description="Stored frames kept of a clip that only has a label"
    )


class YouTube(Section):
    """How to ask YouTube; decides no byte of what comes."""

    cookies: str | None = Field(
        min_length=1, description="A cookies.txt; the variable AVA_YOUTUBE_COOKIES wins"
    )
    at_once: Few = Field(description="Videos downloaded at once by one job")
    sleep_seconds: NonNegativeFloat = Field(description="Seconds to wait after each video")
    sleep_requests_seconds: NonNegativeFloat = Field(
        description="Seconds to wait before each request"
    )
    videos_per_job: Positive = Field(
        description="Videos of one run of a job; others come in a later run"
    )


class Download(Section):
    timeout_seconds: PositiveFloat = Field(
        description="Seconds without a byte until a transfer is stalled"
    )
    attempts: Few = Field(description="How often a file is tried before it is given up")
    connections: Few = Field(description="Files downloaded at once by one job")
    youtube: YouTube = Field(description="For subsets with a source of the kind `youtube`")


class CutClips(Section):
    """Nothing can be set."""


class ExtractFrames(Section):
    short_side_px: Positive = Field(
        description="Shorter side that larger frames shrink to, in pixels"
    )
    jpeg_quality: int = Field(ge=1, le=100, description="JPEG quality of the stored frames")


class DetectPeople(Section):
    weights: str = Field(
        min_length=1, description="Path or address of a torchvision Faster R-CNN checkpoint"
    )
    sha256: Sha256 | None = Field(
        description="Hash of the file; null: the digits in its name must match"
    )
    min_score: Fraction = Field(description="Detections below this score are dropped")
    min_side_px: Count = Field(description="Boxes with a side of fewer pixels are dropped")
    batch_size: Positive = Field(description="Frames of one batch")
    fill_gaps: bool = Field(description="Whether to detect where a published file has no boxes")


class MergeAnnotations(Section):
    """Nothing can be set."""


class Optimisation(Section):
    """What pretraining and training share: linear warm-up, then half a cosine to zero."""

    backbone: Annotated[Network, OneOf(BACKBONES)] = Field(
        description="Network: a name in pipeline.models.zoo"
    )
    sampling: str = Field(description="Frames x interval at 30 frames a second, such as 8x8")
    epochs: Positive = Field(description="Passes over the training data")
    batch_size: Positive = Field(description="Clips of one step, over all processes")
    micro_batch_size: Positive = Field(description="Clips that batch norm and dropout see at once")
    optimizer: Literal["sgd", "adamw"] = Field(description="Optimizer: sgd with momentum, or adamw")
    learning_rate: PositiveFloat = Field(
        description="Rate at learning_rate_batch, in proportion at others"
    )
    learning_rate_batch: Positive = Field(description="Batch size that learning_rate is meant for")
    warmup_epochs: Count = Field(description="Epochs of linear warm-up; fewer than epochs")
    momentum: Fraction = Field(description="Momentum of sgd")
    weight_decay: NonNegativeFloat = Field(description="Weight decay of both optimizers")
    clip_norm: PositiveFloat = Field(description="Norm that gradients are clipped to")
    dropout: float = Field(ge=0, lt=1, description="Dropout before the classifier")
    augmentations: list[Annotated[Augmentation, OneOf(AUGMENTATIONS)]] = Field(
        description="Random changes of training clips, in order: pipeline.models.augmentations"
    )
    test_short_side_px: Positive = Field(description="Shorter side in pixels in evaluation")
    seed: Count = Field(description="Seed of initial weights, order, crops and dropout")
    threads: Few = Field(description="CPU threads; sums of floats, so results, depend on them")
    workers: int = Field(
        ge=0, le=10_000, description="Processes that prepare batches; no result depends on them"
    )
    save_every_minutes: PositiveFloat = Field(description="Minutes between two saves of the state")
    precision: Precision = Field(description="auto: bfloat16 where it is faster")
    deterministic: bool = Field(description="Whether a GPU must repeat its bits; a CPU always does")
    compile: bool = Field(description="Whether torch.compile is used; rounding differs")

    @field_validator("sampling")
    @classmethod
    def _is_a_sampling(cls, value: str) -> str:
        Sampling.parse(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.warmup_epochs >= max(self.epochs, 1):
            raise ValueError(f"warmup_epochs {self.warmup_epochs}, expected below {self.epochs}")
        check_order(self.augmentations)
        return self


class Pretrain(Optimisation):
    """Training of a backbone on the labels of whole clips."""

    def for_start(self, source: Pretrained) -> Self:
        """Return the settings for an entry of `pretrained`, with what it says differently."""
        own = {"backbone": source.backbone, "sampling": source.sampling}
        return self.model_copy(update={key: own[key] for key in own if own[key] is not None})


class Train(Optimisation):
    """Training of a detector: the section `train` with the changes of a dataset and a variant."""

    epochs: Count = Field(description="Passes over the training data; 0 keeps the first weights")
    pretrained: str = Field(
        "", description="What it starts from: a name in the dataset's pretrained, in each variant"
    )
    context: bool = Field(description="Whether the classifier sees the whole frame beside the box")
    temporal_pool: Literal["mean", "max"] = Field(description="Pooling over time")
    head: Annotated[Head, OneOf(HEADS)] = Field(
        description="Classifier of a box: a name in pipeline.models.heads"
    )
    loss: Annotated[Loss, OneOf(LOSSES)] = Field(
        description="Loss of a labelled box: a name in pipeline.models.losses"
    )
    max_rois: Positive = Field(description="Persons of a keyframe that enter the loss")
    min_proposal_score: Fraction = Field(
        description="Proposals below this score are not used, unless a keyframe has no others"
    )
    validate_every: Count = Field(description="Epochs between two validations; 0: none")


class Evaluate(Section):
    batch_size: Positive = Field(description="Keyframes of one batch")
    min_score: Fraction = Field(description="Detections at or below this score are dropped")
    bootstrap_resamples: int = Field(
        ge=0, le=1_000_000, description="Resamples of videos for the intervals of mAP"
    )
    precision: Precision = Field(description="auto: bfloat16 where it is faster")
    checkpoint: Literal["last", "best"] = Field(
        description="Weights of the last epoch or of the one with the best mAP"
    )


class Report(Section):
    gallery_keyframes: int = Field(
        ge=0, le=10_000, description="Keyframes in the gallery of the report"
    )
    published: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        description="Variant to its published mAP in percent (AVA 2.2)"
    )


class StageSections(Section):
    """One section per stage; a stage without settings needs none in the file."""

    draw_world: DrawWorld = Field(description="The synthetic dataset of the demo")
    download_annotations: DownloadAnnotations = Field(description="Download of published files")
    list_clips: ListClips = Field(description="What is kept of each clip")
    download: Download = Field(description="Download of videos")
    cut_clips: CutClips = Field(CutClips(), description="Cutting of clips")
    extract_frames: ExtractFrames = Field(description="Stored frames")
    detect_people: DetectPeople = Field(description="Person detection")
    merge_annotations: MergeAnnotations = Field(MergeAnnotations(), description="Index files")
    pretrain: Pretrain = Field(description="Training of backbones on clip labels")
    evaluate: Evaluate = Field(description="Evaluation of a trained variant")
    report: Report = Field(description="Table and report")


# `train` has one section per variant, made of its own and the variant's changes.
STAGES: dict[str, type[Section]] = {
    **{
        name: cast(type[Section], each.annotation)
        for name, each in StageSections.model_fields.items()
    },
    "train": Train,
}
