"""The table of a download job, `videos/<job>.csv`, as the stages behind the download read it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.clips import is_safe_name
from pipeline.core.tables import MAKE_ANEW, read_table

COLUMNS = ("clip", "path", "status", "bytes", "sha256", "source", "offset_seconds", "reason")


def read_videos(path: Path, columns: Sequence[str] = COLUMNS) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; `offset_seconds` is a number where there is a file.

    Args:
        path: the table.
        columns: those that are needed.

    Raises:
        ValueError: not such a table.
    """
    for row in read_table(path, columns, exact=columns is COLUMNS):
        if row["status"] == "ok" and "path" in row:
            if not is_safe_name(row["path"]):
                raise ValueError(f"{path}: found path {row['path'][:80]!r}; {MAKE_ANEW}")
            try:
                row["offset_seconds"] = float(row["offset_seconds"])
            except ValueError:
                found = f"offset_seconds {row['offset_seconds'][:80]!r} of {row['clip'][:80]!r}"
                raise ValueError(f"{path}: found {found}; {MAKE_ANEW}") from None
        yield row
