"""From videos to stored frames: decoding, cutting, the frame store."""
