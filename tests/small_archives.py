"""Archives built in memory, and what came out of them."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from pipeline.download.archives import keep_members


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tar_gz(
    *members: tuple[tarfile.TarInfo | str, bytes], layout: int = tarfile.GNU_FORMAT
) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=layout) as archive:
        for info, content in members:
            info = member(info) if isinstance(info, str) else info
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def pieces(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def keep(data: bytes | Iterable[bytes], wanted: set[str], folder: Path, **limits: int):
    chunks = pieces(data) if isinstance(data, bytes) else data
    return list(
        keep_members(chunks, lambda name: name if name in wanted else None, folder, **limits)
    )


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
