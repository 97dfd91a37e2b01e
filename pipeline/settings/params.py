"""params.yaml, read and checked as a whole before any job starts.

A stage's values are its section, then what `datasets.<dataset>.settings.<stage>` says differently,
then (for training) what the variant says differently.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import ValidationError

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
    Section,
    Subset,
    Train,
)

S = TypeVar("S", bound=Section)

# Stages whose values a dataset may change: those that depend on the size of its frames or models.
PER_DATASET = ("list_clips", "extract_frames", "pretrain", "train", "evaluate")


class Params:
    """The checked settings of one dataset.

    Attributes:
        dataset: name of the dataset to build.
        data: that dataset's section.
        variants: names of the ablation's rows, in the file's order.
    """

    def __init__(self, raw: Mapping[str, Any], file: str, dataset: str | None = None) -> None:
        self._raw, self._file = raw, file
        self._check_keys("", raw, ["dataset", *STAGES, "variants", "datasets"], exact=True)
        self.dataset = dataset or str(raw["dataset"])
        datasets = self._mapping("datasets")
        if self.dataset not in datasets:
            raise ValueError(
                f"{file}: dataset: found {self.dataset!r}, expected one of {list(datasets)}"
            )
        self.data = self._section(Dataset, f"datasets.{self.dataset}", datasets[self.dataset])
        self._check_keys(
            f"datasets.{self.dataset}.settings", self.data.settings, PER_DATASET, exact=True
        )
        self.variants = list(self._mapping("variants"))
        self._check_all()

    # --- one property per stage -----------------------------------------------------------------

    @property
    def draw_world(self) -> DrawWorld:
        return self._stage(DrawWorld, "draw_world")

    @property
    def download_annotations(self) -> DownloadAnnotations:
        return self._stage(DownloadAnnotations, "download_annotations")

    @property
    def list_clips(self) -> ListClips:
        return self._stage(ListClips, "list_clips")

    @property
    def download(self) -> Download:
        return self._stage(Download, "download")

    @property
    def cut_clips(self) -> CutClips:
        return self._stage(CutClips, "cut_clips")

    @property
    def extract_frames(self) -> ExtractFrames:
        return self._stage(ExtractFrames, "extract_frames")

    @property
    def detect_people(self) -> DetectPeople:
        return self._stage(DetectPeople, "detect_people")

    @property
    def merge_annotations(self) -> MergeAnnotations:
        return self._stage(MergeAnnotations, "merge_annotations")

    @property
    def pretrain(self) -> Pretrain:
        return self._stage(Pretrain, "pretrain")

    @property
    def evaluate(self) -> Evaluate:
        return self._stage(Evaluate, "evaluate")

    @property
    def report(self) -> Report:
        return self._stage(Report, "report")

    def train(self, variant: str) -> Train:
        """The training settings of one variant; ValueError names the known ones."""
        if variant not in self.variants:
            raise ValueError(
                f"{self._file}: variants: found no {variant!r}, expected one of {self.variants}"
            )
        return self._section(Train, f"variants.{variant}", self.train_values(variant))

    # --- plain values, as Snakemake's `params:` compare them ------------------------------------

    def stage_values(self, stage: str) -> dict[str, Any]:
        """What a stage really uses: its section with the dataset's changes."""
        changes = self.data.settings.get(stage, {})
        return {**self._mapping(stage), **changes}

    def train_values(self, variant: str) -> dict[str, Any]:
        """What a variant's training really uses."""
        return {**self.stage_values("train"), **(self._mapping("variants")[variant] or {})}

    @property
    def shards(self) -> list[str]:
        return shard_names(self.data.num_shards)

    @property
    def jobs(self) -> list[list[str]]:
        """The download jobs of each pass, one a shard: "00", "01"... and then "00_2", "01_2"..."""
        num_passes = max(len(subset.passes) for subset in self.data.subsets)
        later = [[f"{shard}_{n}" for shard in self.shards] for n in range(2, num_passes + 1)]
        return [self.shards, *later]

    @property
    def every_job(self) -> list[str]:
        """The download jobs of all passes."""
        return [job for jobs in self.jobs for job in jobs]

    def pass_and_shard(self, job: str) -> tuple[int, int]:
        """Pass and shard of a download job, both from 0; ValueError names the known ones."""
        for number, jobs in enumerate(self.jobs):
            if job in jobs:
                return number, jobs.index(job)
        raise ValueError(f"job: found {job!r}, expected one of {self.every_job}")

    def jobs_before(self, job: str) -> list[str]:
        """The download jobs of the passes before a job's own."""
        return self.every_job[: self.pass_and_shard(job)[0] * self.data.num_shards]

    @property
    def splits(self) -> list[str]:
        """Index files to make, each once, in the order of the parts."""
        return list(dict.fromkeys(subset.split for subset in self.data.subsets))

    def subsets(self, split: str) -> list[Subset]:
        return [subset for subset in self.data.subsets if subset.split == split]

    # --- checks ---------------------------------------------------------------------------------

    def _check_all(self) -> None:
        for stage, kind in STAGES.items():
            self._check_keys(stage, self._mapping(stage), list(kind.model_fields))
            where = f"datasets.{self.dataset}.settings.{stage}"
            self._check_keys(where, self.data.settings.get(stage, {}), list(kind.model_fields))
            if stage != "train":  # a variant says where it starts, so `train` alone is not whole
                self._stage(kind, stage)
        for variant in self.variants:
            train = self.train(variant)
            if train.pretrained not in self.data.pretrained:
                raise ValueError(
                    f"{self._file}: variants.{variant}.pretrained: found {train.pretrained!r}, "
                    f"expected one of {list(self.data.pretrained)}"
                )
        self._check_windows()

    def _check_windows(self) -> None:
        """What is stored of the clips has to hold all that trainings look at."""
        window = self.list_clips
        for variant in self.variants:
            sampling = self.train(variant).sampling
            before, after = Sampling.parse(sampling).reach
            if before > window.frames_before or after > window.frames_after:
                raise ValueError(
                    f"{self._file}: variants.{variant}.sampling: {sampling} looks {before} "
                    f"frames back and {after} ahead, expected at most list_clips.frames_before "
                    f"{window.frames_before} and frames_after {window.frames_after}"
                )
        for name, source in self.data.pretrained.items():
            sampling = source.sampling or self.pretrain.sampling
            length = Sampling.parse(sampling).length
            if source.clips_per_label is not None and length > window.pretrain_frames:
                raise ValueError(
                    f"{self._file}: datasets.{self.dataset}.pretrained.{name}: {sampling} looks at "
                    f"{length} frames, expected at most list_clips.pretrain_frames "
                    f"{window.pretrain_frames}"
                )

    @property
    def reach(self) -> tuple[int, int]:
        """Stored frames before and after a keyframe that some variant looks at, with its jitter."""
        reaches = [Sampling.parse(self.train(variant).sampling).reach for variant in self.variants]
        return max(before for before, _ in reaches), max(after for _, after in reaches)

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._raw[key]
        if not isinstance(value, dict):
            raise ValueError(f"{self._file}: {key}: found {value!r}, expected keys and values")
        return value

    def _stage(self, kind: type[S], stage: str) -> S:
        return self._section(kind, stage, self.stage_values(stage))

    def _section(self, kind: type[S], where: str, values: object) -> S:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"{self._file}: {_first_mistake(kind, where, error)}") from None

    def _check_keys(
        self, where: str, found: Mapping[str, Any], allowed: Any, exact: bool = False
    ) -> None:
        place = f"{self._file}: {where}".rstrip(": ")
        if unknown := [key for key in found if key not in allowed]:
            raise ValueError(f"{place}: unknown key {unknown}; it takes {list(allowed)}")
        if exact and (missing := [key for key in allowed if key not in found]):
            raise ValueError(f"{place}: missing key {missing}; it takes {list(allowed)}")


