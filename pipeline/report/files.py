"""The report's files, and their copy in MLflow."""

from pathlib import Path

from pipeline.core.atomic import written_folder
from pipeline.core.tracking import TrackedRun
from pipeline.report.drawing import draw_row
from pipeline.report.figures import make_charts
from pipeline.report.gallery import make_gallery
from pipeline.report.page import make_page
from pipeline.report.study import Study
from pipeline.report.table import cells, columns, format_table, markdown_table
from pipeline.video.frame_store import FrameStore

TRACKED = ("mAP", "mAP_all_ground_truth")  # of each variant and split, in MLflow


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


def track_report(tracked: TrackedRun, study: Study, report: Path) -> None:
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
