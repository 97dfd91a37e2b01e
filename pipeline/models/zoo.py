"""The backbones by their names in params.yaml; a new one is its file and a line in `BACKBONES`."""

from collections.abc import Callable

from pipeline.models.backbone import Backbone
from pipeline.models.fast_conv import use_fast_convolutions
from pipeline.models.slow_only import slowonly_r50, slowonly_tiny

BACKBONES: dict[str, Callable[[int], Backbone]] = {
    "slowonly_r50": slowonly_r50,
    "slowonly_tiny": slowonly_tiny,
}


def backbone(name: str, last_stride: int = 1) -> Backbone:
    """Return a backbone with fresh weights, in its fast form; ValueError names the known ones.

    Args:
        last_stride: spatial stride of the last stage: 1 for detectors, 2 for clip classifiers.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: found {name!r}, expected one of {list(BACKBONES)}")
    return use_fast_convolutions(BACKBONES[name](last_stride))
