"""Write the index of every split, and the table of what is missing."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.ava_csv import read_exclusions, read_ground_truth
from pipeline.annotations.class_list import num_outputs, read_class_list
from pipeline.annotations.coverage import coverage_table, lost_clips, read_reports, write_coverage
from pipeline.annotations.coverage_page import class_table, write_coverage_page
from pipeline.annotations.index_schema import INDEX_SCHEMA
from pipeline.annotations.merging import MergedSubset, merge_subset, with_proposals
from pipeline.clips import read_clips
from pipeline.core.atomic import written_folder
from pipeline.core.tables import MAKE_ANEW
from pipeline.settings.params import Params
from pipeline.settings.sections import Subset
from pipeline.sources.archives import ArchivesSource
from pipeline.video.stored_frames import StoredFrames, read_stored_frames

logger = logging.getLogger(__name__)

MOST_NAMES = 5  # of classes in a warning
MISTAKES = ("class outside the list", "degenerate box")  # of whoever wrote the ground truth


@dataclass(frozen=True)
class Inputs:
    """Where the earlier stages left what is merged here."""

    raw: Path
    clips: Path
    videos: Path
    cut: Path
    frames: Path
    proposals: Path


def merge_annotations(
    inputs: Inputs, index: Path, coverage: Path, params: Params
) -> dict[str, float]:
    """Write the index of every split and the coverage table; return the counts.

    Beside the table come coverage_by_class.csv and coverage.md, to read.

    Args:
        inputs: the folders and tables that are merged.
        index: folder of the index files, to write.
        coverage: table to write; others of the same kind lie beside it.
        params: the settings.
    """
    clips, stored = read_clips(inputs.clips), read_stored_frames(inputs.frames)
    lost = lost_clips(
        clips["clip"].drop_duplicates(),
        read_reports(inputs.videos, params.every_job),
        read_reports(inputs.cut),
        read_reports(inputs.frames),
        stored,
    )
    classes = read_class_list(inputs.raw / params.data.class_list)
    counts: dict[str, float] = {}
    of_clips, labels = [], {}
    with written_folder(index) as folder:
        for split in params.splits:
            tables = []
            for subset, merged in _merge_split(
                inputs, split, clips, stored, lost, params, num_outputs(classes)
            ):
                tables.append(merged.index)
                of_clips.append(merged.clips.assign(subset=subset.name))
                labels[subset.name, split] = merged.labels
                counts |= {f"{subset.name}_{what}": n for what, n in merged.counts.items()}
                _log_counts(subset, merged)
            proposals = read_person_boxes(inputs.proposals / f"{split}.parquet")
            table = with_proposals(pa.concat_tables(tables), proposals)
            _write_index(folder / f"{split}.parquet", table)
    # Where there are no other sources, a clip's row tells of archives already.
    mixed = [subset for subset in params.data.subsets if len(subset.passes) > 1]
    archives = {subset.name: _archive_lists(subset) for subset in mixed}
    covered = coverage_table(clips, lost, pd.concat(of_clips), archives)
    write_coverage(coverage, covered)
    by_class = class_table(labels, classes)
    write_coverage_page(coverage, params.dataset, covered, by_class)
    _warn_of_lost_classes(by_class)
    for status in ("ok", "short", "missing"):
        counts[f"clips_{status}"] = int((covered["status"] == status).sum())
    return counts


def _merge_split(
    inputs: Inputs,
    split: str,
    clips: pd.DataFrame,
    stored: StoredFrames,
    lost: pd.DataFrame,
    params: Params,
    outputs: int,
) -> Iterator[tuple[Subset, MergedSubset]]:
    window = params.list_clips.frames_before, params.list_clips.frames_after
    for subset in sorted(params.subsets(split), key=lambda subset: subset.name):
        yield (
            subset,
            merge_subset(
                subset.name,
                ground_truth=read_ground_truth(inputs.raw / subset.ground_truth),
                excluded=read_exclusions(inputs.raw / subset.excluded if subset.excluded else None),
                clips=clips[(clips["subset"] == subset.name) & (clips["split"] == split)],
                stored=stored,
                lost=lost["kind"],
                window=window,
                outputs=outputs,
            ),
        )


def _archive_lists(subset: Subset) -> str:
    return ", ".join(each.list for each in subset.sources if isinstance(each, ArchivesSource))


def _write_index(path: Path, table: pa.Table) -> None:
    # Without pandas' metadata and with a fixed layout: equal rows give equal bytes.
    table = table.cast(INDEX_SCHEMA).combine_chunks()
    pq.write_table(table, path, compression="zstd", row_group_size=65_536)


def _warn_of_lost_classes(by_class: pd.DataFrame) -> None:
    totals = by_class.groupby(["split", "class"], sort=True)[["labels", "kept"]].sum()
    lost = totals[totals["kept"] == 0].reset_index()
    for split, rows in lost.groupby("split"):
        names = ", ".join(rows["class"].str[:40].head(MOST_NAMES))
        logger.warning(
            "%s: %d classes lost all of their labels, such as %s; coverage_by_class.csv says to "
            "what",
            *(split, len(rows), names),
        )


def _log_counts(subset: Subset, merged: MergedSubset) -> None:
    for what, number in merged.counts.items():
        if number and what.startswith("dropped_"):
            reason = what.removeprefix("dropped_").replace("_", " ")
            level = logging.WARNING if reason in MISTAKES else logging.INFO
            logger.log(
                level,
                "%s: %d of %d rows dropped: %s",
                *(subset.name, number, merged.counts["rows"], reason),
            )
    if not len(merged.index):
        logger.warning("%s: none of its keyframes can be used; coverage.md says why", subset.name)


def read_person_boxes(path: Path) -> pd.DataFrame:
    """Read proposals/<split>.parquet, without checking it again; video_id is a category."""
    try:
        table: pd.DataFrame = pq.read_table(path, read_dictionary=["video_id"]).to_pandas()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: {reason}; {MAKE_ANEW}") from None
    return table
