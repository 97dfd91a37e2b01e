"""Gather the table, the figures and the page from what every variant left."""

import argparse
import json
import logging
from pathlib import Path

from pipeline.atomic import written, written_folder
from pipeline.command import parser, run
from pipeline.frames.frame_store import FrameStore
from pipeline.params import load_params
from pipeline.report.drawing import draw_row
from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page
from pipeline.report.study import Study, load_study
from pipeline.report.table import cells, columns, format_table, markdown_table, overall_metrics
from pipeline.summaries import write_summary
from pipeline.tracking import TrackedRun, tracked_run, version_of

logger = logging.getLogger(__name__)
TRACKED = ("mAP", "mAP_all_truth")  # of each variant and split, in MLflow


def write_report(study: Study, frames: FrameStore, num_keyframes: int, out: Path) -> None:
    """Write index.html, table.md, table.txt and the figures as PNG into a new folder `out`."""
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


def _track(tracked: TrackedRun, study: Study, report: Path) -> None:
    """Log every variant's mAP with and without what is missing, the table, the whole report."""
    for variant in study.variants:
        for split in study.splits:
            found = variant.coverage(split)
            values = {f"{split}/{name}/{variant.name}": found[name] for name in TRACKED}
            tracked.metrics({name: value for name, value in values.items() if value is not None})
        if variant.mAP is not None:
            tracked.metrics({f"mAP/{variant.name}": variant.mAP})
    rows = zip(*(cells(study, variant) for variant in study.variants), strict=True)
    tracked.table(dict(zip(columns(study), map(list, rows), strict=True)), "ablation.json")
    tracked.artifact(report, "report")
    tracked.finish()


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    params = load_params(args.params)
    study = load_study(params, args.results, args.raw, args.index, args.coverage)

    write_report(study, FrameStore(args.frames), params.report.gallery_keyframes, args.out)

    with written(args.metrics) as temporary:
        text = json.dumps(overall_metrics(study), indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    logger.info("the table of %s\n%s", args.results, format_table(study))
    tracked = tracked_run(
        params.dataset,
        "report",
        version_of([args.metrics]),
        {"stage": "report"},
    )
    _track(tracked, study, args.out)
    clips = study.coverage["status"].value_counts()
    write_summary(
        args.summary,
        {
            "variants": len(study.variants),
            "best_mAP": study.best.mAP or 0.0,
            "clips_missing": int(clips.get("missing", 0)),
            "clips_short": int(clips.get("short", 0)),
        },
    )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    flags = parser(__doc__)
    flags.add_argument("--results", type=Path, required=True, help="has variants/<variant>/")
    flags.add_argument("--raw", type=Path, required=True, help="folder of the annotation files")
    flags.add_argument("--index", type=Path, required=True, help="folder of the keyframe indexes")
    flags.add_argument("--frames", type=Path, required=True, help="folder of the stored frames")
    flags.add_argument("--coverage", type=Path, required=True, help="coverage.csv")
    flags.add_argument("--out", type=Path, required=True, help="folder of the report")
    flags.add_argument("--metrics", type=Path, required=True, help="JSON of all variants to write")
    return flags.parse_args(argv)


if __name__ == "__main__":
    run(main)
