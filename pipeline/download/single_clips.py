"""Fetch clips that are to be had one by one."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.clips import is_safe_name
from pipeline.download.download_job import DownloadJob, FileWatch
from pipeline.download.download_journal import Fetched, Refusal
from pipeline.download.local_files import take_local
from pipeline.download.sources import Found, Source, Span, WantedClip, expand, is_address
from pipeline.download.transfer import Transferred, transfer
from pipeline.download.transfer_error import TransferError
from pipeline.download.youtube_refusals import FINAL, sort_refusal


@dataclass(frozen=True)
class SingleClip:
    """A clip to fetch on its own: the first of `sources` that has it and gives it."""

    want: WantedClip
    sources: list[Source]


def fetch_single(job: DownloadJob, single: SingleClip) -> Fetched | str:
    """Fetch one clip; return its file, or why none of its sources gave one."""
    want = single.want
    if not (is_safe_name(want.clip) and is_safe_name(want.video_id)):
        return "not a name that can be a file's"
    reasons = []
    watch = job.watch()
    try:
        for source in single.sources:
            found = source.find(want)
            if found is None:
                reasons.append(f"not in {source.name}")
                continue
            try:
                return _fetch(job, want.clip, found, watch)
            except TransferError as error:
                reasons.append(error.reason)
    finally:
        watch.ended()
    return "; ".join(reasons)


def _fetch(job: DownloadJob, clip: str, found: Found, watch: FileWatch) -> Fetched:
    """Fetch a clip from the place that a source named."""
    # A local file is its owner's to change, and costs nothing to have again.
    earlier = job.earlier(clip, found.source) if is_address(found.source) else None
    if earlier is not None:
        return replace(earlier, offset_seconds=found.offset_seconds)
    path = Path("single", f"{clip}{found.suffix}")
    target = job.folder / path
    target.parent.mkdir(exist_ok=True)
    if found.page is not None and found.span is not None:
        got = _ask_youtube(job, clip, found, found.page, found.span, target)
        watch.received(got.bytes)
    elif is_address(found.source):
        got = transfer(
            job.client,
            expand(found.source, job.mirror),
            target,
            job.patience,
            sha256=job.lock.expected(found.source),
            identity=found.source,
            received=watch.received,
            opened=watch.opened,
        )
    else:
        got = take_local(Path(found.source), target)
        watch.received(got.bytes)
    row = Fetched(
        clip,
        str(path),
        got.bytes,
        got.sha256,
        found.source,
        found.offset_seconds,
        # YouTube codes its videos anew when it likes.
        address="" if found.page is not None else found.source,
    )
    job.note(row)
    return row


def _ask_youtube(
    job: DownloadJob, clip: str, found: Found, page: str, span: Span, target: Path
) -> Transferred:
    reason = job.journal.refused(clip, found.source)
    # Sorted again: an earlier version may have taken a passing trouble for a final word.
    if reason is not None and sort_refusal(reason) in FINAL:
        raise TransferError(reason, permanent=True)
    try:
        return job.youtube.fetch(expand(page, job.mirror), span, target)
    except TransferError as error:
        if error.permanent:
            job.journal.refuse(Refusal(clip, found.source, error.reason))
        raise
