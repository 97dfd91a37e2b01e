"""What became of every clip that was wanted: `coverage.csv`.

Each stage between the clip table and the frame store leaves a report per shard, with a status and a
reason per clip. Here the reports of all shards are joined into one row per clip.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from pipeline.clips import write_table
from pipeline.core.tables import positions
from pipeline.video.stored_frames import StoredFrames

COLUMNS = ["subset", "split", "video_id", "clip", "keyframes", "boxes", "status", "reason"]
REPORTED = ["clip", "status", "reason"]
NOT_FOUND = "found in no source"
NO_FRAME = "no frame stored"


def read_reports(folder: Path, names: Collection[str] | None = None) -> pd.DataFrame:
    """Return the reports of all shards in a folder.

    Args:
        names: read these only; others may be left of other settings.

    Returns: index clip; status, reason. A clip that several tables report (each download pass
        and each shard's archives have one) is ok when it is ok in one of them; else its reason
        joins theirs, in the order of the passes.

    Raises:
        ValueError: a file without these columns.
    """
    paths = [path for path in folder.glob("*.csv") if names is None or path.stem in names]
    if not paths:
        return pd.DataFrame({name: [] for name in REPORTED}, dtype="str").set_index("clip")
    report: pd.DataFrame = _read_tables(sorted(paths, key=_pass_and_shard)).to_pandas()
    report = report.assign(bad=report["status"] != "ok")
    report = report.sort_values("bad", kind="stable")
    again = report["clip"].duplicated()
    several = report["clip"].isin(report.loc[again & report["bad"], "clip"]) & report["bad"]
    joined = report[several].groupby("clip")["reason"].agg(_joined)
    first = several & ~again
    report.loc[first, "reason"] = joined[report.loc[first, "clip"]].to_numpy()
    return report[~again].set_index("clip")[["status", "reason"]]


def _read_tables(paths: Sequence[Path]) -> pa.Table:
    """The rows of all files, read in one go: a parser costs more than the few rows of a shard."""
    heads, bodies = zip(*(path.read_bytes().partition(b"\n")[::2] for path in paths), strict=True)
    # A quote left open must not reach into the next file.
    if len(set(heads)) == 1 and not any(body.count(b'"') % 2 for body in bodies):
        text = b"".join(body if body[-1:] in (b"", b"\n") else body + b"\n" for body in bodies)
        try:
            return _read_table(heads[0] + b"\n" + text)
        except (pa.ArrowInvalid, pa.ArrowKeyError):
            pass  # read one by one to tell which
    tables = []
    for path in paths:
        try:
            tables.append(_read_table(path.read_bytes()))
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    return pa.concat_tables(tables)


def _read_table(text: bytes) -> pa.Table:
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(REPORTED, pa.string()),
            include_columns=REPORTED,
            strings_can_be_null=False,
        ),
    )


def _pass_and_shard(path: Path) -> tuple[int, str]:
    """Return the sort key of a report; videos of a later pass are called <shard>_<pass>."""
    shard, _, number = path.stem.partition("_")
    return int(number) if number.isdecimal() else 1, shard


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def lost_clips(
    clips: "pd.Series[str]",
    downloaded: pd.DataFrame,
    cut: pd.DataFrame,
    extracted: pd.DataFrame,
    stored: StoredFrames,
) -> pd.DataFrame:
    """Return why each clip lacks some of its frames.

    Args:
        clips: distinct names.
        downloaded, cut, extracted: reports of the three stages, as from `read_reports`.

    Returns: index clip; status (ok, short or missing), kind (empty, "missing video", "damaged" or
        "frames short") and reason in words.
    """
    names = pd.Index(clips, name="clip")
    gone = stored.positions(clips) < 0
    unheard = gone & (positions(names, downloaded.index) < 0)
    case = gone + unheard.astype(np.int64)
    status = np.array(["ok", "missing", "missing"], object)[case]
    kind = np.array(["", "frames short", "missing video"], object)[case]
    reason = np.array(["", NO_FRAME, NOT_FOUND], object)[case]
    # The first stage that failed tells the cause: it writes last.
    for stage, kind_of in (
        (extracted, "frames short"),
        (cut, "damaged"),
        (downloaded, "missing video"),
    ):
        bad = stage[(stage["status"] != "ok").to_numpy()]
        index = positions(bad.index, names)
        bad, index = bad[index >= 0], index[index >= 0]
        status[index] = np.where(gone[index], "missing", "short")
        damaged = (bad["status"] == "damaged").to_numpy()
        kind[index] = np.where(damaged, "damaged", kind_of)
        reason[index] = np.where(bad["reason"] == "", bad["status"], bad["reason"])
    return pd.DataFrame({"status": status, "kind": kind, "reason": reason}, index=names)


def coverage_table(
    clips: pd.DataFrame,
    lost: pd.DataFrame,
    merged: pd.DataFrame,
    archives: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return one row per row of the clip table, sorted by subset and clip.

    Args:
        clips: the clip table.
        lost: as from `lost_clips`.
        merged: subset, clip, keyframes, kept, boxes: what the merging found of each clip.
        archives: subset to its lists of archives, for subsets with other sources too. A clip
            that they lack has no row in their tables: only here are all of those known.
    """
    table = clips.merge(merged, how="left", on=["subset", "clip"])
    numbers = table[["keyframes", "kept", "boxes"]].fillna(0).astype("int64")
    found = lost.iloc[positions(table["clip"], lost.index)]
    status, reason = (found[name].to_numpy(object, copy=True) for name in ("status", "reason"))
    codes, subsets = pd.factorize(table["subset"])
    lists = np.array([archives.get(subset, "") for subset in subsets], object)[codes]
    unread = (found["kind"] == "missing video").to_numpy() & (reason != NOT_FOUND) & (lists != "")
    reason[unread] += "; none in the archives of " + lists[unread]
    fewer = (numbers["kept"] < numbers["keyframes"]).to_numpy() & (status != "missing")
    left = numbers[fewer].astype(str)
    num_left = (left["kept"] + " of " + left["keyframes"] + " keyframes left").to_numpy(object)
    before = np.where(reason[fewer] == "", "", reason[fewer] + "; ")
    status[fewer], reason[fewer] = "short", before + num_left
    table = table.assign(
        keyframes=numbers["keyframes"], boxes=numbers["boxes"], status=status, reason=reason
    )
    return table.sort_values(["subset", "clip"], kind="stable")[COLUMNS].reset_index(drop=True)


def write_coverage(path: Path, coverage: pd.DataFrame) -> None:
    # Names were checked when they were listed; reasons may quote a server.
    write_table(path, coverage.assign(reason=coverage["reason"].str.lstrip("=+-@\t\r\n ")))
