"""The stage writes everything it promises, the same twice."""

import json

from pipeline.stages.report import main
from tests.report.conftest import build  # noqa: F401  the fixture


def test_report_is_whole_and_the_same_twice(build, tmp_path):  # noqa: F811
    out = build.folder / "results/report"
    summary = tmp_path / "summary.json"

    main([*build.arguments, "--summary", str(summary)])
    first = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    main(build.arguments)
    second = {path.name: path.read_bytes() for path in sorted(out.iterdir())}

    assert list(first) == [
        *("ablation.png", "errors.png", "gallery.png", "index.html", "precision_recall.png"),
        *("steps.png", "table.md", "table.txt", "training_loss.png", "training_map.png"),
    ]
    assert first == second
    metrics = json.loads((build.folder / "results/metrics.json").read_text())
    assert list(metrics) == build.params.variants
    assert json.loads(summary.read_text())["clips_missing"] == 1
