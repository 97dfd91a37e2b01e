"""The report's files, and their copy in MLflow."""

import json
import logging
from pathlib import Path

from pipeline.core.atomic import written, written_folder
from pipeline.core.tracking import TrackedRun, tracked_run, version_of
from pipeline.report.drawing import draw_row
from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page
from pipeline.report.study import Study, load_study
from pipeline.report.table import columns, format_table, markdown_table, overall_metrics
from pipeline.settings.params import Params
from pipeline.video.frame_store import FrameStore

logger = logging.getLogger(__name__)

TRACKED = ("mAP", "mAP_all_ground_truth")  # of each variant and split, in MLflow


def make_report(
    *,
    params: Params,
    results: Path,
    raw: Path,
    index: Path,
    frames: Path,
    coverage: Path,
    out: Path,
    metrics: Path,
) -> dict[str, float]:
    """Gather what every variant left into the report and the metrics; return counts.

    Args:
        params: the settings.
        results: folder with `variants/<variant>/` of every variant.
        raw: folder of the annotation files.
        index: folder of the keyframe indexes.
        frames: folder of the stored frames.
        coverage: the table of available and missing clips.
        out: folder of the report to write.
        metrics: JSON of all variants to write.

    Raises:
        ValueError: a metrics.json that its own detections do not bear out.
    """
    study = load_study(params, results, raw, index, coverage)
    write_report(study, FrameStore(frames), params.report.gallery_keyframes, out)
    with written(metrics) as temporary:
        text = json.dumps(overall_metrics(study), indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    logger.info("the table of %s\n%s", results, format_table(study))
    run = tracked_run(params.dataset, "report", version_of([metrics]), {"stage": "report"})
    track_report(run, study, out)
    clips = study.coverage["status"].value_counts()
    return {
        "variants": len(study.variants),
        "best_mAP": study.best.mAP or 0.0,
        "clips_missing": int(clips.get("missing", 0)),
        "clips_short": int(clips.get("short", 0)),
    }


def write_report(study: Study, frames: FrameStore, num_keyframes: int, out: Path) -> None:
    """Write index.html, table.md, table.txt and the figures as PNG into a new folder `out`.

    Args:
        study: what was measured.
        frames: where stored frames are, for the gallery.
        num_keyframes: of the gallery.
        out: folder to make.
    """
    charts = make_charts(study)
    gallery = make_gallery(study, frames, num_keyframes)
    with written_folder(out) as folder:
        for chart in charts:
            (folder / f"{chart.name}.png").write_bytes(chart.png)
        if gallery:
            (folder / "gallery.png").write_bytes(draw_row(gallery))
        texts = {
            "index.html": make_page(study, charts, gallery),
            "table.md": markdown_table(study),
            "table.txt": format_table(study) + "\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def track_report(tracked: TrackedRun, study: Study, report: Path) -> None:
    """Log every variant's mAP with and without what is missing, the table, the whole report."""
    for variant in study.variants:
        for split in study.splits:
            found = variant.coverage(split)
            values = {f"{split}/{name}/{variant.name}": found[name] for name in TRACKED}
            tracked.metrics({name: value for name, value in values.items() if value is not None})
        if variant.mAP is not None:
            tracked.metrics({f"mAP/{variant.name}": variant.mAP})
    table = {
        column.heading: [str(column.cell(variant)) for variant in study.variants]
        for column in columns(study)
    }
    tracked.table(table, "ablation.json")
    tracked.artifact(report, "report")
    tracked.finish()
