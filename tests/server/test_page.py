"""The page in a real browser: images dropped, answers read and corrected, tables downloaded and read."""

import asyncio
import base64
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.params import Params
from pipeline.sources import open_collection
from tests.browser import CHROMIUM
from tests.chromium import Tab, open_tab, wait_for_download
from tests.serve_process import Served, run_serve
from tests.toy_classifier import save_toy_classifier

ParamsOf = Callable[..., Params]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]

TOKEN = "a token has no blanks".replace(" ", "-")
TEXT = "(name) => document.querySelector(name).innerText"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looks") / "toy"
    save_toy_classifier(folder, looks=True)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, classifier: Path) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("serve")
    (root / "dvc.yaml").write_text("stages: {}\n")
    with run_serve(root, "--model", str(classifier), env={"DARKROOM_TOKEN": TOKEN}) as served:
        yield served


def draw(path: Path, *levels: int) -> Path:
    """A grey picture of as many columns as levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = bytes(level for level in levels for _ in range(8 // len(levels)))
    path.write_bytes(encode_grey_png([row] * 8))
    return path


# The model of a folder has no card, so the page is given one.
WITH_CARD = """const ask = fetch;
window.fetch = async (path, ...more) => {
  const said = await ask(path, ...more);
  if (path !== "/model" || !said.ok) return said;
  const card = { intended_use: "Sorts.", out_of_scope: ["It names `review`.", "Decisions."] };
  return Response.json({ ...(await said.json()), card });
};"""


async def enter(tab: Tab, server: Served, *, is_dark: bool = False, width_px: int = 1280) -> None:
    """Open the page, and give it the token by the keyboard."""
    await tab.use_screen(width_px, is_dark=is_dark)
    await tab.open(server.address + "/")
    await tab.wait_until("document.activeElement.id === 'token'")
    assert await tab.run("document.getElementById('drop').hidden")
    for token in ("wrong", TOKEN):
        await tab.command("Input.insertText", text=token)
        await tab.press("Enter", text="\r")
        if token == "wrong":
            await tab.wait_until("document.getElementById('door-problem').innerText")
    await tab.wait_until("document.getElementById('door').hidden")


async def read_cards(tab: Tab, n: int) -> list[list[str]]:
    """The lines of each card, once all are answered."""
    await tab.wait_until(f"document.querySelectorAll('.card').length === {n}")
    await tab.wait_until("!document.getElementById('summary').innerText.includes('waiting')")
    words = "[...document.querySelectorAll('.card')].map((one) => one.innerText)"
    return [[line for line in one.splitlines() if line.strip()] for one in await tab.run(words)]


def check_quiet(tab: Tab, server: Served) -> None:
    """No request left for elsewhere, and the console says nothing but codes that are meant."""
    asked = [urlsplit(one) for one in tab.asked]
    assert len(asked) > 5
    here = urlsplit(server.address).netloc
    assert [one for one in asked if one.scheme not in ("blob", "data") and one.netloc != here] == []
    assert [one for one in tab.problems if not any(f"status of {code}" in one for code in (401, 422))] == []


def test_drop_read_correct_and_download(server: Served, tmp_path: Path, params_of: ParamsOf) -> None:
    images = tmp_path / "project" / "data" / "labels"
    files = [
        draw(images / "light.png", 250),
        draw(images / '=1+1, it\'s "dark".png', 5),
        draw(images / "half.png", 0, 0, 255, 255),
        images / "notes.png",
    ]
    files[3].write_text("no picture")

    async def story() -> tuple[Path, Path]:
        async with open_tab(tmp_path / "browser") as tab:
            await enter(tab, server)
            await tab.drop("#drop", files)
            light, dark, half, notes = await read_cards(tab, 4)
            assert light[:2] == ["light.png", "light"]
            assert dark[1] == "dark"
            assert "50 %" in half
            assert "No answer" in notes
            assert notes[-1].startswith("This is a text file")
            assert await tab.run(f"({TEXT})('#summary')") == "3 images, 1 file that is no image"
            assert "Done: 3 images" in await tab.run(f"({TEXT})('[role=status]')")
            await tab.run("document.querySelectorAll('.look')[2].click()")
            await tab.wait_until(
                "document.querySelectorAll('.card')[2].querySelector('canvas').width === 320"
            )
            assert await see_orange(tab) == [False, True]
            for at, label in ((0, "dark"), (1, "odd")):
                await tab.run(f"document.querySelectorAll('select')[{at}].focus()")
                await tab.press(label[0], text=label[0])
                await tab.wait_until(f"document.querySelectorAll('select')[{at}].value === {label!r}")
            assert "Download 2 corrections" in await tab.run(f"({TEXT})('#save-labels')")
            await tab.run("document.getElementById('save-labels').click()")
            labels = await wait_for_download(tmp_path / "browser", "corrections-*.csv")
            await tab.run("document.getElementById('save-answers').click()")
            answers = await wait_for_download(tmp_path / "browser", "answers-*.csv")
            check_quiet(tab, server)
            return labels, answers

    labels, answers = asyncio.run(story())
    check_answers(answers)
    check_that_darkroom_reads(labels, images, files, params_of)


async def see_orange(tab: Tab) -> list[bool]:
    """Whether the left and the right of the heat-map are orange."""
    script = (
        "(() => { const p = document.querySelectorAll('.card canvas')[2].getContext('2d');"
        " return [20, 300].map((x) => [...p.getImageData(x, 160, 1, 1).data]) })()"
    )
    return [red > blue + 80 for red, _, blue, _ in await tab.run(script)]


def check_answers(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["light.png", "'=1+1, it's \"dark\".png", "half.png", "notes.png"]
    assert [row["class"] for row in rows][:2] == ["light", "dark"]
    assert [row["corrected_to"] for row in rows] == ["dark", "odd", "", ""]
    assert rows[3]["reason"].startswith("not_an_image")
    assert float(rows[0]["p(light)"]) > 0.9


def check_that_darkroom_reads(labels: Path, images: Path, files: list[Path], params_of: ParamsOf) -> None:
    """With the images beside it, the table is read as `data.labelled`, by the names of files."""
    root = images.parents[1]
    for name in ("light", "dark", "odd"):
        draw(root / "data" / "raw" / name / "1.png", 100)
    labels.rename(images / labels.name)
    collection = open_collection(root, params_of().data)
    found = {record.key: record.label for record in collection.stream_records()}
    beside = {key: label for key, label in found.items() if key.startswith("data/labels")}
    assert beside == {f"data/labels/{files[0].name}": "dark", f"data/labels/{files[1].name}": "odd"}


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width_px", [1280, 390])
def test_it_fits_the_screen_and_can_be_read(
    server: Served, tmp_path: Path, width_px: int, is_dark: bool
) -> None:
    files = [draw(tmp_path / f"{'a_long_name_' * 12}{i}.png", 40 * i) for i in range(3)]

    async def story() -> None:
        async with open_tab(tmp_path / "browser") as tab:
            await enter(tab, server, width_px=width_px, is_dark=is_dark)
            await tab.drop("#drop", files)
            await read_cards(tab, 3)
            await tab.run("document.querySelector('.look').click()")
            await tab.wait_until("document.querySelector('canvas').width === 320")
            assert await tab.run("document.documentElement.scrollWidth") <= width_px
            assert await tab.run(TOO_WIDE) == []
            assert await tab.run(UNREADABLE) == []
            check_quiet(tab, server)

    asyncio.run(story())


TOO_WIDE = """[...document.querySelectorAll("main *")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1) && !one.closest(".aloud");
}).map((one) => one.outerHTML.slice(0, 100))"""
FOCUSED = "((one) => one.id || one.className || one.tagName)(document.activeElement)"
OUTLINE = "getComputedStyle(document.activeElement.closest('.button') || document.activeElement).outlineStyle"
# Words whose contrast with what is behind them is less than WCAG asks for (4.5).
UNREADABLE = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const bend = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * bend(r / 255) + .7152 * bend(g / 255) + .0722 * bend(b / 255);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const hasWords = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const all = [...document.querySelectorAll("main *")];
  return all.filter((one) => hasWords(one) && one.checkVisibility() && !one.disabled).filter((one) => {
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    return (a + .05) / (b + .05) < 4.5;
  }).map((one) => one.outerHTML.slice(0, 120));
})()"""


