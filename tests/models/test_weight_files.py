"""No file of weights, whoever reads it, unfolds to more than its own size."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from pipeline.models.checkpoints import read_weights, write_weights
from pipeline.people.person_detector import load_detector


def read_detector(path: Path) -> object:
    return load_detector(path, 0.5, torch.device("cpu"))


READERS = [read_weights, read_detector]


@pytest.mark.parametrize("read", READERS)
def test_compressed_weights_are_refused_before_they_are_unfolded(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    write_weights(tmp_path / "plain.pt", {"a": torch.zeros(1_000_000)}, {})
    bomb = tmp_path / "bomb.pt"
    with ZipFile(tmp_path / "plain.pt") as plain, ZipFile(bomb, "w", ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))

    with pytest.raises(ValueError, match=r"bomb\.pt: '.*' is compressed, expected [^\n]*$"):
        read(bomb)


@pytest.mark.parametrize("read", READERS)
def test_members_that_share_their_bytes_are_refused_before_they_are_unfolded(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    weights = {f"w{number}": torch.full((100_000,), float(number)) for number in range(8)}
    write_weights(tmp_path / "plain.pt", weights, {})
    bomb = tmp_path / "bomb.pt"
    with ZipFile(tmp_path / "plain.pt") as plain, ZipFile(bomb, "w") as archive:
        first = None
        for member in plain.infolist():
            if first is not None and member.file_size == first.file_size:
                again = copy(first)
                again.filename = member.filename
                archive.filelist.append(again)
                continue
            archive.writestr(member.filename, plain.read(member))
            if "/data/" in member.filename:
                first = archive.infolist()[-1]

    with pytest.raises(ValueError, match=r"bomb\.pt: found members of 32\d+ bytes in a file of 40"):
        read(bomb)
