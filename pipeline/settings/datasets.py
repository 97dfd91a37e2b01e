"""The section of a dataset in params.yaml: its files, its subsets and what trainings start from."""

from itertools import groupby
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipeline.clips import is_safe_name
from pipeline.core.section import OneOf, Section
from pipeline.models.network import Network
from pipeline.models.zoo import BACKBONES
from pipeline.sampling import Sampling
from pipeline.sources.source import Source
from pipeline.sources.zoo import SOURCES

MOST = 1_000_000_000  # no count or size of a study comes near it
Positive = Annotated[int, Field(gt=0, le=MOST)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
JOINT_SPLIT = "val_all"  # all validation splits of a dataset that has several, scored as one


def _in_folder(name: str) -> str:
    if not is_safe_name(name):
        raise ValueError(f"found {name!r}, expected the name of a file among the raw annotations")
    return name


RawName = Annotated[str, AfterValidator(_in_folder)]


class AnnotationFile(Section):
    url: str = Field(min_length=1, description="Address or local path; archives are unpacked")
    name: RawName | None = Field(None, description="File name to keep, if not the address's own")
    sha256: Sha256 | None = Field(None, description="Hash that the file must have")


class Subset(Section):
    """Videos that are annotated together: their ground truth, sources and person boxes."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the subset")
    split: str = Field(
        pattern=r"^(train|val[a-z0-9_]*)$", description="Split that it belongs to: train or val..."
    )
    ground_truth: RawName = Field(description="File of boxes and actions among the raw annotations")
    excluded: RawName | None = Field(
        None, description="File of keyframes that evaluation leaves out"
    )
    proposals: RawName = Field(
        description="File of person boxes among the raw annotations, or detect"
    )
    span_seconds: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        None, description="First and last annotated second, where all videos share them"
    )
    clip_list: RawName | None = Field(None, description="csv of labelled clips, as of Kinetics")
    sources: list[Annotated[Source, OneOf(SOURCES, key="kind")]] = Field(
        min_length=1, description="Sources in order; later ones only for clips still missing"
    )

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.span_seconds is not None:
            if self.clip_list is not None:
                raise ValueError("found both span_seconds and clip_list, expected one or neither")
            if not 0 <= self.span_seconds[0] < self.span_seconds[1] <= MOST:
                raise ValueError(f"span_seconds {self.span_seconds}, expected [start, later end]")
        return self

    @property
    def passes(self) -> list[list[Source]]:
        """Return the sources of each download pass: archives apart from others.

        A later pass is for what those before lack. No shard knows what the archives of another one
        hold: what is left for the next source only the tables of all shards tell.
        """
        grouped = groupby(self.sources, key=lambda source: source.of_archives)
        return [list(sources) for _, sources in grouped]


class Pretrained(Section):
    """A backbone to start from: published, trained on clip labels, or with fresh weights."""

    backbone: Annotated[Network, OneOf(BACKBONES)] | None = Field(
        None, description="Network of these weights, if another than the pretrain section's"
    )
    sampling: str | None = Field(
        None, description="Frames x interval, if trained with another than the pretrain section's"
    )
    checkpoint: str | None = Field(
        None, min_length=1, description="Path or address of a published checkpoint"
    )
    sha256: Sha256 | None = Field(None, description="Hash that the checkpoint must have")
    labels: list[str] | None = Field(None, description="Kinetics classes to train on; []: all")
    clips_per_label: Positive | None = Field(None, description="Clips of each of these classes")
    fresh: bool = Field(False, description="Whether to start from random weights")

    @field_validator("sampling")
    @classmethod
    def _is_a_sampling(cls, value: str | None) -> str | None:
        if value is not None:
            Sampling.parse(value)
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.checkpoint is not None, self.labels is not None, self.fresh)
        if sum(ways) != 1:
            raise ValueError(
                "expected one of checkpoint, labels (with clips_per_label), and fresh: true"
            )
        if self.labels is not None and self.clips_per_label is None:
            raise ValueError("labels given, expected clips_per_label beside it")
        if self.labels is None and self.clips_per_label is not None:
            raise ValueError("found clips_per_label, expected labels beside it")
        if self.checkpoint is None and self.sha256 is not None:
            raise ValueError("found sha256, expected checkpoint beside it")
        if self.labels is not None and len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels {self.labels}, expected each once")
        return self


class Dataset(Section):
    """Where a dataset comes from, and what differs for it."""

    synthetic: bool = Field(
        description="Whether draw_world makes it; {mirror} is then a local server"
    )
    num_shards: int = Field(
        gt=0, le=10_000, description="Shards that its clips are divided into, one job each"
    )
    class_list: RawName = Field(description="File of the action classes among the raw annotations")
    annotation_files: list[AnnotationFile] = Field(description="Published files to download")
    subsets: list[Subset] = Field(min_length=1, description="Its subsets, at least train and val")
    pretrained: dict[str, Pretrained] = Field(
        min_length=1, description="Name to a backbone to start from"
    )
    settings: dict[str, dict[str, object]] = Field(
        description="Stage to the values that differ here"
    )

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
                f"subsets: found splits {sorted(splits)}, expected none of several validation "
                f"splits to be called {JOINT_SPLIT}, the name of all of them together"
            )
        return self
