"""A server process whose every path misbehaves in its own way, and the table of what comes of it.

`python -m tests.hostile_mirror` serves until its input ends; `... table` prints the table, which
stands in docs/download.md.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tests.conftest import ROOT
from tests.hostile_answers import FILE
from tests.hostile_archives import ARCHIVES
from tests.hostile_files import FILES
from tests.hostile_server import hostile_server


@contextmanager
def hostile_mirror() -> Iterator[str]:
    """The address of a hostile mirror in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile_mirror"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()  # some of its answers would take long


def table() -> str:
    """Every behaviour with its outcome, as Markdown."""
    lines = ["| the host serves | outcome |", "| --- | --- |"]
    for each in FILES:
        said = FILE if each.outcome == FILE else f"no clip; `{each.outcome.strip()}…`"
        lines.append(f"| {each.does} | {said} |")
    lines += ["", "| the archive is | outcome |", "| --- | --- |"]
    lines += [f"| {each.does} | {each.outcome} |" for each in ARCHIVES]
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:] == ["table"]:
        sys.stdout.write(table())
        return
    with hostile_server() as server:
        server.answers |= {f"/{quote(each.name)}": each.answer for each in FILES}
        server.answers |= {f"/{each.name}.tar.gz": each.answer for each in ARCHIVES}
        for count in (1, 2, 3):  # where one of them redirects itself
            server.answers[f"/moved.mp4?{count}"] = server.answers["/moved.mp4"]
        sys.stdout.write(f"{server.base}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
