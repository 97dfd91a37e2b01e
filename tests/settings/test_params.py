"""A mistake in params.yaml stops before any job, with file, key, what was found, what it takes."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.section import Section
from pipeline.models.augmentations import scale_crop_flip
from pipeline.models.heads import MLPHead
from pipeline.models.losses import FocalLoss
from pipeline.models.zoo import SlowOnlyR50
from pipeline.settings import datasets
from pipeline.settings.params import Params, load_params
from pipeline.settings.sections import STAGES, YouTube
from tests.conftest import ROOT
from tests.small_dataset import read_settings, read_yaml

DATASET_SECTIONS = [
    kind
    for kind in vars(datasets).values()
    if isinstance(kind, type) and issubclass(kind, Section) and kind is not Section
]


@pytest.fixture
def raw() -> dict[str, Any]:
    return read_settings()


@pytest.mark.parametrize("dataset", ["demo", "ava_kinetics"])
def test_every_dataset_of_the_file_is_valid(raw: dict[str, Any], dataset: str) -> None:
    params = Params(raw, "params.yaml", dataset)

    assert len(params.variants) == 9
    assert {params.train(variant).pretrained for variant in params.variants} == set(
        params.data.pretrained
    )


def test_the_published_recipe_is_the_default(raw: dict[str, Any]) -> None:
    train = Params(raw, "params.yaml", "ava_kinetics").train("more_frames")

    assert (train.learning_rate, train.momentum, train.weight_decay) == (0.1, 0.9, 1e-5)
    assert (train.epochs, train.warmup_epochs, train.batch_size, train.clip_norm) == (10, 2, 64, 40)
    assert (train.sampling, train.loss, train.head) == ("16x4", FocalLoss(gamma=1.0), MLPHead())
    assert train.augmentations == scale_crop_flip((256, 320), 256)
    assert (train.backbone, train.dropout) == (SlowOnlyR50(), 0.5)


def test_a_split_cannot_take_the_name_of_all_together(raw: dict[str, Any]) -> None:
    raw["datasets"]["demo"]["subsets"][-1]["split"] = "val_all"

    with pytest.raises(ValueError, match=r"datasets\.demo: subsets: found splits .*'val_all'"):
        Params(raw, "params.yaml")


def test_a_variant_wins_over_the_dataset_which_wins_over_the_section(raw: dict[str, Any]) -> None:
    raw["train"]["epochs"], raw["train"]["seed"], raw["train"]["momentum"] = 10, 1, 0.8
    raw["datasets"]["demo"]["settings"]["train"].update(epochs=5, seed=2)
    raw["variants"]["focal"]["epochs"] = 3

    train = Params(raw, "params.yaml").train("focal")

    assert (train.epochs, train.seed, train.momentum) == (3, 2, 0.8)


def put(raw: dict[str, Any], key: str, value: object) -> None:
    *steps, last = key.split(".")
    for step in steps:
        raw = raw[int(step)] if isinstance(raw, list) else raw[step]
    if isinstance(raw, list):
        raw[int(last)] = value
        return
    raw[last] = value


MISTAKES = {
    "typo in a section": (
        "train.epoch",
        3,
        r"params\.yaml: line \d+: train\.epoch: unknown key 'epoch'; did you mean 'epochs'\?",
    ),
    "typo in a dataset's setting": (
        "datasets.demo.settings.train.epoch",
        3,
        r"datasets\.demo\.settings\.train\.epoch: unknown key 'epoch'; did you mean 'epochs'",
    ),
    "typo in a variant": (
        "variants.focal.gama",
        3,
        r"variants\.focal\.gama: unknown key 'gama'; it takes",
    ),
    "typo at the top": ("trian", {}, r"trian: unknown key 'trian'; did you mean 'train'"),
    "text for a number": (
        "train.max_rois",
        "3",
        r"train\.max_rois: found '3', expected: .*integer",
    ),
    "negative": ("train.clip_norm", -1.0, r"clip_norm: found -1\.0, expected: .*greater than 0"),
    "bad sampling": (
        "variants.focal.sampling",
        "8by8",
        r"sampling: found '8by8', expected frames x",
    ),
    "unknown pool": (
        "train.temporal_pool",
        "min",
        r"temporal_pool: found 'min', .*'mean' or 'max'",
    ),
    "infinite": ("train.clip_norm", float("inf"), r"clip_norm: found inf, expected: .*finite"),
    "overridden by the dataset": (
        "train.epochs",
        "ten",
        r"train\.epochs: found 'ten', expected: .*integer",
    ),
    "overridden range": ("pretrain.dropout", 1.5, r"pretrain\.dropout: found 1\.5, expected"),
    "unknown dataset": ("dataset", "ava", r"dataset: found 'ava', expected one of \['demo'"),
    "unknown start": (
        "variants.focal.pretrained",
        "k600",
        r"pretrained: found 'k600', expected one",
    ),
    "too wide": ("variants.focal.sampling", "16x16", r"16x16 looks 136 frames back and 119 ahead"),
    "too long for pretraining": (
        "list_clips.pretrain_frames",
        56,
        r"pretrained\.k400_8x8: 8x8 looks at 57 frames, expected at most list_clips\.pretrain",
    ),
    "warm-up": (
        "datasets.demo.settings.train.warmup_epochs",
        99,
        r"warmup_epochs 99, expected below",
    ),
    "bad hash": (
        "datasets.demo.annotation_files",
        [{"url": "x", "sha256": "abc"}],
        r"annotation_files\.0\.sha256: found 'abc'",
    ),
    "unknown source": (
        "datasets.demo.subsets.0.sources.0",
        {"kind": "ftp"},
        r"subsets\.0\.sources\.0: found 'ftp', expected one of \['archives'",
    ),
    "setting of no dataset": (
        "datasets.demo.settings.report",
        {},
        r"settings\.report: unknown key 'report'; it takes \['list_clips'",
    ),
}


@pytest.mark.parametrize("place", ["datasets", "variants", "datasets.demo.pretrained"])
@pytest.mark.parametrize(
    "name", ["lr0.1", "a b", "-x", "a/b", "..", "$(id)", "{x}", "a;b", "", 1, True]
)
def test_names_are_letters_digits_and_dashes(raw: dict[str, Any], place: str, name: object) -> None:
    named = raw
    for step in place.split("."):
        named = named[step]
    named[name] = next(iter(named.values()))

    with pytest.raises(ValueError, match=rf"{place}.*: found .*, expected"):
        Params(raw, "params.yaml")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_a_line_with_its_key(raw: dict[str, Any], name: str) -> None:
    key, value, expected = MISTAKES[name]
    put(raw, key, value)

    with pytest.raises(ValueError, match=expected) as caught:
        Params(raw, "params.yaml")

    assert all(line.startswith("params.yaml: ") for line in str(caught.value).splitlines())


def test_a_key_given_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("dataset: demo\ntrain: {seed: 1, seed: 2}\n")

    with pytest.raises(ValueError, match=r"line 2: .* key .seed.*, expected each key once"):
        load_params(path)


def test_exponents_are_numbers(tmp_path: Path, raw: dict[str, Any]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("0.00001", "1e-5"))

    assert load_params(path, "ava_kinetics").train("focal").weight_decay == 1e-5


def test_shards_are_named_by_number(raw: dict[str, Any]) -> None:
    raw["datasets"]["demo"]["num_shards"] = 101

    shards = Params(raw, "params.yaml").shards

    assert shards[:2] == ["000", "001"]
    assert shards[-1] == "100"


def test_archives_among_other_sources_make_rounds(raw: dict[str, Any]) -> None:
    raw["datasets"]["demo"]["num_shards"] = 2
    raw["datasets"]["demo"]["subsets"][3]["sources"].append({"kind": "youtube"})

    params = Params(raw, "params.yaml")

    assert params.jobs == [["00", "01"], ["00_2", "01_2"]]
    assert params.pass_and_shard("01_2") == (1, 1)
    assert params.jobs_before("01") == []
    assert params.jobs_before("00_2") == ["00", "01"]
    with pytest.raises(ValueError, match="job: found '00_3', expected one of"):
        params.pass_and_shard("00_3")


@pytest.mark.parametrize("kind", [*STAGES.values(), YouTube, *DATASET_SECTIONS])
def test_every_field_says_what_it_means(kind: type[Section]) -> None:
    silent = [name for name, field in kind.model_fields.items() if not field.description]

    assert silent == []


def test_a_variant_starts_from_weights_of_its_own_backbone(raw: dict[str, Any]) -> None:
    raw["variants"]["other"] = {"pretrained": "k700", "backbone": "slowonly_r50"}

    with pytest.raises(
        ValueError, match=r"variants\.other\.backbone: found SlowOnly R50, expected "
    ):
        Params(raw, "params.yaml")

    starts = raw["datasets"]["demo"]["pretrained"]
    starts["wide"] = {**starts["k700"], "backbone": "slowonly_r50"}
    raw["variants"]["other"]["pretrained"] = "wide"
    params = Params(raw, "params.yaml")
    assert params.pretraining("wide").backbone == params.train("other").backbone == SlowOnlyR50()
    assert params.pretraining("k700").backbone == params.pretrain.backbone != SlowOnlyR50()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("focl", r"variants\.focal\.loss: found 'focl'.*did you mean 'focal'"),
        ({"name": "focal", "gamma": -1.0}, r"variants\.focal\.loss\.gamma: found -1.0, expected"),
        (
            {"name": "focal", "gama": 1.0},
            r"variants\.focal\.loss\.gama: unknown key 'gama'; did you mean 'gamma'",
        ),
    ],
)
def test_a_mistake_in_an_extension_names_its_key(
    raw: dict[str, Any], loss: object, message: str
) -> None:
    raw["variants"]["focal"]["loss"] = loss

    with pytest.raises(ValueError, match=message):
        Params(raw, "params.yaml")


@pytest.mark.parametrize("start", ["{checkpoint: /data/slowonly_k700.pth}", "{fresh: true}"])
def test_the_readmes_own_dataset_is_valid(raw: dict[str, Any], start: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.partition("```yaml\ndataset: mine")[2].partition("```")[0]
    own = read_yaml(f"dataset: mine{block}".replace("{checkpoint: /data/slowonly_k700.pth}", start))

    params = Params({**raw, **own, "datasets": {**raw["datasets"], **own["datasets"]}}, "no file")

    assert (params.dataset, params.variants, params.splits) == ("mine", ["mine"], ["train", "val"])
    assert params.data.pretrained["start"].fresh == (start == "{fresh: true}")
