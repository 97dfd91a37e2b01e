"""The device, its precision and its memory: set once, before a model is built."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

from pipeline.settings.sections import Optimisation, Precision

Model = TypeVar("Model", bound=nn.Module)


def set_up(threads: int, deterministic: bool, local_rank: int = 0) -> torch.device:
    """Fix the number of threads, on which sums of floats depend; return the device to use.

    Args:
        threads: of this process.
        deterministic: have a GPU repeat its bits, at some cost; a CPU always does.
        local_rank: number of this process on its machine, which is the number of its GPU.
    """
    torch.set_num_threads(threads)
    _keep_memory()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # "float32" shall mean it: the shortened TF32 would be chosen silently.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def prepared_model(
    build: Callable[[], Model], settings: Optimisation, local_rank: int = 0
) -> Model:
    """Return a model on the device that it trains on, with weights from the settings' seed.

    Args:
        build: makes the model; its backbone is called `backbone`.
        settings: of the optimisation.
        local_rank: as for `set_up`.
    """
    device = set_up(settings.threads, settings.deterministic, local_rank)
    torch.manual_seed(settings.seed)
    model = build().to(device)
    if settings.compile:
        compile_backbone(model.get_submodule("backbone"), device)
    return model


def in_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Run matrix products in bfloat16, or keep float32; sums and losses stay float32.

    Args:
        device: where the network runs.
        precision: `auto` is bfloat16 where the device multiplies it faster than float32.
    """
    if not takes_bfloat16(precision, device):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def takes_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Return whether `in_precision` runs products in bfloat16."""
    return precision == "bfloat16" or (precision == "auto" and _prefers_bfloat16(device))


def compile_backbone(backbone: nn.Module, device: torch.device) -> None:
    """Generate kernels for a backbone at its first use, which takes minutes.

    On a GPU they run as CUDA graphs where shapes allow it. The names of the weights stay.

    Raises:
        ValueError: the machine has no compiler for them, or one that would not find its headers.
    """
    variable, names = ("CC", ("cc", "gcc")) if device.type == "cuda" else ("CXX", ("c++", "g++"))
    named = os.environ.get(variable)
    if not any(map(shutil.which, (named,) if named else names)):
        raise ValueError(
            f"compile: found no {named or names[1]}, expected a compiler for generated kernels"
        )
    if device.type == "cpu" and " " in sys.prefix:
        raise ValueError(
            f"compile: found a space in {sys.prefix!r}, expected none: the library writes that "
            "path into the compiler's command"
        )
    backbone.compile(dynamic=False, mode="reduce-overhead" if device.type == "cuda" else None)


def _prefers_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _keep_memory() -> None:
    """Ask glibc to reuse the memory of large tensors instead of returning it at once.

    Otherwise every activation is mapped, faulted in and unmapped anew: a fifth of a small step.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # names of glibc's malloc.h
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)
