"""params.yaml, read and checked as a whole before any job starts.

A stage's values are its section, then what `datasets.<dataset>.settings.<stage>` says differently,
then (for training) what the variant says differently.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.core.section import Section
from pipeline.sampling import Sampling
from pipeline.settings.sections import (
    STAGES,
    CutClips,
    Dataset,
    DetectPeople,
    Download,
    DownloadAnnotations,
    DrawWorld,
    Evaluate,
    ExtractFrames,
    ListClips,
    MergeAnnotations,
    Pretrain,
    Report,
    Subset,
    Train,
)

# Stages whose values a dataset may change: those that depend on the size of its frames or models.
NAME = re.compile("[A-Za-z][A-Za-z0-9_-]*")  # part of paths, commands and addresses in DVC
PER_DATASET = ("list_clips", "extract_frames", "pretrain", "train", "evaluate")


class Params(Section):
    """The checked settings of one dataset.

    Args:
        raw: the content of params.yaml.
        file: its path, for messages.
        dataset: the dataset to read it for, when not the one that the file itself names.

    Raises:
        ValueError: one line with the first mistake: file, key, what was found, what is expected.
    """

    dataset: str = Field(description="Name of the dataset to build")
    data: Dataset = Field(description="Its section")
    draw_world: DrawWorld = Field(description="The synthetic dataset of the demo")
    download_annotations: DownloadAnnotations = Field(description="Download of published files")
    list_clips: ListClips = Field(description="What is kept of each clip")
    download: Download = Field(description="Download of videos")
    cut_clips: CutClips = Field(description="Cutting of clips")
    extract_frames: ExtractFrames = Field(description="Stored frames")
    detect_people: DetectPeople = Field(description="Person detection")
    merge_annotations: MergeAnnotations = Field(description="Index files")
    pretrain: Pretrain = Field(description="Training of backbones on clip labels")
    trainings: dict[str, Train] = Field(description="Variant to the settings of its training")
    evaluate: Evaluate = Field(description="Evaluation of a trained variant")
    report: Report = Field(description="Table and report")
    _raw: Mapping[str, Any] = PrivateAttr()
    _file: str = PrivateAttr()

    def __init__(self, raw: Mapping[str, Any], file: str, dataset: str | None = None) -> None:
        name = dataset or raw.get("dataset")
        try:
            values = _merged(raw, name)
            _check_overridden(raw)
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(f"{file}: {_first_mistake(error, str(name))}") from None
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        self._raw, self._file = raw, file

    @property
    def variants(self) -> list[str]:
        """Return the names of the ablation's variants, in the file's order."""
        return list(self.trainings)

    def train(self, variant: str) -> Train:
        """Return the training settings of one variant; ValueError names the known ones."""
        if variant not in self.trainings:
            raise ValueError(
                f"{self._file}: variants: found no {variant!r}, expected one of {self.variants}"
            )
        return self.trainings[variant]

    def pretraining(self, name: str) -> Pretrain:
        """Return how a backbone of `pretrained` is trained: the section, and what differs."""
        return self.pretrain.for_start(self.data.pretrained[name])

    def stage_values(self, stage: str) -> dict[str, Any]:
        """Return what a stage really uses: its section with the dataset's changes."""
        return _stage_values(self._raw, self.data.settings, stage)

    def train_values(self, variant: str) -> dict[str, Any]:
        """Return what a variant's training really uses."""
        return {**self.stage_values("train"), **(self._raw["variants"][variant] or {})}

    @property
    def shards(self) -> list[str]:
        """Return "00", "01", ...: as many digits as the last one needs, at least two."""
        digits = max(2, len(str(self.data.num_shards - 1)))
        return [f"{number:0{digits}d}" for number in range(self.data.num_shards)]

    @property
    def jobs(self) -> list[list[str]]:
        """Return the jobs of each download pass, one a shard: "00", "01"..., "00_2", "01_2"..."""
        num_passes = max(len(subset.passes) for subset in self.data.subsets)
        later = [[f"{shard}_{n}" for shard in self.shards] for n in range(2, num_passes + 1)]
        return [self.shards, *later]

    @property
    def every_job(self) -> list[str]:
        """Return the download jobs of all passes."""
        return [job for jobs in self.jobs for job in jobs]

    def pass_and_shard(self, job: str) -> tuple[int, int]:
        """Return pass and shard of a download job, from 0; ValueError names the known ones."""
        if job not in self.every_job:
            raise ValueError(f"job: found {job!r}, expected one of {self.every_job}")
        return divmod(self.every_job.index(job), self.data.num_shards)

    def jobs_before(self, job: str) -> list[str]:
        """Return the download jobs of the passes before a job's own."""
        return self.every_job[: self.pass_and_shard(job)[0] * self.data.num_shards]

    @property
    def splits(self) -> list[str]:
        """Return the index files to make, each once, in the order of the subsets."""
        return list(dict.fromkeys(subset.split for subset in self.data.subsets))

    def subsets(self, split: str) -> list[Subset]:
        return [subset for subset in self.data.subsets if subset.split == split]

    @property
    def reach(self) -> tuple[int, int]:
        """Return how many stored frames before and after a keyframe some variant may use."""
        reaches = [Sampling.parse(train.sampling).reach for train in self.trainings.values()]
        return max(before for before, _ in reaches), max(after for _, after in reaches)

    @model_validator(mode="after")
    def _starts(self) -> Self:
        _check_names(f"datasets.{self.dataset}.pretrained", self.data.pretrained)
        for variant, train in self.trainings.items():
            if train.pretrained not in self.data.pretrained:
                raise ValueError(
                    f"variants.{variant}.pretrained: found {train.pretrained!r}, "
                    f"expected one of {list(self.data.pretrained)}"
                )
            start = self.pretraining(train.pretrained).backbone
            if type(train.backbone) is not type(start):
                raise ValueError(
                    f"variants.{variant}.backbone: found {train.backbone}, expected {start}, the "
                    f"backbone of its pretrained {train.pretrained!r}"
                )
        return self

    @model_validator(mode="after")
    def _windows(self) -> Self:
        """Check that what is stored of the clips holds all that trainings use."""
        window = self.list_clips
        for variant, train in self.trainings.items():
            before, after = Sampling.parse(train.sampling).reach
            if before > window.frames_before or after > window.frames_after:
                raise ValueError(
                    f"variants.{variant}.sampling: {train.sampling} looks {before} "
                    f"frames back and {after} ahead, expected at most list_clips.frames_before "
                    f"{window.frames_before} and frames_after {window.frames_after}"
                )
        for name, source in self.data.pretrained.items():
            sampling = self.pretraining(name).sampling
            length = Sampling.parse(sampling).length
            if source.clips_per_label is not None and length > window.pretrain_frames:
                raise ValueError(
                    f"datasets.{self.dataset}.pretrained.{name}: {sampling} looks at "
                    f"{length} frames, expected at most list_clips.pretrain_frames "
                    f"{window.pretrain_frames}"
                )
        return self


