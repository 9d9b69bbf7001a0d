"""What a real browser makes of a page: Chromium opens it, and a script of the test looks around in it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, NamedTuple

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE_S = 60
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0"),
)
# The page lies in a frame as wide as the screen would be, with every chapter unfolded.
_FRAME = """<!DOCTYPE html><body><iframe style="width:{width}px;height:900px;border:0"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = async () => {{
  const page = frame.contentDocument, names = (all) => [...all].map((one) => one.alt || one.src);
  page.querySelectorAll("details").forEach((one) => (one.open = true));
  await Promise.all([...page.images].map((one) => one.decode().catch(() => null)));
  const inFrame = (one) => one.closest(".scroll, .strip");
  const wide = [...page.querySelectorAll("main *")].filter(
    (one) => !inFrame(one) && one.getBoundingClientRect().right > {width} + 1);
  const found = {{
    n_images: page.images.length,
    broken: names([...page.images].filter((one) => !one.naturalWidth)),
    asked: frame.contentWindow.performance.getEntriesByType("resource").map((one) => one.name),
    too_wide: wide.map((one) => one.outerHTML.slice(0, 200)),
    headings: [...page.querySelectorAll("h1, h2")].map((one) => one.textContent),
    verdict: page.getElementById("verdict")?.textContent,
  }};
  await fetch("/", {{method: "POST", body: JSON.stringify(found)}});
}};
frame.src = "{page}";
</script></body>"""


class Seen(NamedTuple):
    """What a browser found in a page.

    Attributes:
        broken: pictures that did not load.
        asked: addresses of what the page loaded beside itself; pictures inside it have none.
        too_wide: elements that reach beyond the screen, and no frame scrolls them.
        verdict: the words of the banner, if the page has one.
    """

    n_images: int
    broken: list[str]
    asked: list[str]
    too_wide: list[str]
    headings: list[str]
    verdict: str | None


def look_at(page: Path, *, root: Path, width_px: int, folder: Path) -> Seen:
    """Open a page on a screen of this width.

    Args:
        root: the folder that a server on this machine shows; the page lies in it.
        folder: for the browser's own files.
    """
    assert CHROMIUM is not None
    wrapper = _FRAME.format(page=page.relative_to(root).as_posix(), width=width_px)
    with serve(root, wrapper) as (address, answers):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                found: dict[str, Any] = answers.get(timeout=_PATIENCE_S)
            finally:
                browser.terminate()
    asked = [one.removeprefix(address) for one in found["asked"]]
    return Seen(**{"verdict": None} | found | {"asked": asked})


@contextmanager
def serve(root: Path, first_page: str) -> Iterator[tuple[str, "Queue[dict[str, Any]]"]]:
    """The address of a server of the files in `root`, and the JSON that is posted to it.

    At the address itself it shows `first_page`.
    """
    answers: Queue[dict[str, Any]] = Queue()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self.respond(first_page)
            else:
                super().do_GET()

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.respond("")

        def respond(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test looks at what the browser says."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", answers
        server.shutdown()
