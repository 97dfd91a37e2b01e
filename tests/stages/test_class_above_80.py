"""A class whose id is above AVA's 80 is trained and scored like any other."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from pipeline.annotations.class_list import num_outputs
from pipeline.models.checkpoints import read_weights
from pipeline.stages import evaluate, pretrain, train
from tests.toy_dataset import write_toy_dataset

OLD, NEW = 14, 1234  # the toy's class "walk"


def flags(folder: Path, files: dict[str, str]) -> list[str]:
    return [text for name, file in files.items() for text in (f"--{name}", str(folder / file))]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_toy_dataset(folder)
    for name in ("train.csv", "val_ava.csv"):
        path = folder / "raw" / name
        path.write_text(path.read_text().replace(f",{OLD},0", f",{NEW},0"))
    classes = folder / "raw/classes.pbtxt"
    classes.write_text(classes.read_text().replace(f"id: {OLD}", f"id: {NEW}"))
    for path in (folder / "index").glob("*.parquet"):
        table = pq.read_table(path)
        rows = [{**row, "labels": [[12, 80], [NEW]]} for row in table.to_pylist()]
        pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    common = {"params": "params.yaml", "frames": "frames", "model": "model.pt"}
    start = {**common, "clips": "clips.csv", "model": "k700.pt"}
    pretrain.main(["--name", "k700", *flags(folder, start)])
    common |= {"raw": "raw", "index": "index"}
    files = {**common, "pretrained": "k700.pt", "best": "best.pt", "history": "history.csv"}
    train.main(["--variant", "plain", *flags(folder, files)])
    (folder / "out").mkdir()
    evaluate.main(["--variant", "plain", *flags(folder, {**common, "out": "out"})])
    return folder


def test_the_classifier_has_a_column_for_it_that_is_trained(built: Path) -> None:
    weight = read_weights(built / "model.pt")["roi_head.bbox_head.fc_cls.bias"]

    assert weight.shape == (NEW + 1,)
    # Nobody does 13 or 1233, whose biases fall alike; the class itself is done by half.
    assert weight[NEW] > weight[13]
    assert torch.isclose(weight[13], weight[NEW - 1], atol=1e-3)


def test_it_is_detected_and_has_an_average_precision(built: Path) -> None:
    detected = pq.read_table(built / "out/detections.parquet")["action_id"].to_pylist()
    metrics = json.loads((built / "out/metrics.json").read_text())

    assert NEW in detected
    assert metrics["protocols"]["val_ava"]["official"]["num_actions"] == 2
    table = (built / "out/per_class_ap.csv").read_text().splitlines()
    (row,) = (row for row in table if row.startswith(f"val_ava,official,{NEW},"))
    assert float(row.rpartition(",")[2]) > 0


@pytest.mark.parametrize(("classes", "outputs"), [([1, 80], 81), ([3], 81), ([2, 81], 82)])
def test_outputs_are_avas_81_or_more_where_an_id_needs_it(classes: list[int], outputs: int) -> None:
    assert num_outputs(classes) == outputs
