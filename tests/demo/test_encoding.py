import threading
from dataclasses import replace

import pytest

from pipeline.demo.ava import plan_ava
from pipeline.demo.encoding import CODECS, encode


@pytest.mark.parametrize("container", CODECS)
def test_a_busy_machine_writes_the_same_bytes(container):
    film = replace(plan_ava(700, "train", 1, 4)[0], container=container, seconds=2.0)
    quiet = encode(film)
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            sum(range(1000))

    busy = threading.Thread(target=disturb)
    busy.start()
    try:
        disturbed = encode(film)
    finally:
        done.set()
        busy.join()

    assert disturbed == quiet


def test_a_failing_ffmpeg_is_reported_with_its_reason():
    film = replace(plan_ava(700, "train", 1, 4)[0], size=(0, 0), seconds=0.5)

    with pytest.raises(OSError, match=f"{film.video_id}: ffmpeg failed: ."):
        encode(film)
