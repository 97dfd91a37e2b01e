"""Break the published semantics on purpose, one place at a time, and see that a test notices.

`make mutations` copies the project, applies each mutation alone, runs the tests named beside it and
prints which test failed. It ends with 1 when a mutation survives or no longer applies.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Mutation(NamedTuple):
    """What is broken: the first `old` in `file` becomes `new`; `tests` must notice."""

    what: str
    file: str
    old: str
    new: str
    tests: str


MODEL, DATA, SCORE = "tests/models", "tests/training", "tests/test_score.py tests/evaluation"
MUTATIONS = [
    Mutation("batch norm eps", "models/slow_only.py", "eps=1e-5", "eps=1e-3", MODEL),
    Mutation("batch norm momentum", "models/slow_only.py", "momentum=0.1", "momentum=0.2", MODEL),
    Mutation(
        "stride of layer4",
        "models/slow_only.py",
        "time=3, stride=last_stride",
        "time=3, stride=2",
        MODEL,
    ),
    Mutation(
        "temporal kernels in layer2 too",
        "models/slow_only.py",
        "blocks[1], time=1",
        "blocks[1], time=3",
        MODEL,
    ),
    Mutation("RoIAlign not aligned", "models/roi_align.py", "/ stride - 0.5", "/ stride", MODEL),
    Mutation(
        "RoIAlign samples once a bin",
        "models/roi_align.py",
        "torch.ceil(bin_size)",
        "torch.ceil(bin_size).clamp(max=1)",
        MODEL,
    ),
    Mutation(
        "context before the box",
        "models/roi_head.py",
        "[crops_NCPP, around_BCPP[boxes_N5[:, 0].long()]]",
        "[around_BCPP[boxes_N5[:, 0].long()], crops_NCPP]",
        MODEL,
    ),
    Mutation(
        "mean over time for max", "models/roi_head.py", "torch.amax if", "torch.mean if", MODEL
    ),
    Mutation(
        "mean of the grid", "models/roi_head.py", ".amax(dim=(2, 3))", ".mean(dim=(2, 3))", MODEL
    ),
    Mutation("jitter bounds", "sampling.py", "// 2 - 1", "// 2", "tests/test_sampling.py"),
    Mutation(
        "frames start one late",
        "sampling.py",
        "range(-before * self.interval,",
        "range((1 - before) * self.interval,",
        "tests/test_sampling.py",
    ),
    Mutation(
        "no low-quality matching", "training/targets.py", "& (best >= MIN_IOU)", "& False", DATA
    ),
    Mutation(
        "proposals at IoU 0.5", "training/targets.py", "np.float32(0.9)", "np.float32(0.5)", DATA
    ),
    Mutation(
        "no weight decay on batch norms",
        "training/step.py",
        "    return torch.optim.SGD(\n"
        "        trained, lr=0.0, momentum=momentum, weight_decay=weight_decay, fused=True\n"
        "    )",
        "    groups = [\n"
        "        {'params': [p for p in trained if p.ndim > 1], 'weight_decay': weight_decay},\n"
        "        {'params': [p for p in trained if p.ndim <= 1], 'weight_decay': 0.0},\n"
        "    ]\n"
        "    return torch.optim.SGD(groups, lr=0.0, momentum=momentum)",
        f"{MODEL} {DATA}",
    ),
    Mutation(
        "warm-up from zero",
        "training/step.py",
        "WARMUP_START = 0.1",
        "WARMUP_START = 0.0",
        DATA,
    ),
    Mutation(
        "no clipping",
        "training/step.py",
        "not norm <= clip_norm",
        "not norm <= 1e9",
        f"{MODEL} {DATA}",
    ),
    Mutation(
        "focal weight without gradient",
        "models/losses.py",
        "(-terms).exp())",
        "(-terms.detach()).exp())",
        MODEL,
    ),
    Mutation(
        "column 0 trains",
        "models/losses.py",
        "logits_NK[labelled, 1:]",
        "logits_NK[labelled, :-1]",
        MODEL,
    ),
    Mutation(
        "boxes keep their place under a flip",
        "training/transforms.py",
        "values[:, 4:6], values[:, 6] > 0",
        "values[:, 4:6], values[:, 6] > 1",
        DATA,
    ),
    Mutation(
        "BGR statistics",
        "training/transforms.py",
        "(123.675, 116.28, 103.53)",
        "(103.53, 116.28, 123.675)",
        DATA,
    ),
    Mutation(
        "only sure proposals",
        "training/keyframe_index.py",
        "min(np.float32(min_score), scores.max())",
        "np.float32(min_score)",
        DATA,
    ),
    Mutation(
        "running figures of the last micro-batch",
        "training/step.py",
        "summed += buffer",
        "summed.copy_(buffer)",
        DATA,
    ),
    Mutation(
        "places at the limit",
        "evaluation/ranking.py",
        "limit - _count(better, starts)",
        "limit + _count(better, starts)",
        SCORE,
    ),
    Mutation(
        "IoU of just a half",
        "evaluation/matching.py",
        "(overlap >= HIT_IOU)",
        "(overlap > HIT_IOU)",
        SCORE,
    ),
    Mutation(
        "mmaction2's scores are no float32",
        "evaluation/matching.py",
        "if not rules.rounds_to_float32",
        "if True",
        SCORE,
    ),
    Mutation(
        "mmaction2's overlaps are no float32",
        "evaluation/matching.py",
        "number = np.float32 if rules.rounds_to_float32",
        "number = np.float64 if rules.rounds_to_float32",
        SCORE,
    ),
    Mutation(
        "mmaction2's ties as the official's",
        "evaluation/matching.py",
        "num_keyframes - 1 - keyframe",
        "num_keyframes - 1 + keyframe",
        SCORE,
    ),
]


def failed_test(mutation: Mutation, folder: Path) -> str | None:
    """Name of a test that notices the mutation in the copy at `folder`; None when none does."""
    path = folder / "pipeline" / mutation.file
    original = path.read_text(encoding="utf-8")
    if mutation.old not in original:
        raise ValueError(f"{mutation.what}: found no {mutation.old!r} in {path.name}, expected one")
    path.write_text(original.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *mutation.tests.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    path.write_text(original, encoding="utf-8")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed else None


def main() -> None:
    survived = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "copy"
        kept = ("pipeline", "tests", "params.yaml", "pyproject.toml")
        folder.mkdir()
        for name in kept:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        for mutation in MUTATIONS:
            found = failed_test(mutation, folder)
            survived += found is None
            sys.stdout.write(f"{mutation.what:40} {found or 'SURVIVED'}\n")
            sys.stdout.flush()
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
