"""What is wrong with the demo's mirrors, as with the real ones: files lost, cut short, spoilt.

Faults go to fixed places in the order of planning: a small world keeps most of its videos whole.
"""

import numpy as np

from pipeline.demo.programme import seeded

NOT_A_VIDEO = b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"
# Position in the AVA training list: what happened. All three are mkv or lost altogether.
AVA_FAULTS = {1: "missing", 2: "truncated", 7: "corrupt"}
# Positions in the Kinetics training list; and one clip of the validation list.
KINETICS_FAULTS = {4: "missing", 6: "corrupt", 33: "not a video"}
KINETICS_VAL_FAULTS = {7: "missing"}


def spoil(content: bytes, fault: str | None, seed: int) -> bytes | None:
    """The file as the mirror has it: None when it is missing there."""
    if fault is None:
        return content
    if fault == "missing":
        return None
    if fault == "truncated":
        return content[: len(content) * 6 // 10]
    if fault == "not a video":
        return NOT_A_VIDEO
    assert fault == "corrupt", fault
    garbage = seeded(seed, "garbage").integers(0, 256, len(content) // 8, np.uint8).tobytes()
    start = len(content) // 2
    return content[:start] + garbage + content[start + len(garbage) :]