def load_params(path: Path, dataset: str | None = None) -> Params:
    """Read and check a settings file; a mistake is a ValueError of one line.

    Args:
        dataset: the dataset to read it for, when not the one that the file itself names.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        line = re.sub(r"\s+", " ", str(error))
        raise ValueError(f"{path}: not YAML: {line}") from None
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: found {type(raw).__name__}, expected keys and values")
    return Params(raw, str(path), dataset)


def shard_names(num_shards: int) -> list[str]:
    """Names of the shards: "00", "01", ...; as many digits as the last one needs, at least two."""
    digits = max(2, len(str(num_shards - 1)))
    return [f"{number:0{digits}d}" for number in range(num_shards)]


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys and reads 1e-5 as text; both would mislead here."""


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            line = node.start_mark.line + 1
            raise ValueError(f"line {line} and below: key {key!r} stands twice, expected once")
    return cast(dict[Any, Any], loader.construct_mapping(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _first_mistake(kind: type[Section], where: str, error: ValidationError) -> str:
    mistake = error.errors()[0]
    steps = [str(step) for step in mistake["loc"]]
    place = ".".join([where, *steps])
    if mistake["type"] == "extra_forbidden":
        known = f"; it takes {list(kind.model_fields)}" if len(steps) == 1 else ""
        return f"{'.'.join([where, *steps[:-1]])}: unknown key {steps[-1]!r}{known}"
    if mistake["type"] == "missing":
        return f"{place}: not there, expected a value"
    if mistake["type"] == "value_error":
        return f"{place}: {mistake['ctx']['error']}"
    message = mistake["msg"][:1].lower() + mistake["msg"][1:]
    return f"{place}: found {mistake['input']!r}, expected: {message}"
