"""Pages for people: one HTML file, whole in itself, that needs no network."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

# A link to a chapter unfolds it, and paper shows everything.
_SCRIPT = """const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
unfold();
"""
_NARROW_PX = 720  # a figure of up to this width fits on a phone


def frame_page(title: str, question: str, body: Iterable[str]) -> Iterator[str]:
    """The lines of a page: head with the style inside, title, the question that it answers, body."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{escape(title)}</h1>\n<p>{escape(question)}</p>"
    yield from body
    yield f"</main>\n<script>\n{_SCRIPT}</script>\n</body>\n</html>"


def render_chapter(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A part of the page that is folded until somebody asks for it, or prints."""
    yield f'<details class="chapter" id="{name_anchor(title)}"><summary><h2>{escape(title)}</h2></summary>'
    yield from lines
    yield "</details>"


def name_anchor(title: str) -> str:
    """What a link to a chapter names."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))


def render_items(items: Iterable[str]) -> Iterator[str]:
    """A list of what `mark_item` made."""
    yield '<ul class="findings">'
    yield from items
    yield "</ul>"


def mark_item(state: str, mark: str, lines: Iterable[str]) -> str:
    """An item of a list with a mark before it; `state` is critical, warning, unseen or met."""
    head = f'<li class="{state}"><span class="mark" aria-hidden="true">{mark}</span><div>'
    return "\n".join([head, *lines, "</div></li>"])


def render_facts(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """(what, number) in words, as boxes."""
    yield '<dl class="facts">'
    yield from (f"<div><dt>{escape(what)}</dt><dd>{escape(n)}</dd></div>" for what, n in facts)
    yield "</dl>"


def render_picture(name: str, png: bytes) -> Iterator[str]:
    """A figure, under its name as a heading."""
    yield f"<h2>{escape(name)}</h2>\n{frame_picture(name, png)}"


def frame_picture(name: str, png: bytes) -> str:
    """A figure in a frame. On a phone a wide one is scrolled, as its letters would be too small."""
    width_px = int.from_bytes(png[16:20], "big")  # of the PNG's header
    classes = "scroll" if width_px > _NARROW_PX else "scroll narrow"
    return f'<div class="{classes}">{embed_png(name, png)}</div>'


def embed_png(name: str, png: bytes) -> str:
    """A picture inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'


def render_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are HTML already; the first cell of a row is its name."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
    for name, *cells in rows:
        yield f"<tr><th>{name}</th>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def render_tiles(tiles: Iterable[tuple[str, bytes, str]]) -> Iterator[str]:
    """Pictures beside each other: a name, the bytes of a PNG, and a caption that is HTML already."""
    yield '<div class="tiles">'
    for name, png, caption in tiles:
        yield f"<figure>{embed_png(name, png)}<figcaption>{caption}</figcaption></figure>"
    yield "</div>"


def render_bar(share: float, text: str) -> str:
    """A cell with a bar of a share (0..1)."""
    return f'<td class="bar"><i style="--part:{share:.3f}"></i><span>{escape(text)}</span></td>'
