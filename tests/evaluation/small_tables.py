"""Small tables from rows (video, time, (x1, y1, x2, y2), action, score), and their score."""

import numpy as np
import pandas as pd

from pipeline.annotations.ava_csv import BOX, read_exclusions
from pipeline.evaluation.metrics import score_detections

FEW = {1: "bend/bow", 3: "crouch/kneel"}
WHOLE = (0.0, 0.0, 1.0, 1.0)


def as_table(rows):
    table = pd.DataFrame(
        {
            "video_id": pd.Series([row[0] for row in rows], dtype="str"),
            "timestamp": np.array([row[1] for row in rows], dtype=np.float64),
            "action_id": np.array([row[3] for row in rows], dtype=np.int64),
            "score": np.array([row[4] for row in rows], dtype=np.float64),
        }
    )
    table[BOX] = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)
    return table


def score(detections, ground_truth, protocol="official", classes=FEW):
    ground_truth_table = as_table(ground_truth).drop(columns="score")
    return score_detections(
        as_table(detections), ground_truth_table, read_exclusions(None), classes, protocol
    )
