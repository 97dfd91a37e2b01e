"""From videos to stills: cutting, decoding, the frame store."""
