"""Header and metadata bombs: how long it takes to refuse them, and what memory it takes.

Files of at most 100 kB whose headers declare up to 100,000 x 100,000 pixels, or whose metadata unpacks to
50 MB, looked at as validate does. Prints the median and the longest of `--runs` in milliseconds, and by how
much the process has grown in all.

Run: python -m benchmarks.bombs [--runs 50]
"""

import argparse
import resource
import statistics
import struct
import time
import zlib

from pipeline.images.inspection import inspect
from pipeline.params_file import load_params
from pipeline.paths import Paths, project_root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    section = load_params(Paths(project_root()).params).validate_
    settings = section.model_dump(include={"formats", "max_pixels", "min_side_px", "min_local_contrast"})
    print(f"{'bomb':<42}{'median, ms':>12}{'longest, ms':>13}   reason")
    inspect(bytes(9), "x", **settings)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, (data, _) in BOMBS.items():
        milliseconds = []
        for _ in range(runs):
            start = time.perf_counter()
            found = inspect(data, "x", **settings)
            milliseconds.append(1000 * (time.perf_counter() - start))
        reason = found.refusal.reason if found.refusal else "kept"
        said = f"{statistics.median(milliseconds):>12.2f}{max(milliseconds):>13.2f}   {reason}"
        print(f"{name:<42}{said}")
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(f"memory grew by {grown_mb:.1f} MB")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, extra: bytes = b"") -> bytes:
    """A PNG whose header says `width` x `height`, over 1,000 bytes of pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", zlib.compress(bytes(1000)))


def jpeg_header(width: int, height: int) -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    scan = struct.pack(">HB", 12, 3) + bytes([1, 0, 2, 0x11, 3, 0x11, 0, 63, 0])
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda" + scan + bytes(50) + b"\xff\xd9"


def webp_header(width: int, height: int, kind: str) -> bytes:
    sides = ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    body = {
        "VP8X": b"VP8X\n\0\0\0\0\0\0\0"
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little"),
        "VP8L": b"VP8L\x14\0\0\0\x2f" + sides + bytes(15),
        "VP8 ": b"VP8 \x1e\0\0\0\x10\x02\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20),
    }[kind]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff_header(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100), *more]
    packed = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + packed + bytes(204)


def gif_header(width: int, height: int, frame: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, frame, frame, 0) + b"\x02\x02\x4c\x01\x00;"


def bmp_header(width: int, height: int) -> bytes:
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + sizes + bytes(100)


HUGE = 100_000
ZEROS = zlib.compress(bytes(50 << 20), 9)
BOMBS = {
    "PNG": (png(HUGE, HUGE), "too_many_pixels"),
    "JPEG": (jpeg_header(65_535, 65_535), "too_many_pixels"),
    "WebP, extended": (webp_header(16_383, 16_383, "VP8X"), "too_many_pixels"),
    "WebP, lossless": (webp_header(16_383, 16_383, "VP8L"), "too_many_pixels"),
    "WebP, lossy": (webp_header(16_383, 16_383, "VP8 "), "too_many_pixels"),
    "TIFF": (tiff_header(HUGE, HUGE), "too_many_pixels"),
    "GIF": (gif_header(65_535, 65_535, 65_535), "too_many_pixels"),
    "GIF with a frame larger than its screen": (gif_header(8, 8, 65_535), "too_many_pixels"),
    "BMP": (bmp_header(HUGE, HUGE), "too_many_pixels"),
    "BMP from the top": (bmp_header(HUGE, -HUGE), "too_many_pixels"),
    "PNG, 50 MiB of zTXt": (png(8, 8, png_chunk(b"zTXt", b"k\0\0" + ZEROS)), "low_information"),
    "PNG, 50 MiB of iTXt": (png(8, 8, png_chunk(b"iTXt", b"k\0\1\0\0\0" + ZEROS)), "low_information"),
    "PNG, 50 MiB of iCCP": (png(8, 8, png_chunk(b"iCCP", b"k\0\0" + ZEROS)), "low_information"),
    "TIFF, a comment of 4 GB": (tiff_header(8, 8, (270, 2, 0xFFFFFFF0, 300)), ""),
}


if __name__ == "__main__":
    main()
