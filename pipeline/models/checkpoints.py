"""Read and write weights under the published names; reading never executes code.

A file is {"state_dict": ..., "meta": ...}. Published ones also carry objects of their training
framework: those known to be harmless are read as empty shells, anything else is refused by name.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.core.atomic import written
from pipeline.models.networks import ActionDetector
from pipeline.models.weight_files import load_safely, named_digits

BLOCK_BYTES = 1 << 20
CLASSIFIER_HEAD, DETECTOR_HEAD = "cls_head.", "roi_head."  # how the names of their weights begin


class Shell:
    """Replaces an object of a published file that we have no use for."""

    def __setstate__(self, state: object) -> None:
        """Forget what it held."""


def _nothing(owner: object, name: str) -> None:
    """Replaces `getattr`, by which such objects refer to their methods; looks nothing up."""


PASSED_OVER = {
    "mmengine.logging.history_buffer.HistoryBuffer": Shell,
    "builtins.getattr": _nothing,
}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state_dict of a checkpoint, on the CPU.

    Raises:
        ValueError: not a checkpoint, a compressed one, or one that holds objects we do not know.
    """
    content = _read(path)
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise ValueError(f"{path}: found no state_dict of tensors, expected a checkpoint")
    return dict(weights)


def read_meta(path: Path) -> dict[str, Any]:
    """Return what `write_weights` noted beside the weights; errors as in `read_weights`."""
    content = _read(path)
    meta = content.get("meta", {}) if isinstance(content, dict) else {}
    if not isinstance(meta, dict):
        raise ValueError(f"{path}: found meta of type {type(meta).__name__}, expected a dict")
    return dict(meta)


def _read(path: Path) -> object:
    _check_digits(path)
    return load_safely(path, "a checkpoint", allowed=_harmless(), stand_ins=PASSED_OVER)


def write_weights(path: Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a state_dict and what is known about it; equal content gives equal bytes."""
    state = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    save(path, {"state_dict": state, "meta": dict(meta)})


def save(path: Path, content: Mapping[str, Any], sealed: bool = False) -> None:
    """Write a file by `torch.save` that is there whole or not at all.

    Args:
        path: of the file.
        content: tensors and plain values.
        sealed: end the file with its checksum, which `torch.load` passes over.

    Raises:
        DiskFullError: there was no room; `path` is as it was.
    """
    # An open file: a path would be written into the archive as its name.
    with written(path) as temporary, temporary.open("wb+") as file:
        try:
            torch.save(content, file)
            if sealed:
                file.seek(0)
                file.write(hashlib.file_digest(file, "sha256").digest())
        except RuntimeError as error:
            # Torch's writer says only that a write failed; why stands in the error before it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def is_sealed(path: Path) -> bool:
    """Return whether a file ends with the checksum of all that stands before."""
    total = hashlib.sha256()
    left = path.stat().st_size - total.digest_size
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            total.update(block)
            left -= len(block)
        return left == 0 and file.read() == total.digest()


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Copy weights into a model; every name and shape must fit.

    Raises:
        ValueError: lists the missing, unexpected and misshapen names.
    """
    own = model.state_dict()
    wrong = [f"missing {name}" for name in own if name not in weights]
    wrong += [f"unexpected {name}" for name in weights if name not in own]
    wrong += [
        f"{name} of shape {list(weights[name].shape)} instead of {list(value.shape)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise ValueError(f"{where}: found {', '.join(wrong[:10])}{more}, expected all to fit")
    model.load_state_dict(dict(weights))


def load_backbone(backbone: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Copy the `backbone.*` part of the weights of a classifier or detector, without its head."""
    prefix = "backbone."
    own = {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
    known = (prefix, CLASSIFIER_HEAD, DETECTOR_HEAD)
    strangers = {n: v for n, v in weights.items() if not n.startswith(known)}
    load_weights(backbone, own | strangers, where)


def load_start(detector: ActionDetector, weights: Mapping[str, Tensor], where: str) -> None:
    """Start a detector from the weights of another one, or its backbone from a classifier's."""
    if any(name.startswith(DETECTOR_HEAD) for name in weights):
        load_weights(detector, weights, where)
    else:
        load_backbone(detector.backbone, weights, where)


def with_digits(path: Path) -> Path:
    """Name a file as published ones are: with the first eight hex digits of its sha256."""
    with path.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    return path.rename(path.with_name(f"{path.stem}-{digits}.pth"))


def _check_digits(path: Path) -> None:
    """A published file's name ends in the first eight hex digits of its sha256."""
    if (named := named_digits(path)) is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    if found != named:
        raise ValueError(f"{path}: found sha256 {found}..., expected {named} as its name says")


def _harmless() -> list[Any]:
    rebuild = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    arrays = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}]
    moved = [(rebuild, "numpy.core.multiarray._reconstruct")]
    moved += [(scalar, "numpy.core.multiarray.scalar")]
    return [*arrays, rebuild, scalar, *moved]
