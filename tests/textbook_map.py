"""AVA frame mAP as a textbook would write it: one row at a time, no numpy, no speed.

The property tests compare the columnar version with this one.
"""

import math


def textbook_map(detections, truth, classes, max_rows=None):
    """(mAP, {action: AP}) of rows (video, time, (x1, y1, x2, y2), action, score or None)."""
    keyframes = {(video, time) for video, time, *_ in truth}
    people = [row for row in truth if row[3] in classes]
    found = [row for row in detections if row[3] in classes and (row[0], row[1]) in keyframes]
    found.sort(key=lambda row: (-row[4], row[0], row[1], reading(row[2]), row[3]))
    found = [row for row in limited(found, max_rows) if has_area(row[2])]
    per_class = {}
    for action in classes:
        ranked = [row for row in found if row[3] == action]
        boxes = [row for row in people if row[3] == action]
        per_class[action] = average_precision(hits(ranked, boxes), len(boxes))
    known = [ap for ap in per_class.values() if not math.isnan(ap)]
    return (sum(known) / len(known) if known else math.nan), per_class


def reading(box):
    x1, y1, x2, y2 = box
    return (y1, x1, y2, x2)


def has_area(box):
    return box[2] > box[0] and box[3] > box[1]


def limited(ranked, max_rows):
    used = {}
    for row in ranked:
        used[row[:2]] = used.get(row[:2], 0) + 1
        if max_rows is None or used[row[:2]] <= max_rows:
            yield row


def hits(ranked, boxes):
    taken, flags = set(), []
    for video, time, box, *_ in ranked:
        here = [i for i, other in enumerate(boxes) if other[:2] == (video, time)]
        here.sort(key=lambda i: (-iou(box, boxes[i][2]), reading(boxes[i][2]), i))
        best = here[0] if here and iou(box, boxes[here[0]][2]) >= 0.5 else None
        flags.append(best is not None and best not in taken)
        taken.add(best)
    return flags


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def average_precision(flags, num_truth):
    if num_truth == 0:
        return math.nan
    precision = [sum(flags[: n + 1]) / (n + 1) for n in range(len(flags))]
    return sum(max(precision[n:]) for n, hit in enumerate(flags) if hit) / num_truth
