import pandas as pd
import pytest

from pipeline.annotations.kinetics_lists import deduced_clips, read_clip_list


def written(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_text(text)
    return path


def test_clips_are_named_after_video_and_span(tmp_path):
    path = written(
        tmp_path,
        "label,youtube_id,time_start,time_end,split\n"
        "washing feet,--GkrdYZ9Tc,0,10,validate\n"
        "air drumming,ab_defghijk,104,114,validate\n",
    )

    clips = read_clip_list(path)

    assert clips["clip"].tolist() == ["ab_defghijk_000104_000114", "--GkrdYZ9Tc_000000_000010"]
    assert clips["label"].tolist() == ["air drumming", "washing feet"]


def test_a_clip_under_two_labels_counts_once_whatever_the_order(tmp_path):
    rows = ["b,v,0,10,train", "a,v,0,10,train"]
    head = "label,youtube_id,time_start,time_end,split"

    one = read_clip_list(written(tmp_path, "\n".join([head, *rows])))
    other = read_clip_list(written(tmp_path, "\n".join([head, *reversed(rows)])))

    assert one["label"].tolist() == ["a"]
    pd.testing.assert_frame_equal(one, other)


def test_a_column_that_stands_twice_is_refused_in_one_line(tmp_path):
    path = written(tmp_path, "label,youtube_id,youtube_id,time_start,time_end\na,b,c,0,10\n")

    with pytest.raises(ValueError, match=r"list\.csv: .*expected \['youtube_id'\] once") as refusal:
        read_clip_list(path)

    assert "\n" not in str(refusal.value)


def test_published_case_of_a_column_twice_is_refused(external):
    with pytest.raises(ValueError, match=r"expected \['youtube_id'\] once"):
        read_clip_list(external("cases/files/clip_list_column_twice.csv"))


def test_clips_of_other_videos_can_be_left_out(tmp_path):
    rows = "label,youtube_id,time_start,time_end\nb,v,0,10\na,w,0,10\na,v,5,15\n"

    clips = read_clip_list(written(tmp_path, rows), videos=pd.Series(["v", "gone"]))

    assert clips["clip"].tolist() == ["v_000005_000015", "v_000000_000010"]


def test_a_list_without_labels_gives_empty_ones(tmp_path):
    path = written(tmp_path, "youtube_id,time_start,time_end,split\nv,1,11,test\n")

    assert read_clip_list(path)["label"].tolist() == [""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,id,start,end\na,v,0,10\n", "found columns .* expected also .*youtube_id"),
        ("label,youtube_id,time_start,time_end\na,v,10,10\n", "row 2: found 10 to 10 seconds"),
        ("label,youtube_id,time_start,time_end\na,v,0,10\nb,w,-1,9\n", "row 3: found -1 to 9"),
        ("label,youtube_id,time_start,time_end\na,v,zero,10\n", "list.csv: .*zero"),
        ("label,youtube_id,time_start,time_end\na,v\n", "Expected 4 columns, got 2"),
    ],
)
def test_a_list_with_a_mistake_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_clip_list(written(tmp_path, text))


def test_an_unlisted_keyframe_gets_ten_seconds_around_it():
    keyframes = pd.DataFrame({"video_id": ["v", "w", "v"], "timestamp": [17.5, 2.0, 17.9]})

    clips = deduced_clips(keyframes)

    assert clips["clip"].tolist() == ["v_000012_000022", "w_000000_000010"]