def test_by_keyboard_and_for_a_screen_reader(server: Served, tmp_path: Path) -> None:
    async def story() -> None:
        async with open_tab(tmp_path / "browser") as tab:
            await enter(tab, server)
            await tab.drop("#drop", [draw(tmp_path / "light.png", 250)])
            await read_cards(tab, 1)
            assert await tab.run(f"({TEXT})('[role=status]')") == "light.png: light"
            reached = []
            await tab.run("document.activeElement.blur()")
            for _ in range(6):
                await tab.press("Tab")
                reached.append(await tab.run(FOCUSED))
                assert await tab.run(OUTLINE) != "none", reached
            assert reached == ["files", "only", "save-answers", "clear", "SELECT", "look"]
            tree = (await tab.command("Accessibility.getFullAXTree"))["nodes"]
            named = {(one["role"]["value"], one["name"]["value"]) for one in tree if "name" in one}
            assert ("combobox", "Right class of light.png") in named
            assert ("button", "What it looked at in light.png") in named
            assert ("listitem", "light.png") in named
            controls = ("button", "checkbox", "combobox", "textbox")
            assert [role for role, name in named if role in controls and not name] == []

    asyncio.run(story())


def test_what_the_model_is_not_for_has_its_heading_and_a_broad_drawing_its_room(
    server: Served, tmp_path: Path
) -> None:
    (tmp_path / "broad.png").write_bytes(encode_grey_png([bytes(400)] * 20))

    async def story() -> None:
        async with open_tab(tmp_path / "browser") as tab:
            await tab.command("Page.addScriptToEvaluateOnNewDocument", source=WITH_CARD)
            await enter(tab, server)
            await tab.run("document.getElementById('about').open = true")
            said = await tab.run(f"({TEXT})('#about')")
            lines = [line for line in said.splitlines() if line.strip()]
            assert lines[1:] == ["Sorts.", "Not for:", "It names review.", "Decisions."]
            assert await tab.run(f"({TEXT})('#limits code')") == "review"
            await tab.drop("#drop", [tmp_path / "broad.png", draw(tmp_path / "square.png", 250)])
            await read_cards(tab, 2)
            await tab.wait_until("document.querySelector('.card').classList.contains('broad')")
            widths = "[...document.querySelectorAll('.thumb img')].map((one) => one.clientWidth)"
            broad, square = await tab.run(widths)
            assert await tab.run(UNREADABLE) == []
            assert (broad > 600, square) == (True, 150)
            await tab.use_screen(390)
            assert await tab.run(TOO_WIDE) == []
            check_quiet(tab, server)

    asyncio.run(story())


def test_pasted_pictures_have_names_of_their_own(server: Served, tmp_path: Path) -> None:
    paste = """(() => {
      const bytes = Uint8Array.from(atob(%r), (one) => one.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], "image.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    })()"""
    encoded = base64.b64encode(draw(tmp_path / "light.png", 250).read_bytes()).decode()

    async def story() -> None:
        async with open_tab(tmp_path / "browser") as tab:
            await enter(tab, server)
            for _ in range(2):
                await tab.run(paste % encoded)
            first, second = await read_cards(tab, 2)
            assert (first[0], second[0]) == ("pasted-1.png", "pasted-2.png")
            assert first[1] == "light"
            check_quiet(tab, server)

    asyncio.run(story())
