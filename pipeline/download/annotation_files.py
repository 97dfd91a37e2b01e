"""The annotation files of a dataset: fetched, checked, unpacked into one flat folder."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from pipeline.clips import is_safe_name
from pipeline.core.atomic import written_folder
from pipeline.core.progress import Progress
from pipeline.core.secrets import hide_secrets
from pipeline.download.archives import ARCHIVE_SUFFIXES, unpack
from pipeline.download.data_lock import DataLock, fetch_locked
from pipeline.download.http import RetryPolicy, open_client
from pipeline.download.transfer import hash_file
from pipeline.settings.sections import AnnotationFile
from pipeline.sources.clip_files import Transferred, is_address

SUMS = "SHA256SUMS"


def download_annotations(
    files: Iterable[AnnotationFile],
    raw: Path,
    *,
    policy: RetryPolicy,
    lock: DataLock,
    mirror: str | None = None,
) -> dict[str, float]:
    """Make the folder `raw` of all annotation files; return counts.

    Args:
        files: what to download; names must differ.
        raw: the folder.
        policy: how long to bear with a server.
        lock: the hashes of what was downloaded before.
        mirror: address that stands for `{mirror}`.

    Raises:
        ValueError: a file is not available, is not the pinned or locked one, or does not unpack.
    """
    fetched: dict[str, Transferred] = {}
    incoming = raw.with_name(f".{raw.name}.incoming")
    incoming.mkdir(parents=True, exist_ok=True)
    with (
        written_folder(raw) as folder,
        open_client(policy) as client,
        Progress(None, "download annotations", "B") as progress,
    ):
        for file in files:
            name = _name(file)
            if name in fetched:
                raise ValueError(f"annotation_files: found {name} twice, expected each name once")
            fetched[name] = _fetch(file, incoming / name, mirror, client, policy, lock, progress)
            if name.endswith(ARCHIVE_SUFFIXES):
                _unpack(incoming / name, folder)
            else:
                shutil.copyfile(incoming / name, folder / name)
        num_bytes = _write_sums(folder, fetched)
        num_files = len(list(folder.iterdir())) - 1
    # Kept until now: a killed job goes on in the middle of its file.
    shutil.rmtree(incoming)
    return {
        "fetched": len(fetched),
        "bytes_fetched": sum(one.bytes for one in fetched.values()),
        "files": num_files,
        "bytes": num_bytes,
    }


def _fetch(
    file: AnnotationFile,
    target: Path,
    mirror: str | None,
    client: httpx.Client,
    policy: RetryPolicy,
    lock: DataLock,
    progress: Progress,
) -> Transferred:
    if not is_address(file.url):
        return _copy(file, target)
    try:
        return fetch_locked(
            file.url,
            target,
            policy,
            lock,
            sha256=file.sha256,
            mirror=mirror,
            client=client,
            on_received=progress.advance,
        )
    except ValueError as error:
        raise ValueError(f"annotation_files: {error}") from None


def _copy(file: AnnotationFile, target: Path) -> Transferred:
    path = Path(file.url)
    if not path.is_file():
        raise ValueError(f"annotation_files: {path}: found no such file")
    shutil.copyfile(path, target)
    copied = hash_file(target)
    if file.sha256 not in (None, copied.sha256):
        raise ValueError(
            f"annotation_files: {path}: sha256 {copied.sha256} instead of {file.sha256}"
        )
    return copied


def _unpack(archive: Path, folder: Path) -> None:
    try:
        names = unpack(archive, folder)
    except ValueError as error:
        raise ValueError(f"annotation_files: {archive.name}: {error}") from None
    if not names:
        raise ValueError(f"annotation_files: {archive.name}: found no file in it that is new")


def _name(file: AnnotationFile) -> str:
    """Return the name to keep a file under: the given one, or the last part of its address."""
    path = urlsplit(file.url).path if is_address(file.url) else file.url
    name = file.name or unquote(path).rpartition("/")[2]
    if not is_safe_name(name) or name == SUMS:
        url = hide_secrets(file.url)
        raise ValueError(f"annotation_files: {url}: found name {name!r}, expected a file's")
    return name


def _write_sums(folder: Path, fetched: dict[str, Transferred]) -> int:
    """Write SHA256SUMS; return the bytes of all files in it.

    Archives stand there as comments: their hashes are what to pin in params.yaml.
    """
    lines, num_bytes = [], 0
    for name, one in sorted(fetched.items()):
        if name.endswith(ARCHIVE_SUFFIXES):
            lines.append(f"# {one.sha256}  {name}\n")
    for path in sorted(folder.iterdir()):
        one = hash_file(path)
        num_bytes += one.bytes
        lines.append(f"{one.sha256}  {path.name}\n")
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return num_bytes
