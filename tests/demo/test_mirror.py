import io
import tarfile
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.annotations.class_list import read_class_list
from pipeline.demo.ava import plan_ava
from pipeline.demo.encoding import AVA_FAULTS, NOT_A_VIDEO, spoil
from pipeline.demo.kinetics import plan_kinetics
from pipeline.demo.mirror import draw_mirror
from pipeline.demo.motions import EVALUATED_IDS
from pipeline.people.proposals import read_proposals
from pipeline.settings.sections import DrawWorld

AVA = "s3.amazonaws.com/ava-dataset"
KINETICS = "s3.amazonaws.com/kinetics/700_2020"
AVA_KINETICS = "storage.googleapis.com/deepmind-media/Datasets/ava_kinetics_v1_0.tar.gz"
PROPOSALS = "download.openmmlab.com/mmaction/dataset/ava"


@pytest.fixture(scope="module")
def raw(tiny_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotation archives, unpacked side by side."""
    folder = tmp_path_factory.mktemp("raw")
    with zipfile.ZipFile(tiny_mirror / AVA / "annotations/ava_v2.2.zip") as archive:
        archive.extractall(folder)
    with tarfile.open(tiny_mirror / AVA_KINETICS) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _archived(mirror: Path, split: str) -> dict[str, bytes]:
    """Members of all archives that the path list names."""
    listed = (mirror / KINETICS / split / f"k700_2020_{split}_path.txt").read_text().splitlines()
    members = {}
    for address in listed:
        assert address.startswith("{mirror}/")
        with tarfile.open(mirror / address.removeprefix("{mirror}/")) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                members[member.name] = content.read()
    return members


def test_the_same_seed_gives_the_same_bytes(tiny_section, tiny_mirror, tmp_path):
    draw_mirror(tiny_section, tmp_path)

    assert _bytes(tmp_path) == _bytes(tiny_mirror)


def test_another_seed_gives_other_videos(tiny_section, tiny_mirror):
    other = plan_ava(tiny_section.seed + 1, "train", 1, 4)

    assert not (tiny_mirror / AVA / "trainval" / f"{other[0].video_id}.mkv").exists()


def test_every_listed_video_is_published_but_the_missing_one(tiny_section, tiny_mirror):
    films = plan_ava(tiny_section.seed, "train", 3, 4)
    listed = (tiny_mirror / AVA / "annotations/ava_file_names_trainval_v2.1.txt").read_text()

    absent = [
        name for name in listed.split() if not (tiny_mirror / AVA / "trainval" / name).exists()
    ]

    assert len(listed.split()) == 5
    assert absent == [f"{films[1].video_id}.{films[1].container}"]


def test_videos_have_the_rate_container_and_length_of_the_plan(tiny_section, tiny_mirror):
    films = [*plan_ava(tiny_section.seed, "train", 1, 4), *plan_ava(tiny_section.seed, "val", 2, 4)]

    for film in films:
        path = tiny_mirror / AVA / "trainval" / f"{film.video_id}.{film.container}"
        with av.open(path) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == film.rate
            assert (stream.width, stream.height) == film.size
            assert film.container in {"matroska,webm": ("mkv", "webm")}.get(
                container.format.name, ("mp4",)
            )
            assert sum(1 for _ in container.decode(stream)) == film.num_frames


def test_a_decoded_frame_is_the_drawn_one(tiny_section, tiny_mirror):
    film = plan_ava(tiny_section.seed, "train", 1, 4)[0]

    with av.open(tiny_mirror / AVA / "trainval" / f"{film.video_id}.{film.container}") as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    drawn = list(film.frames())[40]

    assert np.abs(decoded[40].astype(int) - drawn).mean() < 6
    assert np.abs(decoded[10].astype(int) - drawn).mean() > np.abs(decoded[40] - drawn).mean() / 50


def test_the_truncated_video_decodes_in_part(tiny_section, tiny_mirror):
    film = plan_ava(tiny_section.seed, "train", 3, 4)[2]
    decoded = 0

    with av.open(tiny_mirror / AVA / "trainval" / f"{film.video_id}.mkv") as container:
        try:
            for _ in container.decode(video=0):
                decoded += 1
        except av.error.FFmpegError:
            pass

    assert 0.3 * film.num_frames < decoded < 0.9 * film.num_frames


def test_faults_are_those_announced():
    content = bytes(range(256)) * 40

    assert spoil(content, None, 1) == content
    assert spoil(content, "missing", 1) is None
    assert spoil(content, "not a video", 1) == NOT_A_VIDEO
    corrupt = spoil(content, "corrupt", 1)
    assert corrupt is not None
    assert len(corrupt) == len(content)
    assert corrupt[: len(content) // 2] == content[: len(content) // 2]
    assert corrupt != content


def test_a_full_world_misses_cuts_short_and_spoils_one_training_video_each():
    assert sorted(AVA_FAULTS.values()) == ["corrupt", "missing", "truncated"]


def test_archives_hold_all_clips_but_the_missing_one(tiny_section, tiny_mirror):
    clips = plan_kinetics(tiny_section.seed, "train", 8, 3)

    names = set(_archived(tiny_mirror, "train"))

    assert {f"{clip.name}.mp4" for clip in clips} - names == {f"{clips[4].name}.mp4"}
    assert len(list((tiny_mirror / KINETICS / "train").glob("*.tar.gz"))) >= 3


def test_archived_clips_decode(tiny_section, tiny_mirror):
    clip = plan_kinetics(tiny_section.seed, "val", 3, 3)[0]

    with av.open(io.BytesIO(_archived(tiny_mirror, "val")[f"{clip.name}.mp4"])) as container:
        assert container.streams.video[0].average_rate == clip.film.rate


def test_annotations_of_both_parts_parse(raw, tiny_section):
    ava = read_ground_truth(raw / "ava_train_v2.2.csv")
    kinetics = read_ground_truth(raw / "ava_kinetics_v1_0/kinetics_train_v1.0.csv")

    assert set(ava["timestamp"]) == {6.0}  # 4 s of lead-in, 4 annotated, 2 s of margin each side
    assert (ava["person_id"] >= 0).all()
    assert (kinetics["person_id"] == -1).all()
    assert set(ava["action_id"]) <= set(EVALUATED_IDS)
    for ground_truth in (ava, kinetics.dropna()):
        assert (ground_truth[["x1", "y1"]] >= 0).all(axis=None)
        assert (ground_truth["x1"] < ground_truth["x2"]).all()
        assert (ground_truth["y1"] < ground_truth["y2"]).all()
        assert (ground_truth[["x2", "y2"]] <= 1).all(axis=None)


def test_a_keyframe_without_people_is_a_row_of_id_and_second(raw, tiny_section):
    clip = plan_kinetics(tiny_section.seed, "train", 8, 3)[5]

    rows = (raw / "ava_kinetics_v1_0/kinetics_train_v1.0.csv").read_text().splitlines()

    assert f"{clip.film.video_id},{clip.keyframe:.6f}" in rows


def test_class_lists_parse(raw):
    every = read_class_list(raw / "ava_action_list_v2.2.pbtxt")
    evaluated = read_class_list(raw / "ava_action_list_v2.2_for_activitynet_2019.pbtxt")

    assert list(every) == list(range(1, 81))
    assert sorted(evaluated) == EVALUATED_IDS
    assert evaluated[69] == every[69] == "hand wave"


def test_class_lists_are_the_published_ones(raw, external):
    for name in ("ava_action_list_v2.2.pbtxt",):
        assert (raw / name).read_text() == (external("annotations") / name).read_text()
    published = read_class_list(
        external("annotations") / "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
    )
    evaluated = read_class_list(raw / "ava_action_list_v2.2_for_activitynet_2019.pbtxt")

    assert evaluated.items() <= published.items()


def test_some_keyframes_are_excluded_but_never_all(raw, tiny_section):
    excluded = read_exclusions(raw / "ava_train_excluded_timestamps_v2.2.csv")

    assert len(excluded) == 2
    assert set(excluded["timestamp"]) == {6.0}


def test_proposals_lie_on_the_people(tiny_mirror, raw):
    proposals = read_proposals(
        tiny_mirror / PROPOSALS / "ava_dense_proposals_train.FAIR.recall_93.9.pkl"
    )
    ground_truth = read_ground_truth(raw / "ava_train_v2.2.csv")

    assert set(proposals["video_id"]) <= set(ground_truth["video_id"])
    assert proposals["score"].between(0, 1).all()


def test_the_section_of_the_defaults_plans_the_asked_numbers():
    section = DrawWorld(
        seed=1, ava_train_videos=9, ava_val_videos=2, ava_seconds=20,
        kinetics_train_clips=5, kinetics_val_clips=1, kinetics_seconds=4,
    )  # fmt: skip

    assert len(plan_ava(section.seed, "train", section.ava_train_videos, 20)) == 9
    assert len(plan_kinetics(section.seed, "train", section.kinetics_train_clips, 4)) == 5
