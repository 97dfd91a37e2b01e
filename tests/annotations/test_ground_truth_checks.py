"""What `list_clips` says of ground truth before anything is downloaded."""

import logging

import pytest

from pipeline.annotations.dataset_clips import list_clips
from pipeline.clips import read_clips
from tests.own_dataset import own_params, write_files, write_videos


@pytest.fixture
def listed(tmp_path, caplog):
    """Return counts and warnings of listing a dataset of these files and videos."""

    def run(videos=("c1.mp4", "c2.mp4"), change=None, **texts):
        raw = write_files(tmp_path / "raw", **texts)
        folder = write_videos(tmp_path / "videos", *videos)
        with caplog.at_level(logging.WARNING):
            counts = list_clips(raw, tmp_path / "clips.csv", own_params(folder, change=change))
        return counts, caplog.text

    return run


def test_a_sound_dataset_has_nothing_to_warn_of(listed):
    counts, warnings = listed()

    assert warnings == ""
    assert (counts["clips"], counts["clips_unlisted_mine_val"]) == (2, 0)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("c1,0001,0,0,60,24,1,0\n", r"row 1: found box 0, 0, 60, 24, expected fractions of the"),
        ("c1,1,0,0,1,1,1\nc1,1,0,0,1,2.5,1\n", "row 2: found box 0, 0, 1, 2.5, expected fractions"),
        ("c1,1,0.5,0.1,0.4,0.9,1\n", r"row 1: found box 0.5, 0.1, 0.4, 0.9, expected x1, y1, x2"),
        ("c1,1,0.1,0.9,0.4,0.1,1\n", r"row 1: found box 0.1, 0.9, 0.4, 0.1, expected x1, y1, x2"),
        ("c1,1,0,0,1,1,7\n", r"split train: found ground truth of the action ids \[7\], expected"),
        ("c1,1\n", r"split train: found ground truth of the action ids \[\], expected some"),
        ("", r"split train: found ground truth of the action ids \[\], expected some"),
        ("c1,1,0,0,1,1,1\n".encode("utf-16"), "train.csv: found UTF-16 text, expected UTF-8"),
    ],
)
def test_ground_truth_without_meaning_is_refused_with_file_and_row(listed, train, message):
    with pytest.raises(ValueError, match=message) as refusal:
        listed(train=train)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("train", "message", "count"),
    [
        ("c1,1,-0.1,0,1,1.2,1\n", "1 of 1 boxes reach over the edge", "boxes_beyond_edge"),
        ("c1,1,0,0,1,1,1\nc1,2,0.5,0,0.5,1,2\n", "1 of 2 boxes have no", "boxes_without_area"),
        ("c1,1,0,0,1,1,1\nc1,1,1.1,0,1.2,1,2\n", "1 of 2 boxes have no", "boxes_without_area"),
        ("c1,1,0,0,1,1,1\nc1,1,0,0,1,1,9\n", "9 (1 rows): they do not", "rows_of_unlisted_classes"),
        ("c1,1,0,0,1,1,1\nc1,1,0,0,1,1,81\n", "81 (1 rows): they are left", "rows_of_unlisted_cl"),
    ],
)
def test_what_falls_away_is_a_warning_and_a_count(listed, train, message, count):
    counts, warnings = listed(train=train)

    assert message in warnings
    assert sum(n for name, n in counts.items() if name.startswith(count)) == 1


def test_classes_that_only_validation_has_are_named(listed):
    _, warnings = listed(train="c1,1,0,0,1,1,1\n", val="c2,1,0,0,1,1,1\nc2,1,0,0,1,1,2\n")

    assert "split val: 1 classes have no ground truth in training" in warnings
    assert "2 (b)" in warnings


def test_a_gap_in_the_class_list_is_meant(listed):
    counts, warnings = listed(
        classes='item { name: "a" id: 1 } item { name: "c" id: 3 }',
        train="c1,1,0,0,1,1,1\nc1,1,0,0,1,1,2\n",
    )

    assert warnings == ""
    assert counts["rows_of_unlisted_classes_mine_train"] == 1


def test_excluded_videos_by_another_name_are_named(tmp_path, caplog):
    raw = write_files(tmp_path / "raw", excluded="C1.mp4,2\n")
    folder = write_videos(tmp_path / "videos", "c1.mp4", "c2.mp4")
    params = own_params(folder)
    subsets = [subset.model_dump() for subset in params.data.subsets]
    subsets[0]["excluded"] = "excluded.csv"

    list_clips(raw, tmp_path / "clips.csv", own_params(folder, change={"subsets": subsets}))

    assert "excluded.csv: found videos that the ground truth lacks; 'C1.mp4' is nearly 'c1'" in (
        caplog.text
    )


