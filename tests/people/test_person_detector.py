"""The person detector on random weights: what goes in and out, not whether it finds anybody."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.download.data_lock import DataLock
from pipeline.models.vision import import_torchvision
from pipeline.people.person_detector import (
    NUM_CLASSES,
    align_rois,
    detect,
    fetch_weights,
    load_detector,
)
from tests.hostile_server import Hostile, hostile_server

CPU = torch.device("cpu")
STILL = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def fake(boxes: list[list[float]], scores: list[float], labels: list[int]) -> Callable[..., object]:
    """A detector that finds the same in every image."""
    found = {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "scores": torch.tensor(scores),
        "labels": torch.tensor(labels),
    }
    return lambda images: [found] * len(images)


def test_only_people_of_some_size_come_out_best_first_as_fractions() -> None:
    detector = fake(
        [[0, 0, 32, 48], [16, 12, 64, 48], [0, 0, 60, 40], [10, 10, 13, 40]],
        [0.5, 0.75, 0.9, 0.8],
        [1, 1, 17, 1],
    )

    (people,) = detect(detector, [STILL], min_side_px=4, device=CPU)  # type: ignore[arg-type]

    assert people.tolist() == [[0.25, 0.25, 1, 1, 0.75], [0, 0, 0.5, 1, 0.5]]


def test_a_picture_without_people_gives_no_rows() -> None:
    people = detect(fake([], [], []), [STILL, STILL], 4, CPU)  # type: ignore[arg-type]

    assert [rows.shape for rows in people] == [(0, 5), (0, 5)]


def test_the_network_reads_its_weights_and_finds_boxes_inside_the_picture(tmp_path: Path) -> None:
    torch.manual_seed(0)
    import_torchvision()
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    network = fasterrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=NUM_CLASSES
    )
    classifier = network.roi_heads.box_predictor.cls_score
    classifier.weight.data.zero_()
    classifier.bias.data[1] = 5.0  # everything is a person to it
    torch.save(network.state_dict(), tmp_path / "weights.pth")

    detector = load_detector(tmp_path / "weights.pth", 0.5, CPU, short_side_px=32)
    detector.rpn._post_nms_top_n = {"testing": 20}  # instead of 1000 boxes to look at
    people, narrow = detect(detector, [STILL, STILL[:, :40].copy()], 4, CPU)

    assert len(people) > 0
    assert len(narrow) > 0
    assert ((people >= 0) & (people <= 1)).all()
    assert (np.diff(people[:, 4]) <= 0).all()
    assert (people[:, 4] > 0.5).all()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04cos\nsystem\n."])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"weights\.pth: [^\n]+, expected [^\n]+$"):
        load_detector(path, 0.5, CPU)


def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, path)

    with pytest.raises(ValueError, match=r"weights\.pth: no weights of this person .*Missing"):
        load_detector(path, 0.5, CPU)


def test_weights_must_be_there_and_have_the_pinned_hash(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(ValueError, match="found no file"):
        fetch_weights(str(path), None)

    path.write_bytes(b"weights")
    assert fetch_weights(str(path), hashlib.sha256(b"weights").hexdigest()) == path
    with pytest.raises(ValueError, match=f"expected {'0' * 64}"):
        fetch_weights(str(path), "0" * 64)


GOOD, BAD = b"weights" * 100, b"others!" * 100
DIGITS = hashlib.sha256(GOOD).hexdigest()[:8]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's folder of models."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


@contextmanager
def serving(name: str, content: bytes) -> Iterator[tuple[Hostile, str]]:
    """A server of one file, and the file's address."""
    with hostile_server() as server:
        server.answers[f"/{name}"] = lambda handler, count: handler.ranged(content, '"v1"')
        yield server, f"{server.base}/{name}"


def test_digits_of_the_name_vouch_for_what_torch_has(tmp_path: Path, cached: Path) -> None:
    name = f"net-{DIGITS}.pth"
    (cached / name).write_bytes(GOOD)
    lock = DataLock(tmp_path / "lock.csv")

    with serving(name, BAD) as (server, address):
        path = fetch_weights(address, None, lock)

        assert not server.asked
    assert path == cached / name
    assert lock.expected(address) == hashlib.sha256(GOOD).hexdigest()


@pytest.mark.parametrize("name", [f"net-{DIGITS}.pth", "net.pth"])
def test_file_that_nothing_vouches_for_is_downloaded_anew(
    tmp_path: Path, cached: Path, name: str
) -> None:
    (cached / name).write_bytes(BAD)
    lock = DataLock(tmp_path / "lock.csv")

    with serving(name, GOOD) as (server, address):
        path = fetch_weights(address, None, lock)
        assert path.read_bytes() == GOOD
        asked = len(server.asked[f"/{name}"])
        fetch_weights(address, None, lock)  # locked by now

    assert len(server.asked[f"/{name}"]) == asked


def test_download_that_is_not_what_its_name_says_is_refused_and_not_locked(
    tmp_path: Path, cached: Path
) -> None:
    found = hashlib.sha256(BAD).hexdigest()

    with (
        serving(f"net-{DIGITS}.pth", BAD) as (_, address),
        pytest.raises(ValueError, match=f"found sha256 {found}, expected {DIGITS}"),
    ):
        fetch_weights(address, None, DataLock(tmp_path / "lock.csv"))

    assert not list(cached.glob("net*"))
    assert not (tmp_path / "lock.csv").exists()


def test_local_file_must_have_the_digits_of_its_name_unless_a_hash_is_pinned(
    tmp_path: Path,
) -> None:
    path = tmp_path / f"net-{DIGITS}.pth"
    path.write_bytes(BAD)

    with pytest.raises(ValueError, match=f"expected {DIGITS}"):
        fetch_weights(str(path), None)
    assert fetch_weights(str(path), hashlib.sha256(BAD).hexdigest()) == path


def ramp(height: int, width: int) -> Tensor:
    """[2, 1, H, W] images whose value is x + 10 y, and 1000 more in the second."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x + 10 * y, x + 10 * y + 1000]).float()[:, None]


def test_a_linear_picture_is_pooled_to_the_middle_of_each_cell() -> None:
    # In features the box spans 2..6 and 1..3: cells of 2 x 1, their middles at 3, 5 and 1.5, 2.5.
    box = torch.tensor([[1.0, 4.0, 2.0, 12.0, 6.0], [0.0, 4.0, 2.0, 12.0, 6.0]])

    pooled = align_rois(ramp(8, 9), box, (2, 2), spatial_scale=0.5, sampling_ratio=2)

    assert pooled[1, 0].tolist() == pytest.approx(np.array([[18, 20], [28, 30]]))
    assert pooled[0, 0].tolist() == pytest.approx(np.array([[1018, 1020], [1028, 1030]]), rel=1e-5)


def test_aligned_boxes_are_half_a_cell_further_to_the_left() -> None:
    box = torch.tensor([[0.0, 2.0, 1.0, 6.0, 3.0]])

    plain, aligned = (
        align_rois(ramp(8, 9), box, (1, 1), 1.0, sampling_ratio=2, aligned=flag)
        for flag in (False, True)
    )

    assert plain.item() == pytest.approx(4 + 20)
    assert aligned.item() == pytest.approx(3.5 + 15)
