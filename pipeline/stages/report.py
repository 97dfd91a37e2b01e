"""Gather the table, the figures and the page from what every variant left."""

import argparse
import json
import logging
from pathlib import Path

from pipeline.core.atomic import written
from pipeline.core.command import parser, run
from pipeline.core.summaries import write_summary

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    from pipeline.core.tracking import tracked_run, version_of
    from pipeline.report.files import track_report, write_report
    from pipeline.report.study import load_study
    from pipeline.report.table import format_table, overall_metrics
    from pipeline.settings.params import load_params
    from pipeline.video.frame_store import FrameStore

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
    track_report(tracked, study, args.out)
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
