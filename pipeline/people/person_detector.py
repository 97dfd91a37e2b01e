"""Detect persons in images with torchvision's Faster R-CNN (ResNet-50 FPN v2, trained on COCO).

H, W pixels  N boxes  K boxes of all levels of the feature pyramid  C channels

Source: torchvision `fasterrcnn_resnet50_fpn_v2`; weights at download.pytorch.org/models.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.download.data_lock import UNLOCKED, DataLock, fetch_locked
from pipeline.download.http import RetryPolicy
from pipeline.download.transfer import hash_file
from pipeline.models.vision import has_native_ops, import_torchvision
from pipeline.models.weight_files import BROKEN, load_safely, named_digits

logger = logging.getLogger(__name__)

PERSON = 1  # COCO's class number
NUM_CLASSES = 91  # COCO's, with background and the gaps in its numbering
THIS_DETECTOR = "this person detector"
SHORT_SIDE_PX = 800  # images are enlarged to this, as in training


def fetch_weights(address: str, sha256: str | None, lock: DataLock = UNLOCKED) -> Path:
    """Return the checkpoint at a path, or at an address: it is downloaded once, to torch's folder.

    Published names end in the first eight hex digits of the sha256: unless a hash is pinned, a file
    of such a name must have them. What lies beside torch's models is used when the pinned or the
    locked hash or those digits say that it is the right file, and else downloaded anew.

    Args:
        sha256: the pinned hash.

    Raises:
        ValueError: no such file, or not the one with this hash.
    """
    is_local = "://" not in address
    path = Path(address)
    if not is_local:
        path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    named = None if sha256 else named_digits(path)
    known = sha256 if is_local else sha256 or lock.expected(address)
    expected = [each for each in (known, named) if each]
    if is_local and not path.is_file():
        raise ValueError(f"detect_people.weights: found no file {path}")
    doubt = _mismatch(path, expected) if expected else "found no hash that vouches for it"
    if not is_local and (doubt or not path.is_file()):
        if path.is_file():
            logger.warning("%s: %s: not used, downloaded anew", path, doubt)
        _download(address, path, sha256, lock if known else UNLOCKED)
    if wrong := _mismatch(path, expected):
        if not is_local:
            path.unlink()
        raise ValueError(f"detect_people.weights: {path}: {wrong}")
    if not is_local and sha256 is None:
        lock.add({address: hash_file(path)})
    return path


def _download(address: str, path: Path, sha256: str | None, lock: DataLock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    policy = RetryPolicy(timeout_seconds=30.0, attempts=6)
    try:
        fetch_locked(address, path, policy, lock, sha256=sha256)
    except ValueError as error:
        raise ValueError(f"detect_people.weights: {error}") from None


def _mismatch(path: Path, expected: Sequence[str]) -> str:
    """Return what is wrong with a file that does not have these hashes, or first digits of them."""
    if not expected or not path.is_file():
        return ""
    found = hash_file(path).sha256
    wrong = [each for each in expected if not found.startswith(each)]
    return f"found sha256 {found}, expected {wrong[0]}" if wrong else ""


def load_detector(
    weights: Path, min_score: float, device: torch.device, short_side_px: int = SHORT_SIDE_PX
) -> nn.Module:
    """Return the detector, ready to be called.

    Args:
        weights: a state dict; nothing else in the file is run.
        min_score: boxes below are never returned.
        short_side_px: to which images are scaled, with a longer side of at most 5/3 of that.

    Raises:
        ValueError: not the weights of this detector.
    """
    content = load_safely(weights, f"weights of {THIS_DETECTOR}")
    import_torchvision()
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    if not has_native_ops():
        # Torchvision's own fallback compiles itself at first use, which takes a C++ compiler.
        vars(sys.modules["torchvision.ops.poolers"])["roi_align"] = align_rois
    detector: nn.Module = fasterrcnn_resnet50_fpn_v2(
        weights=None,
        weights_backbone=None,
        num_classes=NUM_CLASSES,
        min_size=short_side_px,
        max_size=short_side_px * 5 // 3,
        box_score_thresh=min_score,
    )
    try:
        detector.load_state_dict(content)
    except BROKEN as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{weights}: no weights of {THIS_DETECTOR}: {reason}") from None
    return detector.to(device).eval()


@torch.inference_mode()
def detect(
    detector: Callable[[list[Tensor]], list[dict[str, Tensor]]],
    images: Sequence[npt.NDArray[np.uint8]],
    min_side_px: int,
    device: torch.device,
) -> list[npt.NDArray[np.float64]]:
    """Return the persons in each image.

    Args:
        detector: as from `load_detector`; called with [3, H, W] tensors of 0..1.
        images: [H, W, 3] RGB each, of any size.
        min_side_px: boxes with a shorter side are left out.

    Returns: for each image [N, 5]: x1, y1, x2, y2 as fractions of W and H, score; best first.
    """
    tensors = [torch.from_numpy(image).to(device).permute(2, 0, 1) / 255 for image in images]
    persons = []
    for image, found in zip(images, detector(tensors), strict=True):
        boxes = found["boxes"].double().cpu().numpy()
        scores = found["scores"].double().cpu().numpy()
        sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
        wanted = (found["labels"].cpu().numpy() == PERSON) & (sides >= min_side_px)
        height, width, _ = image.shape
        fractions = boxes[wanted] / [width, height, width, height]
        rows = np.column_stack([fractions.clip(0, 1), scores[wanted]])
        persons.append(rows[np.argsort(-rows[:, 4], kind="stable")])
    return persons


def align_rois(
    features_BCHW: Tensor,
    boxes_K5: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool = False,
) -> Tensor:
    """torchvision's `roi_align` for a fixed number of points per cell, from plain torch.

    Args:
        boxes_K5: number of the image in the batch, x1, y1, x2, y2 in pixels of the image.
        sampling_ratio: points per cell and direction, at least 1.

    Returns: [K, C, *output_size] mean over each cell's points.
    """
    height, width = features_BCHW.shape[2:]
    shift = 0.5 if aligned else 0.0
    corners = boxes_K5[:, 1:] * spatial_scale - shift
    sides = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sides = sides.clamp(min=1.0)
    rows, columns = (size * sampling_ratio for size in output_size)
    y = corners[:, 1:2] + sides[:, 1:2] * _middles(rows, features_BCHW)
    x = corners[:, 0:1] + sides[:, 0:1] * _middles(columns, features_BCHW)
    # grid_sample counts from -1 to 1 between the middles of the outermost cells.
    grid_K_rows_columns_2 = torch.stack(
        [
            (2 * x / max(width - 1, 1) - 1)[:, None, :].expand(-1, rows, -1),
            (2 * y / max(height - 1, 1) - 1)[:, :, None].expand(-1, -1, columns),
        ],
        dim=-1,
    )
    pooled = features_BCHW.new_zeros(len(boxes_K5), features_BCHW.shape[1], *output_size)
    tensors = boxes_K5[:, 0].long()
    for image in range(len(features_BCHW)):
        mine = torch.nonzero(tensors == image)[:, 0]
        for first in range(0, len(mine), 128):  # bounds the memory
            part = mine[first : first + 128]
            grid = grid_K_rows_columns_2[part].reshape(1, -1, columns, 2)
            sampled = nn.functional.grid_sample(
                features_BCHW[image][None], grid, padding_mode="border", align_corners=True
            )
            cells = nn.functional.avg_pool2d(sampled, sampling_ratio)[0]
            cells_CKhw = cells.reshape(len(cells), len(part), *output_size)
            pooled[part] = cells_CKhw.transpose(0, 1)
    return pooled


def _middles(count: int, like: Tensor) -> Tensor:
    """Return [1, count] middles of `count` equal intervals of 0..1."""
    return ((torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count)[None]
