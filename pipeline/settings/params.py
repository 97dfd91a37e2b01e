"""The settings of one dataset: params.yaml, read and checked as a whole before any job starts.

A stage's values are its section, then what `datasets.<dataset>.settings.<stage>` says differently,
then (for training) what the variant says differently.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from pipeline.core.command import MistakesError
from pipeline.core.section import Section
from pipeline.sampling import Sampling
from pipeline.settings.checks import Mistake, mistakes_in
from pipeline.settings.sections import Dataset, Pretrain, StageSections, Subset, Train
from pipeline.settings.yaml_file import line_of, read_yaml

MOST_LINES = 20  # of mistakes that are shown


class Params(StageSections):
    """The checked settings of one dataset.

    Args:
        raw: the content of params.yaml.
        file: its path, for messages.
        dataset: the dataset to read it for, when not the one that the file itself names.

    Raises:
        ValueError: a line for each mistake: file, line, key, what was found, what is expected.
    """

    dataset: str = Field(description="Name of the dataset to build")
    data: Dataset = Field(description="Its section")
    trainings: dict[str, Train] = Field(description="Variant to the settings of its training")
    _file: str = PrivateAttr()

    def __init__(self, raw: Mapping[str, Any], file: str, dataset: str | None = None) -> None:
        name = raw.get("dataset") if dataset is None else dataset
        refuse(mistakes_in(raw, name), file)
        super().__init__(**_effective(raw, str(name)))
        self._file = file
        refuse((*_in_starts(self), *_in_windows(self)), file)

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
        """Return what a stage really uses, but for values that are the defaults of the code.

        So a new setting, at the default that changes nothing, changes nothing here either.
        """
        section: Section = getattr(self, stage)
        return section.model_dump(mode="json", exclude_defaults=True)

    def train_values(self, variant: str) -> dict[str, Any]:
        """Return what a variant's training really uses, as `stage_values` does."""
        return self.train(variant).model_dump(mode="json", exclude_defaults=True)

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
        before, after = zip(*reaches, (0, 0), strict=True)
        return max(before), max(after)


def load_params(path: Path, dataset: str | None = None) -> Params:
    """Read and check a settings file.

    Args:
        path: of params.yaml.
        dataset: the dataset to read it for, when not the one that the file itself names.

    Raises:
        ValueError: as for `Params` and `read_yaml`.
    """
    return Params(read_yaml(path), str(path), dataset)


def refuse(mistakes: Iterable[Mistake], file: str) -> None:
    """Raise a ValueError with a line for each mistake in `file`, if there are any."""
    found = list(dict.fromkeys(mistakes))
    if not found:
        return
    # A value that is merged into another section is wrong there, too: once is enough.
    once = {(_line(file, each), each.keys[-1:], each.text): each for each in reversed(found)}
    found = list(reversed(once.values()))
    lines = [f"{file}: {_line(file, mistake)}{mistake}" for mistake in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(f"{file}: and {len(found) - MOST_LINES} more mistakes")
    raise MistakesError(lines)


def _line(file: str, mistake: Mistake) -> str:
    """Return "line 93: ", or nothing where there is no file to look at."""
    path = Path(file)
    return f"line {line_of(path, mistake.keys)}: " if path.is_file() else ""


def _effective(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the fields of `Params` for a dataset."""
    values = {stage: _stage_values(raw, name, stage) for stage in StageSections.model_fields}
    train = _stage_values(raw, name, "train")
    trainings = {key: {**train, **(own or {})} for key, own in raw["variants"].items()}
    return {**values, "dataset": name, "data": raw["datasets"][name], "trainings": trainings}


def _stage_values(raw: Mapping[str, Any], dataset: str, stage: str) -> dict[str, Any]:
    changes = raw["datasets"][dataset].get("settings", {})
    return {**raw.get(stage, {}), **changes.get(stage, {})}


def _in_starts(params: Params) -> Iterator[Mistake]:
    """Yield variants that start from nothing known, or from weights of another network."""
    known = params.data.pretrained
    for variant, train in params.trainings.items():
        if train.pretrained not in known:
            text = f"found {train.pretrained!r}, expected one of {list(known)}"
            yield Mistake(("variants", variant, "pretrained"), text)
            continue
        start = params.pretraining(train.pretrained).backbone
        if type(train.backbone) is not type(start):
            yield Mistake(
                ("variants", variant, "backbone"),
                f"found {train.backbone}, expected {start}, the backbone of its pretrained "
                f"{train.pretrained!r}",
            )


def _in_windows(params: Params) -> Iterator[Mistake]:
    """Yield trainings that look at more than what is stored of the clips."""
    window = params.list_clips
    for variant, train in params.trainings.items():
        before, after = Sampling.parse(train.sampling).reach
        if before > window.frames_before or after > window.frames_after:
            yield Mistake(
                ("variants", variant, "sampling"),
                f"{train.sampling} looks {before} frames back and {after} ahead, expected at most "
                f"list_clips.frames_before {window.frames_before} and frames_after "
                f"{window.frames_after}",
            )
    for name, source in params.data.pretrained.items():
        sampling = params.pretraining(name).sampling
        length = Sampling.parse(sampling).length
        if source.clips_per_label is not None and length > window.pretrain_frames:
            yield Mistake(
                ("datasets", params.dataset, "pretrained", name),
                f"{sampling} looks at {length} frames, expected at most "
                f"list_clips.pretrain_frames {window.pretrain_frames}",
            )
