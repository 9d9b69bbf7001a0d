"""Valid TIFFs of every layout, written from scratch, each with the picture that it shows.

Only the packing of LZW, Zstandard, LZMA, JPEG and CCITT is borrowed from Pillow. Everything else, from byte
order to tiles, planes and predictors, is written here, so that a mistake of the reader is not shared.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 45, 60
TILE, ROWS = 16, 10  # sides of tiles, rows of strips
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8, "old deflate": 32946, "packbits": 32773, "lzma": 34925}
COMPRESSIONS |= {"zstd": 50000, "jpeg": 7, "group 4": 4}
_PILLOW_NAMES = {"lzw": "tiff_lzw", "lzma": "lzma", "zstd": "zstd", "group 4": "group4"}
_PHOTOMETRIC = {"white": 0, "grey": 1, "rgb": 2, "palette": 3, "cmyk": 5, "ycbcr": 6}
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Kind:
    """How a TIFF is written; `alpha` is its extra sample's kind (1: multiplied, 2: not, 0: unspecified)."""

    colour: str = "rgb"
    alpha: int | None = None
    bits: int = 8
    sample: str = "u"
    compression: str = "none"
    tiled: bool = False
    order: str = "<"
    planar: bool = False
    big: bool = False
    predictor: int = 1

    def __str__(self) -> str:
        words = [self.colour + {None: "", 0: "+extra", 1: "+alpha (multiplied)", 2: "+alpha"}[self.alpha]]
        words += [f"{self.sample}{self.bits}", self.compression, "tiles" if self.tiled else "strips"]
        words += [{"<": "II", ">": "MM"}[self.order], "planes" if self.planar else "chunky"]
        words += ["BigTIFF"] * self.big + [f"predictor {self.predictor}"] * (self.predictor > 1)
        return ", ".join(words)


