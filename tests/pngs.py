"""PNG files of every kind, also those that Pillow does not write."""

import struct
import zlib
from pathlib import Path

import numpy as np

GREY, COLOUR, PALETTE = 0, 2, 3


def write(path: Path, pixels: np.ndarray, *, depth: int, kind: int, palette: bytes = b"") -> None:
    """Pixels, (h, w) or (h, w, 3), with `depth` bits per channel."""
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    if depth == 16:
        rows = flat.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if palette:
        chunks.append((b"PLTE", palette))
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