def test_names_that_no_file_has_are_refused_with_the_near_ones(listed):
    with pytest.raises(
        ValueError,
        match=r"mine_val: .*: found 1 of 1 videos missing, such as 'c2\.mp4'; "
        r"'c2\.mp4' is nearly 'c2'; expected the same names",
    ):
        listed(val="c2.mp4,1,0,0,1,1,1\n")


def test_a_video_that_is_not_there_is_a_warning(listed):
    counts, warnings = listed(val="c2,1,0,0,1,1,1\ngone,1,0,0,1,1,1\n")

    assert counts["clips_unlisted_mine_val"] == 1
    assert "mine_val: its file lists and folders: found 1 of 2 videos missing" in warnings


@pytest.mark.parametrize("form", ["e\u0301t\u00e9", "\u00e9t\u00e9", "e\u0301te\u0301"])
@pytest.mark.parametrize("written", ["\u00e9t\u00e9", "e\u0301te\u0301"])
def test_one_name_in_two_forms_of_unicode_is_one_video(listed, tmp_path, form, written):
    counts, warnings = listed(["c1.mp4", f"{form}.mp4"], val=f"{written},1,0,0,1,1,1\n")

    assert (counts["clips_unlisted_mine_val"], warnings) == (0, "")
    assert "\u00e9t\u00e9" in read_clips(tmp_path / "clips.csv")["clip"].tolist()


@pytest.mark.parametrize(
    "suffix",
    ["asf", "mxf", "gif", "h264", "vob", "m2v", "3g2", "divx", "f4v", "qt", "ogm", "MP4", "wtv"],
)
def test_videos_of_every_common_ending_are_found(listed, suffix):
    counts, warnings = listed(["c1.mp4", f"c2.{suffix}"])

    assert (counts["clips_unlisted_mine_val"], warnings) == (0, "")


def test_an_id_with_a_comma_is_a_name_like_others(listed, tmp_path):
    counts, _ = listed(["c1.mp4", "fight, day 1.mp4"], val='"fight, day 1",1,0,0,1,1,1\n')

    assert counts["clips_unlisted_mine_val"] == 0
    assert read_clips(tmp_path / "clips.csv")["clip"].tolist() == ["c1", "fight, day 1"]


def test_one_name_in_the_folders_of_two_subsets_is_refused(tmp_path):
    raw = write_files(tmp_path / "raw", train="0001,1,0,0,1,1,1\n", val="0001,1,0,0,1,1,1\n")
    train, val = (write_videos(tmp_path / split, "0001.mp4") for split in ("train", "val"))

    with pytest.raises(ValueError, match="clip '0001': found in subset mine_train") as refusal:
        list_clips(raw, tmp_path / "clips.csv", own_params(train, val))

    for text in (str(train), "mine_val", str(val), "rename one"):
        assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_one_name_twice_in_a_folder_is_refused_unless_it_is_one_video(listed, tmp_path):
    (tmp_path / "videos/a").mkdir(parents=True)
    (tmp_path / "videos/a/c2.mp4").write_text("c2.mp4")  # the same bytes as those of c2.mp4
    assert listed()[0]["clips"] == 2

    message = r"video 'c2': found two files of that name, .*videos/c2\.mp4 and .*b/c2\.avi"
    with pytest.raises(ValueError, match=message):
        listed(["c1.mp4", "c2.mp4", "b/c2.avi"])


def test_a_video_shared_by_training_and_validation_is_a_warning(listed):
    _, warnings = listed(val="c1,3,0,0,1,1,1\n")

    assert "1 videos have keyframes for training and for validation, such as c1" in warnings


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("pixel_truth", r"train\.csv: row 1: found box 0, 0, 60, 24, expected fractions of the"),
        ("same_names", "clip '0001': found in subset mine_train"),
    ],
)
def test_published_cases_are_refused_at_the_start(case, message, external, tmp_path):
    folder = external("cases") / case
    places = [folder / "train", folder / "val"]
    videos = external("cases/videos")
    params = own_params(*(places if case == "same_names" else [videos]))

    with pytest.raises(ValueError, match=message):
        list_clips(folder, tmp_path / "clips.csv", params)
