"""A video under an HDR curve is mapped to an ordinary screen's brightness, and a note says so."""

import pytest
import simplejpeg

from pipeline.settings.sections import ExtractFrames
from pipeline.video.cutting import cut_clip
from pipeline.video.frame_store import FrameStoreWriter
from pipeline.video.shard_extraction import extract_clip
from tests.counter_videos import ffmpeg

# Ten-bit luma 424 is 0.411 of the range: 36.5 cd/m2 under PQ, 0.18 of paper white, shown as
# 255 * 0.18 ** (1 / 2.4) = 125. Luma 502 is one half: 1000 * (1 / 12) ** 1.2 = 50.7 cd/m2 in HLG,
# 0.25 of paper white, shown as 143.
CURVES = {"smpte2084": ("PQ", 424, 125), "arib-std-b67": ("HLG", 502, 143)}


@pytest.mark.parametrize("curve", CURVES)
def test_grey_keeps_its_brightness(tmp_path, curve):
    name, luma, expected = CURVES[curve]
    grey = f"color=s=64x64:r=30:d=0.5,format=yuv420p10le,geq=lum={luma}:cb=512:cr=512"
    tags = f"setparams=color_primaries=bt2020:color_trc={curve}:colorspace=bt2020nc"
    coder = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"]
    ffmpeg("-f", "lavfi", "-i", f"{grey},{tags}", *coder, tmp_path / "hdr.mp4")
    cut = cut_clip(tmp_path / "hdr.mp4", tmp_path, "clip", [(1, 3)], 0.0)
    settings = ExtractFrames(short_side_px=64, jpeg_quality=100)

    with FrameStoreWriter(tmp_path / "00.tar", tmp_path / "00.parquet") as store:
        report = extract_clip(cut, tmp_path, [1, 2, 3], store, settings)

    jpeg = (tmp_path / "00.tar").read_bytes()[512:]
    assert simplejpeg.decode_jpeg(jpeg).mean() == pytest.approx(expected, abs=2)
    assert (report.status, report.frames_stored) == ("ok", 3)
    assert report.reason == f"{name} brightness was mapped to an ordinary screen's"
