"""Touch files of our own only: no link is followed, no pipe or device is waited for."""

import errno
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFileError(OSError):
    """A link, a pipe, a device or a folder lies where a file should."""

    def __init__(self, path: Path, mode: int) -> None:
        found = KINDS.get(stat.S_IFMT(mode), "something else")
        super().__init__(errno.EINVAL, f"found {found}, expected a regular file", str(path))


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; links to files are followed.

    Raises:
        NotAFileError: a pipe or a device, which may never end, or a folder.
    """
    return open(open_plain(path, os.O_RDONLY), "rb")


def open_plain(path: Path, flags: int) -> int:
    """Return a descriptor of a regular file, or of a folder if the flags ask for one.

    Raises:
        NotAFileError: something else lies there; a link, if the flags have O_NOFOLLOW.
    """
    try:
        # Not blocking: opening a pipe would wait for its other end.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENOTDIR):
            raise NotAFileError(path, path.lstat().st_mode) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not flags & os.O_DIRECTORY:
        os.close(descriptor)
        raise NotAFileError(path, mode)
    return descriptor


def clear_way(path: Path, want_folder: bool = False) -> None:
    """Delete what lies at a path of ours and is neither a plain file nor, if wanted, a folder.

    A link or a pipe under the name of a file that we are about to write was planted, or is the
    trace of another program; writing to a second name of a file would change that file.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    is_folder = stat.S_ISDIR(found.st_mode)
    is_plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
    if is_folder and not want_folder:
        shutil.rmtree(path)
    elif not (is_folder if want_folder else is_plain):
        path.unlink(missing_ok=True)


def own_temporary_folder() -> Path:
    """Return a folder in the system's temporary folder that nobody else can write to.

    Raises:
        ValueError: something of another user lies there.
    """
    path = Path(tempfile.gettempdir()) / f"ava-kinetics-{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no folder"
        raise ValueError(
            f"{path}: found {what} of user {found.st_uid}, expected a folder of our own; "
            "remove it, or name another temporary folder in TMPDIR"
        )
    path.chmod(0o700)
    return path
