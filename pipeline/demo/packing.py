"""Archives whose bytes depend on their contents alone: no clock, no owner, no machine."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

# The earliest moment a zip can hold; tar and gzip take 0.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of text files, in the given order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name, ZIP_EPOCH)
            member.external_attr = 0o644 << 16
            archive.writestr(member, text.encode(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def tarred(files: Mapping[str, bytes], level: int = 6) -> bytes:
    """A tar.gz of files, in the given order; `level` 1 for what does not shrink anyway."""
    packed = io.BytesIO()
    # The name in the gzip header stays empty, its time 0.
    with (
        gzip.GzipFile("", "wb", level, packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
