"""Torchvision, also beside a CPU-only torch.

PyPI's torchvision is built for CUDA torch. Beside the CPU wheel its compiled operators do not load
and the import stops at "operator torchvision::nms does not exist", because it describes operators
that nobody has defined. Defining the two it names lets the import pass; an own `nms` then makes
the person detectors work. Nothing is touched where torchvision imports by itself.
"""

import functools
import importlib
from types import ModuleType

import torch
from torch import Tensor

_MISSING = "operator torchvision::nms does not exist"
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # a definition lives as long as its library object


@functools.cache
def import_torchvision() -> ModuleType:
    """The torchvision module, with a CPU `nms` of our own where the compiled one is missing."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    library.define("nms" + _SCHEMA)  # type: ignore[no-untyped-call]
    library.define("qnms" + _SCHEMA)  # type: ignore[no-untyped-call]
    library.impl("nms", non_maximum_suppression, "CPU")  # type: ignore[no-untyped-call]
    _libraries.append(library)
    torchvision = importlib.import_module("torchvision")
    extension = importlib.import_module("torchvision.extension")
    # ops.nms refuses to run unless the extension says it loaded.
    vars(extension)["_has_ops"] = lambda: True
    return torchvision


def has_native_ops() -> bool:
    """Return whether torchvision's compiled operators are there, and not only our stand-in."""
    import_torchvision()
    return not _libraries


def non_maximum_suppression(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the best of every group of overlapping boxes.

    Args:
        boxes: [N, 4] corners x1, y1, x2, y2.
        scores: [N]
        iou_threshold: a box that overlaps a better kept one by more than this goes.

    Returns: [M] int64 positions of the kept boxes, best first; equal scores keep their order.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    corners, area = boxes[order], (boxes[order, 2:] - boxes[order, :2]).prod(dim=1)
    alive = torch.ones(len(order), dtype=torch.bool)
    for best in range(len(order)):
        if not alive[best]:
            continue
        top_left = torch.maximum(corners[best, :2], corners[best + 1 :, :2])
        bottom_right = torch.minimum(corners[best, 2:], corners[best + 1 :, 2:])
        overlap = (bottom_right - top_left).clamp(min=0).prod(dim=1)
        union = area[best] + area[best + 1 :] - overlap
        alive[best + 1 :] &= ~(overlap > iou_threshold * union)
    return order[alive]
