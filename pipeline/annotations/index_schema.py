"""The columns of an index file, which merging writes and training and evaluation read."""

import pyarrow as pa

INDEX_SCHEMA = pa.schema(
    {
        "subset": pa.string(),
        "video_id": pa.string(),
        "timestamp": pa.float64(),
        "clip": pa.string(),
        "shard": pa.string(),
        "frame": pa.int32(),  # not clipped: 0 at a clip's start, beyond the end of a short one
        "last_frame": pa.int32(),
        "width": pa.int32(),
        "height": pa.int32(),
        "boxes": pa.list_(pa.float64()),
        "labels": pa.list_(pa.list_(pa.int16())),
        "proposals": pa.list_(pa.float64()),
    }
)
