"""One process of a team that trains a small detector; `torchrun` starts it for a test.

Usage: team_member.py OUT BATCH_SIZE MICRO_BATCH_SIZE EPOCHS still|trained. Writes OUT/<rank>.json:
the loss of each step, the examples this process saw in each epoch, and a digest of the weights.
With `still`, batch norm is in evaluation mode and nothing is dropped, so that clips do not mix.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.augmentations import whole_frame
from pipeline.models.losses import BinaryCrossEntropy, LossSum
from pipeline.models.networks import ActionDetector, build_detector
from pipeline.models.slow_only import SlowOnly
from pipeline.settings.params import load_params
from pipeline.training.batches import Batch, Batches, Example, ExampleKey, Persons
from pipeline.training.loop import Task, train
from pipeline.training.processes import joined
from pipeline.training.state import SavedState

NUM_EXAMPLES = 11
ROOT = Path(__file__).resolve().parents[2]


class Noise:
    """A frame store whose clips are seeds."""

    def decode_into(self, frames: np.ndarray, clip: str, numbers: np.ndarray) -> None:
        draw = np.random.default_rng(json.loads(clip))
        frames[:] = draw.integers(0, 256, frames.shape, dtype=np.uint8)


class Squares(Batches[ExampleKey]):
    """Noise with one to three people; remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Noise())
        self.seen: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return NUM_EXAMPLES

    def clip_bytes(self) -> int:
        return 2 * 32 * 32 * 3

    def example(self, key: ExampleKey, /) -> Example:
        self.seen.setdefault(key.epoch, []).append(key.position)
        clip, size = json.dumps(key), (32, 32)
        return Example(key.position, clip, np.arange(2), size, whole_frame(size, 32))

    def persons(self, keys: Sequence[ExampleKey], _examples: Sequence[Example], /) -> Persons:
        boxes, labels = [], []
        for number, key in enumerate(keys):
            draw = np.random.default_rng(key)
            people = 1 + key.position % 3  # terms differ between processes
            corners = np.sort(draw.uniform(0, 32, (people, 2, 2)), axis=1).reshape(people, 4)
            boxes.append(np.concatenate([np.full((people, 1), number), corners], axis=1))
            labels.append(draw.random((people, 81)) < 0.1)
            labels[-1][:, 7] = True
        together = np.concatenate(boxes), np.concatenate(labels)
        return Persons(*(torch.from_numpy(each.astype(np.float32)) for each in together))


class FrozenNorm(nn.Module):
    """The detector with its batch norms in evaluation mode."""

    def __init__(self, detector: ActionDetector) -> None:
        super().__init__()
        self.detector = detector

    def train(self, mode: bool = True) -> "FrozenNorm":
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eval()
        return self

    def forward(self, clips: Tensor, boxes: Tensor) -> Tensor:
        logits: Tensor = self.detector(clips, boxes)
        return logits


def detector(norm: str) -> nn.Module:
    torch.manual_seed(0)
    dropout = 0.0 if norm == "still" else 0.3
    model = build_detector(lambda: SlowOnly((1, 1, 1, 1), 4), dropout=dropout)
    return FrozenNorm(model) if norm == "still" else model


def main(out: Path, batch_size: int, micro_batch_size: int, epochs: int, norm: str) -> None:
    torch.set_num_threads(1)
    model = detector(norm)
    settings = load_params(ROOT / "params.yaml").train("k700_8x8")
    settings = settings.model_copy(
        update={
            "epochs": epochs,
            "batch_size": batch_size,
            "micro_batch_size": micro_batch_size,
            "optimizer": "sgd",
            "learning_rate": 0.05,
            "learning_rate_batch": batch_size,
        }
    )
    examples, losses = Squares(), list[float]()

    def loss(model: nn.Module, batch: Batch) -> LossSum:
        return BinaryCrossEntropy()(model(batch.model_input(), batch.boxes), batch.labels)

    class Noted(SavedState):
        def after_step(self, *args: object) -> None:
            losses.append(args[2].losses[-1])

    with joined() as processes:
        task = Task("team", examples, loss, str)
        train(task, model, settings, Noted(None, "", 1e9), processes)
        weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
        found = {"losses": losses, "seen": examples.seen}
        found["weights"] = hashlib.sha256(weights).hexdigest()
        (out / f"{processes.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(value) for value in sys.argv[2:5]), sys.argv[5])
