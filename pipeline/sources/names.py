"""What a file is by its name: a picture, an archive, or a note or table that lies beside pictures."""

_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".heic", ".heif", ".avif", ".jp2"),
)
_SIDE_FILES = (
    *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".pdf"),
    *("readme", "license", "licence", ".gz"),
)
TARS = (".tar", ".tar.gz", ".tgz")
ARCHIVES = (".zip", *TARS)


def is_picture(name: str) -> bool:
    """Whether a file's name has the extension of a picture."""
    return name.lower().endswith(_PICTURES)


def is_side_file(name: str) -> bool:
    """Whether a file's name is one of those that people put beside pictures: notes, tables, licences."""
    return name.lower().endswith(_SIDE_FILES)


def is_tar(name: str) -> bool:
    """Whether a file's name is that of a tar."""
    return name.lower().endswith(TARS)


def is_archive(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return name.lower().endswith(ARCHIVES)
