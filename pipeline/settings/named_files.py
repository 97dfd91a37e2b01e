"""Local files and folders that params.yaml names; they are looked for before the first job."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.settings.checks import Keys, Mistake
from pipeline.settings.params import Params
from pipeline.sources.clip_files import is_address
from pipeline.sources.folder import FolderSource


def missing_files(params: Params) -> Iterator[Mistake]:
    """Yield the files of a dataset that are not there; addresses are not asked."""
    dataset: Keys = ("datasets", params.dataset)
    for number, file in enumerate(params.data.annotation_files):
        yield from _missing((*dataset, "annotation_files", number, "url"), file.url)
    for name, source in params.data.pretrained.items():
        yield from _missing((*dataset, "pretrained", name, "checkpoint"), source.checkpoint)
    for number, subset in enumerate(params.data.subsets):
        for order, each in enumerate(subset.sources):
            if isinstance(each, FolderSource) and not Path(each.path).is_dir():
                keys = (*dataset, "subsets", number, "sources", order, "path")
                yield Mistake(keys, f"found no folder {each.path!r}, expected one with videos")
    if any(subset.proposals == "detect" for subset in params.data.subsets):
        yield from _missing(("detect_people", "weights"), params.detect_people.weights)
    yield from _missing(("download", "youtube", "cookies"), params.download.youtube.cookies)


def _missing(keys: Keys, name: str | None) -> Iterator[Mistake]:
    if name is not None and not is_address(name) and not Path(name).is_file():
        yield Mistake(keys, f"found no file {name!r}, expected one")
