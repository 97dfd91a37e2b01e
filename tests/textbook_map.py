"""AVA frame mAP as a textbook would write it: one row at a time, no numpy, no speed.

Claims the protocols `official` (max_rows=50) and `uncapped`, without exclusions.
"""

import math


def textbook_map(detections, ground_truth, classes, max_rows=None):
    """(mAP, {action: AP}) of rows (video, time, (x1, y1, x2, y2), action, score or None)."""
    keyframes = {row[:2] for row in ground_truth}
    found = [row for row in detections if row[3] in classes and row[:2] in keyframes]
    found = [row for row in limited(best_first(found), max_rows) if has_area(row[2])]
    per_class = {}
    for action in classes:
        boxes = [row for row in ground_truth if row[3] == action]
        flags = hits([row for row in found if row[3] == action], boxes)
        per_class[action] = average_precision(flags, len(boxes))
    known = [ap for ap in per_class.values() if not math.isnan(ap)]
    return (sum(known) / len(known) if known else math.nan), per_class


def best_first(rows):
    return sorted(rows, key=lambda row: (-row[4], row[0], row[1], reading(row[2]), row[3]))


def reading(box):
    return (box[1], box[0], box[3], box[2])


def has_area(box):
    return box[2] > box[0] and box[3] > box[1]


def limited(ranked, max_rows):
    used = {}
    for row in ranked:
        used[row[:2]] = used.get(row[:2], 0) + 1
        if max_rows is None or used[row[:2]] <= max_rows:
            yield row


def hits(ranked, boxes):
    taken, flags = {None}, []
    for row in ranked:
        here = [i for i, other in enumerate(boxes) if other[:2] == row[:2]]
        here.sort(key=lambda i: (-iou(row[2], boxes[i][2]), reading(boxes[i][2]), i))
        best = here[0] if here and iou(row[2], boxes[here[0]][2]) >= 0.5 else None
        flags.append(best not in taken)
        taken.add(best)
    return flags


def iou(a, b):
    width, height = (max(0.0, min(a[n + 2], b[n + 2]) - max(a[n], b[n])) for n in (0, 1))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def average_precision(flags, num_ground_truth):
    precision = [sum(flags[: n + 1]) / (n + 1) for n in range(len(flags))]
    area = sum(max(precision[n:]) for n, hit in enumerate(flags) if hit)
    return area / num_ground_truth if num_ground_truth else math.nan