def draw_view(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """An asymmetric picture: a sky, a sun at the top left, a dark block at the bottom right, some noise."""
    y, x = np.mgrid[:height, :width]
    view = np.zeros((height, width, 3))
    view[..., 0] = 60 + 120 * x / width * (y > 0.6 * height)
    view[..., 1] = 110 + 60 * (y > 0.6 * height)
    view[..., 2] = 230 - 150 * y / height
    view[(x - 0.2 * width) ** 2 + (y - 0.25 * height) ** 2 < (0.15 * height) ** 2] = (250, 230, 60)
    view[int(0.65 * height) : int(0.92 * height), int(0.6 * width) : int(0.9 * width)] = (20, 15, 30)
    noise = np.random.default_rng(0).normal(0, 4, view.shape)
    return np.clip(view + noise, 0, 255).astype(np.uint8)


def list_kinds() -> Iterator[Kind]:
    """Every combination that makes sense, some thousand."""
    colours = [
        ("grey", None),
        ("white", None),
        ("rgb", None),
        ("grey", 2),
        ("rgb", 2),
        ("rgb", 1),
        ("rgb", 0),
    ]
    colours += [("palette", None), ("cmyk", None), ("ycbcr", None)]
    depths = [("u", 1), ("u", 2), ("u", 4), ("u", 8), ("u", 12), ("u", 16), ("u", 32)]
    depths += [("i", 16), ("f", 16), ("f", 32), ("f", 64)]
    flags = ([False, True], ["<", ">"], [False, True], [False, True])
    for (colour, alpha), (sample, bits) in itertools.product(colours, depths):
        for compression, layout in itertools.product(COMPRESSIONS, itertools.product(*flags)):
            tiled, order, planar, big = layout
            kind = Kind(colour, alpha, bits, sample, compression, tiled, order, planar, big)
            for predictor in _list_predictors(kind) if _makes_sense(kind) else ():
                yield replace(kind, predictor=predictor)


def _list_predictors(kind: Kind) -> Sequence[int]:
    if kind.compression not in ("lzw", "deflate", "zstd", "lzma") or kind.bits < 8 or kind.bits == 12:
        return (1,)
    return (1, 2, 3) if kind.sample == "f" else (1, 2)


def _makes_sense(kind: Kind) -> bool:
    is_single = kind.colour in ("grey", "white", "palette") and kind.alpha is None
    is_byte = kind.bits == 8 and kind.sample == "u"
    if kind.planar and (is_single or kind.colour == "ycbcr"):
        return False
    if kind.compression == "group 4":
        return kind.colour in ("grey", "white") and is_single and kind.bits == 1 and not kind.tiled
    if kind.compression == "jpeg":
        return is_byte and kind.colour != "palette" and kind.alpha is None
    if kind.colour in ("palette", "ycbcr"):
        return is_byte or (kind.colour == "palette" and (kind.sample, kind.bits) == ("u", 4))
    if kind.bits < 8 or kind.sample == "i":
        return is_single
    return kind.bits > 8 or is_byte


def make_tiff(kind: Kind) -> tuple[bytes, NDArray[np.uint8]]:
    """The bytes of a TIFF, and what it shows: uint8 [HEIGHT, WIDTH, 3]."""
    samples, shown, palette = _make_samples(kind)
    return write_tiff(kind, samples, palette), shown


def _make_samples(kind: Kind) -> tuple[NDArray[Any], NDArray[np.uint8], list[int]]:
    """Samples [height, width, n] of the kind's type, what they show, and the palette."""
    view = draw_view()
    image = Image.fromarray(view)
    palette: list[int] = []
    if kind.colour == "palette":
        indexed = image.quantize(1 << kind.bits)
        colours = np.zeros((1 << kind.bits, 3), np.uint8)
        found = np.asarray(indexed.getpalette() or [], np.uint8).reshape(-1, 3)[: 1 << kind.bits]
        colours[: len(found)] = found
        palette = (colours.T.astype(int) * 257).ravel().tolist()
        return np.asarray(indexed)[..., None], colours[np.asarray(indexed)], palette
    if kind.colour == "cmyk":
        inks = np.asarray(image.convert("CMYK"))
        return _deepen(inks / 255, kind), np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")), palette
    if kind.colour == "ycbcr":
        ycbcr = image.convert("YCbCr")
        return np.asarray(ycbcr), np.asarray(ycbcr.convert("RGB")), palette
    if kind.colour != "rgb":
        view = np.asarray(image.convert("L"))[..., None]
    share = view / 255
    if kind.sample == "u" and kind.bits < 8:
        share = np.rint(share * ((1 << kind.bits) - 1)) / ((1 << kind.bits) - 1)
    shown, parts = share, [share]
    if kind.alpha is not None:
        ramp = np.broadcast_to(np.linspace(0, 1, WIDTH)[None, :, None], (HEIGHT, WIDTH, 1))
        shown = share if kind.alpha == 0 else share * ramp + (1 - ramp)
        parts = [share * ramp if kind.alpha == 1 else share, ramp]
    samples = np.concatenate(parts, axis=2)
    if kind.colour == "white":
        samples = 1 - samples
    rgb = np.broadcast_to(np.rint(shown * 255).astype(np.uint8), (HEIGHT, WIDTH, 3))
    return _deepen(samples, kind), rgb, palette


def _deepen(shares: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Shares 0..1 as the kind's type at full scale."""
    if kind.sample == "f":
        return shares.astype(f"f{kind.bits // 8}")
    full = (1 << (kind.bits - (kind.sample == "i"))) - 1
    size = 1 if kind.bits <= 8 else 2 if kind.bits <= 16 else 4
    return np.asarray(np.rint(shares * full), f"{kind.sample}{size}")


def write_tiff(
    kind: Kind,
    samples: NDArray[Any],
    palette: Sequence[int] = (),
    more: Mapping[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """A TIFF of samples [height, width, n]; `more` are further tags by number: field type, values."""
    height, width, n = samples.shape
    planes = [samples[..., i : i + 1] for i in range(n)] if kind.planar else [samples]
    chunks = [_pack(kind, chunk) for plane in planes for chunk in _cut(kind, plane)]
    offset_type = 16 if kind.big else 4
    formats = {"u": 1, "i": 2, "f": 3}
    at = list(itertools.accumulate((len(chunk) for chunk in chunks), initial=16))[:-1]
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [kind.bits] * n),
        259: (3, [COMPRESSIONS[kind.compression]]),
        262: (3, [_PHOTOMETRIC[kind.colour]]),
        277: (3, [n]),
        284: (3, [2 if kind.planar else 1]),
        339: (3, [formats[kind.sample]] * n),
    }
    if kind.tiled:
        tags |= {322: (3, [TILE]), 323: (3, [TILE]), 324: (offset_type, at), 325: (4, [*map(len, chunks)])}
    else:
        tags |= {273: (offset_type, at), 278: (3, [ROWS]), 279: (4, [*map(len, chunks)])}
    if kind.predictor > 1:
        tags[317] = (3, [kind.predictor])
    if palette:
        tags[320] = (3, palette)
    if kind.colour == "ycbcr":
        tags[530] = (3, [1, 1])
    if kind.alpha is not None:
        tags[338] = (3, [kind.alpha])
    return join_tiff(b"".join(chunks), [tags | dict(more or {})], order=kind.order, big=kind.big)


def join_tiff(
    body: bytes,
    pages: Sequence[Mapping[int, tuple[int, Sequence[int]]]],
    *,
    order: str = "<",
    big: bool = False,
    last: int = 0,
) -> bytes:
    """A TIFF of pages of tags over a body, which begins at byte 16; `last` is where the last page points."""
    body += bytes(len(body) % 2)
    word, head, size = ("Q", "HHQ", 20) if big else ("I", "HHI", 12)
    out, at, at_first = b"", 16 + len(body), 16 + len(body)
    for i, tags in enumerate(pages):
        n_inline = 8 if big else 4
        fixed = (8 if big else 2) + size * len(tags) + n_inline
        entries, values = b"", b""
        for tag, (kind, numbers) in sorted(tags.items()):
            packed = struct.pack(f"{order}{len(numbers)}{_CODES[kind]}", *numbers)
            place = packed.ljust(n_inline, b"\0")
            if len(packed) > n_inline:
                place = struct.pack(order + word, at + fixed + len(values))
                values += packed + bytes(len(packed) % 2)
            entries += struct.pack(order + head, tag, kind, len(numbers)) + place
        following = last if i == len(pages) - 1 else at + fixed + len(values)
        count = struct.pack(order + ("Q" if big else "H"), len(tags))
        out += count + entries + struct.pack(order + word, following) + values
        at += fixed + len(values)
    name = b"II" if order == "<" else b"MM"
    start = (
        struct.pack(order + "HHHQ", 43, 8, 0, at_first) if big else struct.pack(order + "HI", 42, at_first)
    )
    return (name + start).ljust(16, b"\0") + body + out


def _cut(kind: Kind, plane: NDArray[Any]) -> Iterator[NDArray[Any]]:
    height, width, _ = plane.shape
    if not kind.tiled:
        yield from (plane[top : top + ROWS] for top in range(0, height, ROWS))
        return
    for top, left in itertools.product(range(0, height, TILE), range(0, width, TILE)):
        part = plane[top : top + TILE, left : left + TILE]
        yield np.pad(part, ((0, TILE - part.shape[0]), (0, TILE - part.shape[1]), (0, 0)), mode="edge")


def _pack(kind: Kind, chunk: NDArray[Any]) -> bytes:
    """A strip or tile in bytes, compressed."""
    if kind.compression == "jpeg":
        return _pack_jpeg(kind, chunk)
    rows = _lay_out(kind, chunk)
    if kind.compression in ("deflate", "old deflate"):
        return zlib.compress(rows.tobytes())
    if kind.compression == "packbits":
        return b"".join(_pack_bits(row.tobytes()) for row in rows)
    if kind.compression == "none":
        return rows.tobytes()
    image = Image.fromarray(rows)
    if kind.compression == "group 4":
        width = chunk.shape[1]
        image = Image.frombytes("1", (width, len(rows)), rows.tobytes())
    stream = io.BytesIO()
    image.save(stream, "TIFF", compression=_PILLOW_NAMES[kind.compression], strip_size=1 << 30)
    return _read_strip(stream.getvalue())


def _lay_out(kind: Kind, chunk: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of each row: predicted, in the byte order, bits packed."""
    n_rows, width, n = chunk.shape
    if kind.predictor == 2:
        whole = np.ascontiguousarray(chunk).view(f"u{chunk.itemsize}")
        chunk = np.concatenate([whole[:, :1], np.diff(whole, axis=1)], axis=1)
    if kind.bits in (8, 16, 32, 64):
        size = kind.bits // 8
        order = ">" if kind.predictor == 3 else kind.order
        ordered = np.ascontiguousarray(chunk.astype(f"{order}{chunk.dtype.str[1:]}"))
        rows = ordered.view(np.uint8).reshape(n_rows, -1)
        if kind.predictor == 3:
            sorted_bytes = rows.reshape(n_rows, width * n, size).transpose(0, 2, 1).reshape(n_rows, -1, n)
            steps = np.concatenate([sorted_bytes[:, :1], np.diff(sorted_bytes, axis=1)], axis=1)
            rows = steps.reshape(n_rows, -1)
        return np.ascontiguousarray(rows)
    shifts = np.arange(kind.bits - 1, -1, -1)
    ones = (chunk.reshape(n_rows, -1, 1).astype(np.int64) >> shifts) & 1
    return np.packbits(ones.reshape(n_rows, -1).astype(np.uint8), axis=1)


def _pack_bits(row: bytes) -> bytes:
    """PackBits of a row: runs of three and more, and what lies between."""
    out, at, literal = b"", 0, b""
    while at < len(row):
        run = len(row[at : at + 128]) - len(row[at : at + 128].lstrip(row[at : at + 1]))
        if run >= 3:
            out += _say_literal(literal) + bytes([257 - run]) + row[at : at + 1]
            literal, at = b"", at + run
        else:
            literal, at = literal + row[at : at + 1], at + 1
    return out + _say_literal(literal)


def _say_literal(literal: bytes) -> bytes:
    parts = (literal[i : i + 128] for i in range(0, len(literal), 128))
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def _pack_jpeg(kind: Kind, chunk: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    n = chunk.shape[2]
    mode = {1: "L", 3: "YCbCr" if kind.colour == "ycbcr" else "RGB", 4: "CMYK"}[n]
    if mode == "CMYK":
        chunk = 255 - chunk  # Pillow inverts the inks of a JPEG, as Adobe does, but not those of a TIFF
    image = Image.frombytes(mode, (chunk.shape[1], chunk.shape[0]), np.ascontiguousarray(chunk).tobytes())
    image.save(stream, "JPEG", quality=100, subsampling=0, keep_rgb=mode == "RGB")
    return stream.getvalue()


def _read_strip(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        (at,), (n_bytes,) = (getattr(image, "tag_v2")[tag] for tag in (273, 279))  # noqa: B009 (not typed)
        return data[at : at + n_bytes]
