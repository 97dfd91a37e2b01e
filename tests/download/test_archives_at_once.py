"""Archives are read side by side, as many as there are connections."""

import threading
from pathlib import Path

from pipeline.download.http import RetryPolicy
from pipeline.download.job_context import DownloadLimits
from tests.download_world import QUICK, World, video
from tests.hostile_server import hostile_server
from tests.small_archives import tar_gz

# Only what never comes is waited for so long.
GIVE_UP_SECONDS = 60.0


def test_two_archives_are_open_at_once(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    world.limits = DownloadLimits(RetryPolicy(GIVE_UP_SECONDS * 2, 1), 2, QUICK, 100)
    world.want("0", "1", shard="")
    both = threading.Barrier(2, timeout=GIVE_UP_SECONDS)
    met: list[str] = []

    def answer(handler, count):
        content = tar_gz((f"{handler.path[1]}.mp4", video(handler.path[1])))
        handler.reply(200, content[:100], announced=len(content))
        handler.wfile.flush()
        both.wait()  # in the middle of each of them, or never
        met.append(handler.path)
        handler.wfile.write(content[100:])

    with hostile_server() as server:
        paths = ["/0.tar.gz", "/1.tar.gz"]
        server.answers |= dict.fromkeys(paths, answer)
        (world.raw / "paths.txt").write_text("".join(f"{server.base}{path}\n" for path in paths))
        world.sources.append({"kind": "archives", "list": "paths.txt"})
        counts = world.download()

    assert sorted(met) == paths
    assert (counts["clips"], counts["archives_broken"]) == (2, 0)
    assert world.files == {f"{name}.mp4": video(name) for name in "01"}
