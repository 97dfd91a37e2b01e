"""Make csv files of ground truth and detections, of the size of AVA's validation split."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from pipeline.annotations.class_list import read_class_list
from pipeline.evaluation.annotated_keyframes import Bools, Floats, Ints

Names = npt.NDArray[np.str_]
Random = np.random.Generator

NUM_VIDEOS, FIRST_SECOND, LAST_SECOND = 64, 902, 1798
KEYFRAMES_WITH_PEOPLE = 0.87
PEOPLE_PER_KEYFRAME = 0.98  # beyond the first
ACTIONS_PER_PERSON = 2.45
FALSE_BOXES_PER_KEYFRAME = 0.45
CHUNK = 20_000  # boxes whose rows are in memory at once


def write_files(
    folder: Path,
    labels: Path,
    seed: int = 0,
    num_videos: int = NUM_VIDEOS,
    false_boxes: float = FALSE_BOXES_PER_KEYFRAME,
    detectors: Sequence[str] = ("first", "second"),
) -> list[Path]:
    """Write `truth.csv` and each detector's file, such as `first.csv`; returns their paths.

    Every detected box has a score for every class: 6.8 million rows of 4 decimals, many of them
    equal, keyframe by keyframe.

    Args:
        false_boxes: detected boxes of a keyframe, on average, that no person is in.
    """
    ids = np.array(sorted(read_class_list(labels)))
    random = np.random.default_rng(seed)
    videos = np.array([f"made-{number:06d}" for number in random.permutation(num_videos)])
    seconds = np.arange(FIRST_SECOND, LAST_SECOND + 1)
    keyframe = np.flatnonzero(random.random(num_videos * len(seconds)) < KEYFRAMES_WITH_PEOPLE)
    keyframe = np.repeat(keyframe, 1 + random.poisson(PEOPLE_PER_KEYFRAME, len(keyframe)))
    boxes = _boxes(len(keyframe), random)
    prior = np.geomspace(0.6, 2e-4, len(ids))[random.permutation(len(ids))]
    prior *= ACTIONS_PER_PERSON / prior.sum()
    acts = random.random((len(keyframe), len(ids))) < prior
    paths = [folder / f"{name}.csv" for name in ("ground_truth", *detectors)]
    person, action = np.nonzero(acts)
    at, box = keyframe[person], boxes[person]
    _write(paths[0], [_columns(videos, seconds, at, box, ids[action], _texts(person, 0))])
    for path in paths[1:]:
        found = _detected(keyframe, boxes, acts, false_boxes, random)
        parts = np.array_split(np.arange(len(found[0])), len(found[0]) // CHUNK + 1)
        _write(path, (_scored(videos, seconds, ids, prior, found, part, random) for part in parts))
    return paths


def _boxes(number: int, random: Random) -> Floats:
    start = random.uniform(0, 0.6, (number, 2))
    return np.hstack([start, start + random.uniform(0.1, 0.4, (number, 2))])


def _detected(
    keyframe: Ints, boxes: Floats, acts: Bools, false_boxes: float, random: Random
) -> tuple[Ints, Floats, Bools]:
    """Keyframe, box and true actions of each detected box, keyframe by keyframe."""
    seen = np.flatnonzero(random.random(len(boxes)) < 0.92)
    shaken = boxes[seen] + random.normal(0, 0.015, (len(seen), 4))
    known = np.unique(keyframe)
    false = np.repeat(known, random.poisson(false_boxes, len(known)))
    at = np.concatenate([keyframe[seen], false])
    box = np.vstack([shaken, _boxes(len(false), random)])
    true = np.vstack([acts[seen], np.zeros((len(false), acts.shape[1]), dtype=bool)])
    order = np.argsort(at, kind="stable")
    return at[order], np.clip(box[order], 0, 1), true[order]


def _scored(
    videos: Names,
    seconds: Ints,
    ids: Ints,
    prior: Floats,
    found: tuple[Ints, Floats, Bools],
    part: Ints,
    random: Random,
) -> pa.Table:
    at, box, true = found[0][part], found[1][part], found[2][part]
    logit = np.log(prior) + random.normal(0, 1.2, true.shape)
    logit += true * random.uniform(0, 4, true.shape)
    score = np.rint(1e4 / (1 + np.exp(-logit))).astype(np.int64).ravel()
    rows = np.repeat(np.arange(len(part)), len(ids))
    action = np.tile(ids, len(part))
    return _columns(videos, seconds, at[rows], box[rows], action, _texts(score, 4))


def _columns(
    videos: Names, seconds: Ints, keyframe: Ints, box: Floats, action: Ints, last: pa.Array
) -> pa.Table:
    time = pa.array([f"{second:04d}" for second in seconds])
    columns = [
        pa.array(videos).take(pa.array(keyframe // len(seconds))),
        time.take(pa.array(keyframe % len(seconds))),
        *(_texts(np.rint(corner * 1000).astype(np.int64), 3) for corner in box.T),
        pa.array(action),
        last,
    ]
    return pa.table(columns, names=[str(number) for number in range(len(columns))])


def _texts(numbers: Ints, decimals: int) -> pa.Array:
    """Return whole numbers as text with so many of their digits behind a point."""
    if decimals == 0:
        return pa.array(numbers)
    unit = 10**decimals
    texts = [f"{number // unit}.{number % unit:0{decimals}d}" for number in range(unit + 1)]
    return pa.array(texts).take(pa.array(numbers))


def _write(path: Path, tables: Iterable[pa.Table]) -> None:
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    with open(path, "wb") as file:
        for table in tables:
            arrow_csv.write_csv(table, file, options)
