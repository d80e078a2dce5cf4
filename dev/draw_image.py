"""Draw the image that vision models are asked about: a house, a tree and the sun, by arithmetic alone.

    python dev/draw_image.py suites/images/house.png

It is nobody's photograph, so it can go wherever the project goes. Its edge, 448 pixels, is the encoders' usual one.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from pathlib import Path

SIZE = 448
PALETTE = (
    (135, 196, 235),  # 0 sky
    (250, 214, 80),  # 1 sun
    (96, 160, 80),  # 2 hill
    (64, 128, 64),  # 3 meadow
    (224, 196, 160),  # 4 wall
    (168, 60, 48),  # 5 roof
    (104, 68, 40),  # 6 door, trunk
    (80, 120, 180),  # 7 window
    (40, 96, 48),  # 8 leaves
)


def colour(x: int, y: int) -> int:
    """The place in the palette of one pixel; what is in front comes first."""
    if 150 <= x < 300 and 240 <= y < 380:
        if 205 <= x < 245 and y >= 310:
            return 6
        if 265 <= y < 295 and (165 <= x < 195 or 255 <= x < 285):
            return 7
        return 4
    if 160 <= y < 240 and abs(x - 225) <= (y - 160) * 1.1:
        return 5
    if 356 <= x < 372 and 300 <= y < 380:
        return 6
    if (x - 364) ** 2 + (y - 262) ** 2 < 52**2:
        return 8
    if (x - 80) ** 2 + (y - 80) ** 2 < 40**2:
        return 1
    if y > 340:
        return 3
    return 2 if y > 270 + 40 * math.sin(x / 71) else 0


def rows() -> list[bytes]:
    """The picture, one byte a pixel."""
    return [bytes(colour(x, y) for x in range(SIZE)) for y in range(SIZE)]


def png() -> bytes:
    """The file; how well it is compressed may differ between versions of zlib, the picture does not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 3, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows())
    palette = bytes(part for entry in PALETTE for part in entry)
    body = chunk(b"IHDR", header) + chunk(b"PLTE", palette) + chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(png())
