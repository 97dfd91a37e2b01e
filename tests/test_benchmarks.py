"""What the benchmarks compare, and how; never how fast anything is."""

from pathlib import Path

import pytest
import simplejpeg
import torch

from benchmarks import feeding, scale_curves, waiting
from benchmarks.made_frames import write_clips
from benchmarks.model import Batch, equal_networks, refuse_difference
from benchmarks.rows import Row, compared, in_turn, markdown, quickest, table
from benchmarks.scale_costs import GROWTHS, Curve
from pipeline.models.augmentations import scale_crop_flip
from pipeline.models.networks import build_detector
from pipeline.models.slow_only import slowonly_tiny
from pipeline.sampling import Sampling
from pipeline.training.keyframe_dataset import TrainingKeyframes
from pipeline.video.frame_store import FrameStore


@pytest.mark.parametrize(("most", "met"), [(1.5, True), (1.4, False)])
def test_ratio_is_that_of_the_quickest_turns(most: float, met: bool) -> None:
    row = compared("work", "peer", "CPU s", [3.0, 4.0, 9.0], [6.0, 4.0, 2.0], at_most=most)

    assert (row.ours, row.theirs, row.ratio) == (3.0, 2.0, 1.5)
    assert row.spread == (0.5, 4.5)
    assert row.met is met


def test_the_quickest_turn_of_a_rate_is_the_highest() -> None:
    row = compared("work", "peer", "clips/s", [3.0, 4.0], [2.0, 1.0], at_least=2.0)

    assert (row.ours, row.theirs, row.ratio, row.met) == (4.0, 2.0, 2.0, True)


def test_short_work_is_called_more_often() -> None:
    times = iter([3.0, 1.0, 2.0, 9.0])

    assert quickest(lambda: next(times), calls=3)() == 1.0
    assert next(times) == 9.0


@pytest.mark.parametrize(("least", "met"), [(2.0, True), (2.1, False)])
def test_goal_can_be_a_least_ratio(least: float, met: bool) -> None:
    assert compared("work", "peer", "clips/s", [4.0], [2.0], at_least=least).met is met


def test_contenders_take_turns_after_a_call_that_does_not_count() -> None:
    calls: list[str] = []

    def contender(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    measured = in_turn({"a": lambda: contender("a"), "b": lambda: contender("b")}, turns=2)

    assert calls == ["a", "b"] * 3
    assert measured == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_row_that_was_not_measured_is_shown_empty() -> None:
    line = table([Row("a step", note="no GPU")]).splitlines()[1]

    assert " ".join(line.split()) == "a step no GPU"


def test_docs_show_ratios_and_no_times() -> None:
    row = compared("work", "peer", "CPU s", [1.25], [5.0], at_most=0.3)

    assert markdown([row]).splitlines()[2] == "| work | peer | 0.25 | <= 0.3: met |  |"


@pytest.fixture(scope="module")
def networks() -> tuple[torch.nn.Module, torch.nn.Module]:
    return equal_networks((1, 1, 1, 1), width=8, head={"context": True})


def test_yardstick_is_the_same_network(networks: tuple[torch.nn.Module, torch.nn.Module]) -> None:
    assert refuse_difference(*networks, Batch(2, 4, 32)) < 1e-4


def test_unlike_networks_are_not_compared(
    networks: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    ours, plain = networks
    with torch.no_grad():
        ours.get_parameter("backbone.layer4.0.conv1.conv.weight").mul_(1.01)

    with pytest.raises(RuntimeError, match="outputs differ by"):
        refuse_difference(ours, plain, Batch(2, 4, 32))


def test_made_stills_are_coded_as_those_of_films(tmp_path: Path) -> None:
    write_clips(tmp_path, 1, 340, 256)
    files = sorted((tmp_path / "files").rglob("*.jpg"))
    ours = FrameStore(tmp_path / "store").jpeg("clip000", 1)
    theirs = [file.read_bytes() for file in files]

    assert {simplejpeg.decode_jpeg_header(image)[2:] for image in [ours, *theirs]} == {
        ("YCbCr", "420")
    }
    assert 15_000 < len(ours) < 23_000
    assert 17_000 < sum(map(len, theirs)) / len(theirs) < 27_000


def test_a_worker_is_measured_from_batch_to_batch_once_it_is_warm() -> None:
    cold = [0] * (feeding.WARM_BATCHES + 1)
    starts = [*cold, 50_000_000, 80_000_000, 120_000_000]

    assert feeding.seconds_a_batch(lambda: starts)() == pytest.approx(0.03)


def test_fed_training_is_measured_turn_by_turn(tmp_path: Path) -> None:
    index = write_clips(tmp_path, 2, 64, 48)
    store = FrameStore(tmp_path / "store")
    dataset = TrainingKeyframes(
        index, store, Sampling(4, 16), 0, scale_crop_flip((32, 40), 32), 32, 0.9
    )
    model = build_detector(slowonly_tiny).train()

    fed, staying = waiting.measure(
        model, dataset, torch.device("cpu"), workers=0, warm_up=2, micro_batches=2, turns=2
    )

    assert len(fed) == len(staying) == 2
    assert min(fed + staying) > 0


@pytest.mark.parametrize(("costs", "power"), [([1, 3, 9], 1.0), ([1, 9, 81], 2.0), ([5, 5, 5], 0)])
def test_exponent_tells_a_line_from_a_square(costs: list[float], power: float) -> None:
    curve = Curve("clips", "list_clips", "CPU s", [1, 3, 9], costs)

    assert scale_curves.exponent(curve) == pytest.approx(power)


def test_everything_that_grows_has_its_panel_and_its_rows() -> None:
    curves = [Curve(grows, "a step", "CPU s", [1, 3, 10], [2, 3, 8]) for grows in GROWTHS]

    titles = [axes.get_title() for axes in scale_curves.draw(curves).axes]

    assert titles == [*scale_curves.TITLES.values(), ""]
    rows = scale_curves.table(curves).splitlines()[2:]
    assert rows[0] == "| clips | 1 - 10 | a step | CPU time | 4 | 0.81 |"
    assert len(rows) == len(GROWTHS)