def load_params(path: Path, dataset: str | None = None) -> Params:
    """Read and check a settings file; a mistake is a ValueError of one line.

    Args:
        dataset: the dataset to read it for, when not the one that the file itself names.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        expected = "each key once" if isinstance(error, DuplicateKeyError) else "YAML 1.2"
        raise ValueError(f"{path}: {line}{error.problem}, expected {expected}") from None
    except YAMLError as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: found {type(raw).__name__}, expected keys and values")
    return Params(raw, str(path), dataset)


def _merged(raw: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """Return the fields of `Params`; a key that stands where it may not is a ValueError."""
    top = ["dataset", *STAGES, "variants", "datasets"]
    _check_keys("", raw, top, exact=True)
    datasets = _mapping(raw, "datasets")
    _check_names("datasets", datasets)
    _check_names("variants", _mapping(raw, "variants"))
    if name not in datasets:
        raise ValueError(f"dataset: found {name!r}, expected one of {list(datasets)}")
    data = _mapping(datasets, name, "datasets.")
    changes = _mapping(data, "settings", f"datasets.{name}.") if "settings" in data else {}
    _check_keys(f"datasets.{name}.settings", changes, PER_DATASET, exact="settings" in data)
    for stage, kind in STAGES.items():
        _check_keys(stage, _mapping(raw, stage), kind.model_fields)
        if stage in changes:
            own = _mapping(changes, stage, f"datasets.{name}.settings.")
            _check_keys(f"datasets.{name}.settings.{stage}", own, kind.model_fields)
    values = {stage: _stage_values(raw, changes, stage) for stage in STAGES}
    train = values.pop("train")  # a variant says where it starts, so `train` alone is not whole
    variants = _mapping(raw, "variants")
    own_values = {
        key: _mapping(variants, key, "variants.") if variants[key] else {} for key in variants
    }
    trainings = {key: {**train, **own} for key, own in own_values.items()}
    return {**values, "dataset": name, "data": data, "trainings": trainings}


def _check_overridden(raw: Mapping[str, Any]) -> None:
    """Check the sections as they stand, with the values that a dataset or variant overrides."""
    for stage, kind in STAGES.items():
        start = {"pretrained": ""} if stage == "train" else {}  # which only a variant names
        try:
            kind.model_validate({**start, **raw[stage]})
        except ValidationError as error:
            raise ValueError(_first_mistake(error, "", (stage,))) from None


def _check_names(where: str, names: Iterable[object]) -> None:
    for name in names:
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            expected = "a letter, then letters, digits, _ or -"
            raise ValueError(f"{where}: found the name {str(name)[:80]!r}, expected {expected}")


def _stage_values(
    raw: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], stage: str
) -> dict[str, Any]:
    return {**raw[stage], **changes.get(stage, {})}


def _mapping(values: Mapping[str, Any], key: str, where: str = "") -> dict[str, Any]:
    value = values[key]
    if not isinstance(value, dict):
        raise ValueError(f"{where}{key}: found {value!r}, expected keys and values")
    return value


def _check_keys(
    where: str, found: Mapping[str, Any], allowed: Collection[str], exact: bool = False
) -> None:
    place = f"{where}: " if where else ""
    if unknown := [key for key in found if key not in allowed]:
        raise ValueError(f"{place}unknown key {unknown}; it takes {list(allowed)}")
    if exact and (missing := [key for key in allowed if key not in found]):
        raise ValueError(f"{place}missing key {missing}; it takes {list(allowed)}")


def _first_mistake(error: ValidationError, dataset: str, inside: tuple[str, ...] = ()) -> str:
    """Return key, what was found and what is expected; `inside` leads to what was checked."""
    mistake = error.errors()[0]
    # Names in < > are the kinds of extensions, which stand beside their settings.
    keys = (*inside, *mistake["loc"])
    location = tuple(key for key in keys if not str(key).startswith("<"))
    first, *rest = location or ("",)
    where = {"data": f"datasets.{dataset}", "trainings": "variants"}.get(str(first), str(first))
    *owner, key = filter(None, [where, *map(str, rest)]) if location else [""]
    place = ".".join([*owner, key])
    if mistake["type"] == "extra_forbidden":
        kinds: dict[tuple[str, int], type[Section]] = {
            ("data", 1): Dataset,
            ("trainings", 2): Train,
        }
        kind = kinds.get((str(first), len(rest)))
        known = f"; it takes {list(kind.model_fields)}" if kind else ""
        return f"{'.'.join(owner)}: unknown key {key!r}{known}"
    if mistake["type"] == "missing":
        return f"{place}: not there, expected a value"
    if mistake["type"] == "value_error":
        return f"{place}: {mistake['ctx']['error']}".removeprefix(": ")
    message = mistake["msg"][:1].lower() + mistake["msg"][1:]
    return f"{place}: found {mistake['input']!r}, expected: {message}"
