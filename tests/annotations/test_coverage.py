import pandas as pd
import pytest

from pipeline.annotations.coverage import coverage_table, lost_clips, read_reports
from pipeline.video.stored_frames import StoredFrames


def report(**clips):
    """A report: clip="status: reason"."""
    rows = {name: text.partition(": ")[::2] for name, text in clips.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["status", "reason"], dtype="str")
    return table.rename_axis("clip")


def stored(*clips):
    table = pd.DataFrame({"last_frame": 1}, pd.Index(list(clips), dtype="str", name="clip"))
    return StoredFrames(table, pd.DataFrame())


def test_the_first_stage_that_failed_is_the_reason():
    lost = lost_clips(
        pd.Series(["fine", "gone", "broken", "short", "never", "lazy"]),
        downloaded=report(
            fine="ok: ", gone="missing: HTTP 404", broken="ok: ", short="ok: ", lazy="ok: "
        ),
        cut=report(fine="ok: ", gone="damaged: no file", broken="damaged: no stream", short="ok: "),
        extracted=report(
            fine="ok: ", gone="damaged: no clip", broken="damaged: no clip", short="short: 5 of 9"
        ),
        stored=stored("fine", "short"),
    )

    assert lost.to_dict("index") == {
        "fine": {"status": "ok", "kind": "", "reason": ""},
        "gone": {"status": "missing", "kind": "missing video", "reason": "HTTP 404"},
        "broken": {"status": "missing", "kind": "damaged", "reason": "no stream"},
        "short": {"status": "short", "kind": "frames short", "reason": "5 of 9"},
        "never": {"status": "missing", "kind": "missing video", "reason": "found in no source"},
        "lazy": {"status": "missing", "kind": "frames short", "reason": "no frame stored"},
    }


def test_a_damaged_clip_with_some_frames_is_short():
    lost = lost_clips(
        pd.Series(["v"]), report(v="ok: "), report(v="ok: "), report(v="damaged: "), stored("v")
    )

    assert lost.loc["v"].to_dict() == {"status": "short", "kind": "damaged", "reason": "damaged"}


def test_a_clip_found_in_one_of_two_shards_is_ok(tmp_path):
    (tmp_path / "00.csv").write_text("clip,path,status,reason\nv,,missing,not in a tar\n")
    (tmp_path / "01.csv").write_text('clip,path,status,reason\nv,v.mp4,ok,\n"w, x",,missing,\n')

    reports = read_reports(tmp_path)

    assert reports["status"].to_dict() == {"v": "ok", "w, x": "missing"}


def test_reasons_of_several_rounds_are_joined_in_their_order(tmp_path):
    head = "clip,status,reason\n"
    (tmp_path / "01.csv").write_text(head + "v,missing,HTTP 404\nw,missing,HTTP 500\n")
    (tmp_path / "00_2.csv").write_text(head + "v,missing,empty in its archive\nw,ok,\n")
    (tmp_path / "01_3.csv").write_text(head + "v,missing,HTTP 404\n")
    (tmp_path / "07.csv").write_text(head + "v,ok,\n")  # of other settings

    reports = read_reports(tmp_path, ["00", "01", "00_2", "01_2", "00_3", "01_3"])

    assert reports.to_dict("index") == {
        "v": {"status": "missing", "reason": "HTTP 404; empty in its archive"},
        "w": {"status": "ok", "reason": ""},
    }


def test_archives_that_lack_a_clip_are_named_beside_its_other_sources():
    clips = pd.DataFrame(
        [("p", "train", name, name) for name in ("gone", "never", "short")],
        columns=["subset", "split", "video_id", "clip"],
    )
    lost = pd.DataFrame(
        {
            "status": ["missing", "missing", "short"],
            "kind": ["missing video", "missing video", "frames short"],
            "reason": ["HTTP 404", "found in no source", "5 of 9"],
        },
        index=pd.Index(["gone", "never", "short"], name="clip"),
    )
    merged = pd.DataFrame({"subset": [], "clip": [], "keyframes": [], "kept": [], "boxes": []})

    table = coverage_table(
        clips, lost, merged.astype({"subset": "str", "clip": "str"}), {"p": "x.txt"}
    )

    assert dict(zip(table["clip"], table["reason"], strict=True)) == {
        "gone": "HTTP 404; none in the archives of x.txt",
        "never": "found in no source",
        "short": "5 of 9",
    }


def test_reports_of_different_layouts_are_read_together(tmp_path):
    (tmp_path / "00.csv").write_text("clip,path,status,reason\nv,,missing,gone")  # no last newline
    (tmp_path / "01.csv").write_text("clip,path,status,reason\n")
    (tmp_path / "02.csv").write_text("clip,path,status,reason\nw,w.mp4,ok,\n")
    alike = read_reports(tmp_path)
    (tmp_path / "03.csv").write_text("status,clip,reason\nok,x,\n")

    assert alike["status"].to_dict() == {"v": "missing", "w": "ok"}
    assert read_reports(tmp_path)["status"].to_dict() == {"v": "missing", "w": "ok", "x": "ok"}


def test_an_open_quote_reaches_into_no_other_report(tmp_path):
    (tmp_path / "00.csv").write_text('clip,status,reason\nv,missing,"gone\n')
    (tmp_path / "01.csv").write_text('clip,status,reason\nw,missing,a "title"\n')
    (tmp_path / "02.csv").write_text('clip,status,reason\nx,missing,5"\n')

    assert read_reports(tmp_path)["status"].to_dict() == dict.fromkeys("vwx", "missing")


def test_a_report_without_its_columns_is_refused(tmp_path):
    (tmp_path / "00.csv").write_text("clip,status\nv,ok\n")

    with pytest.raises(ValueError, match=r"00\.csv: .*reason"):
        read_reports(tmp_path)


def test_coverage_has_a_row_per_wanted_clip_and_says_how_many_keyframes_are_left():
    clips = pd.DataFrame(
        [("q", "pretrain", "x", "x"), ("p", "train", "w", "w"), ("p", "train", "v", "v")],
        columns=["subset", "split", "video_id", "clip"],
    )
    lost = pd.DataFrame(
        {"status": ["ok", "short", "missing"], "kind": "", "reason": ["", "5 of 9", "HTTP 404"]},
        index=pd.Index(["v", "w", "x"], name="clip"),
    )
    merged = pd.DataFrame(
        {"subset": "p", "clip": ["v", "w"], "keyframes": [3, 2], "kept": [2, 2], "boxes": [5, 0]}
    )

    table = coverage_table(clips, lost, merged)

    assert table.to_numpy().tolist() == [
        ["p", "train", "v", "v", 3, 5, "short", "2 of 3 keyframes left"],
        ["p", "train", "w", "w", 2, 0, "short", "5 of 9"],
        ["q", "pretrain", "x", "x", 0, 0, "missing", "HTTP 404"],
    ]
