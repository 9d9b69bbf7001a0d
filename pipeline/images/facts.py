"""The facts of a picture, each once: name, type, words, and where it counts.

The manifest's columns, the ranges that `intake` checks, the panels of measures.png, and the questions and
sentences of the shortcut audit all follow from this table. A new fact is a line here and the code that
measures it.
"""

from typing import NamedTuple


class Fact(NamedTuple):
    """One fact of a file or of its picture.

    Attributes:
        name: the column of the manifest, and the key of what `inspect` or `measure_residues` gives.
        dtype: the column's type, by Arrow's name; "" for a fact without a column: one derived from others, or
            a residue, which only a developed picture has.
        word: its name in figures and reports; "" if the shortcut audit does not use it.
        more, less: half-sentences of the audit, in which {} is a value or a threshold. Without `less` the
            fact is a word, not a number, and `more` states its value.
        axis: the heading of its panel in measures.png; "": it has none.
        is_log: whether that panel is logarithmic.
        highest: `intake` allows values from 0 to this; None: any value.
        of_file: whether a file gives it away before the picture is looked at.
        of_picture: whether it is left in the developed picture.
    """

    name: str
    dtype: str
    word: str = ""
    more: str = ""
    less: str = ""
    axis: str = ""
    is_log: bool = False
    highest: float | None = None
    of_file: bool = False
    of_picture: bool = False


# Facts of files are in the order in which the shortcut audit asks for them. Lengths are in pixels;
# brightness, contrast and the like are shares of full scale (`images/measures.py` says how each is measured).
FACTS = (
    Fact("format", "string", "file format", "is {}", of_file=True),
    Fact("n_bytes", "int64", "file size", "is larger than {} bytes", "is smaller than {} bytes",
         of_file=True),
    Fact("width", "int32", "width", "is wider than {} px", "is narrower than {} px", of_file=True),
    Fact("height", "int32", "height", "is taller than {} px", "is less tall than {} px", of_file=True),
    Fact(
        "aspect", "", "aspect",
        "is wider than {} times its height", "is narrower than {} times its height",
        of_file=True,
    ),
    Fact("mode", "string", "colour mode", "has the colour mode {}", of_file=True),
    Fact("exif_orientation", "int8"),
    Fact("n_frames", "int32"),
    Fact(
        "brightness", "float32", "brightness", "is brighter than {} of 1", "is darker than {} of 1",
        axis="brightness, 0 to 1", highest=1.0, of_picture=True,
    ),
    Fact(
        "contrast", "float32", "contrast", "has more contrast than {}", "has less contrast than {}",
        axis="contrast, 0 to 0.5", highest=0.5001, of_picture=True,
    ),
    Fact(
        "n_bands", "int8", "colour bands", "has more than {} colour bands", "has fewer than {} colour bands",
        of_file=True,
    ),
    Fact(
        "jpeg_quality", "int16", "JPEG quality",
        "has a JPEG quality above {}", "has a JPEG quality below {}",
        of_file=True,
    ),
    Fact("subsampling", "string", "chroma subsampling", "has the chroma subsampling {}", of_file=True),
    Fact("has_exif", "bool", "EXIF", "has EXIF: {}", of_file=True),
    Fact("dpi", "float32", "dots an inch", "states more than {} dpi", "states less than {} dpi",
         of_file=True),
    Fact(
        "sharpness", "float32", "sharpness", "is sharper than {}", "is softer than {}",
        axis="sharpness, logarithmic", is_log=True, of_picture=True,
    ),
    Fact(
        "entropy", "float32", "entropy", "has an entropy above {} bits", "has an entropy below {} bits",
        axis="entropy, bits", highest=8.0001, of_picture=True,
    ),
    Fact(
        "colourfulness", "float32", "colourfulness", "is more colourful than {}", "is less colourful than {}",
        axis="colourfulness, 0 for grey", of_picture=True,
    ),
    Fact(
        "share_white", "float32", "share of white",
        "is white on more than {} of 1", "is white on less than {} of 1",
        axis="share of white", highest=1.0, of_picture=True,
    ),
    Fact(
        "border_brightness", "float32", "border brightness",
        "has a border brighter than {} of 1", "has a border darker than {} of 1",
        of_file=True, of_picture=True,
    ),
    Fact(
        "border_tint", "float32", "border tint",
        "has a yellower border than {}", "has a border less yellow than {}",
        of_file=True, of_picture=True,
    ),
    Fact(
        "border_spread", "float32", "border spread",
        "has a border spread above {}", "has a border spread below {}",
        of_file=True, of_picture=True,
    ),
    Fact("local_contrast", "float32"),
    # The scale of a deep picture whose file does not say it; null for all others (`images/depths.py`).
    Fact("scale_kind", "string"),
    Fact("scale_black", "float64"),
    Fact("scale_white", "float64"),
    Fact(
        "blockiness", "", "8 x 8 grid", "shows an 8 x 8 grid above {}", "shows an 8 x 8 grid below {}",
        of_picture=True,
    ),
    Fact(
        "content_aspect", "", "aspect of the content",
        "has content wider than {} times its height", "has content narrower than {} times its height",
        of_picture=True,
    ),
)  # fmt: skip
FACT_BY_NAME = {fact.name: fact for fact in FACTS}
