"""A real browser that a test drives over the DevTools protocol: it clicks, drops files, and downloads."""

import asyncio
import base64
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.browser import CHROMIUM, FLAGS

_PATIENCE_S = 60.0


class Tab:
    """A tab of the browser.

    Attributes:
        asked: the address of each request that it sent.
        problems: exceptions, and what the console calls errors.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.asked: list[str] = []
        self.problems: list[str] = []

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                waiting = self._waiting.pop(said["id"])
                if not waiting.done():
                    waiting.set_result(said)
            elif said["method"] == "Network.requestWillBeSent":
                self.asked.append(said["params"]["request"]["url"])
            elif said["method"] == "Runtime.exceptionThrown" or _is_error(said):
                self.problems.append(json.dumps(said["params"]))

    async def command(self, method: str, **params: Any) -> Any:
        """What a command of the protocol gives."""
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(waiting, _PATIENCE_S)
        assert "error" not in said, said
        return said["result"]

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        done = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    async def wait_until(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        last = asyncio.get_running_loop().time() + _PATIENCE_S
        while not await self.run(f"Boolean({condition})"):
            assert asyncio.get_running_loop().time() < last, await self.run("document.body.innerText")
            await asyncio.sleep(0.05)

    async def open(self, address: str) -> None:
        """Go to a page, and wait until it is there."""
        await self.command("Page.navigate", url=address)
        await self.wait_until(f"location.href.startsWith({address!r}) && document.readyState === 'complete'")

    async def use_screen(self, width_px: int, height_px: int = 900, *, is_dark: bool = False) -> None:
        """Show the page on a screen of this size, light or dark."""
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": width_px < 600}
        await self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])

    async def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Drop files where an element is, as a person does from a file manager."""
        box = await self.run(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        data = {"items": [], "files": [str(file.absolute()) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.command("Input.dispatchDragEvent", type=kind, x=box[0], y=box[1], data=data)

    async def press(self, key: str, *, text: str = "") -> None:
        """Press a key."""
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        given: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        await self.command("Input.dispatchKeyEvent", type="keyDown", **given)
        await self.command("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def photograph(self, path: Path) -> None:
        """Write what is on the screen as a PNG."""
        shot = await self.command("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))


def _is_error(said: dict[str, Any]) -> bool:
    return bool(said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error")


@asynccontextmanager
async def open_tab(folder: Path) -> AsyncIterator[Tab]:
    """A tab of a browser of its own; what it downloads lies in `folder`/downloads."""
    assert CHROMIUM is not None
    profile, downloads = folder / "profile", folder / "downloads"
    downloads.mkdir(parents=True)
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port = await _find_port(profile / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    tabs = [one for one in await response.json() if one["type"] == "page"]
                async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    tab = Tab(socket)
                    listening = asyncio.create_task(tab.listen())
                    for name in ("Page", "Network", "Runtime", "Log"):
                        await tab.command(f"{name}.enable")
                    where = {"behavior": "allow", "downloadPath": str(downloads)}
                    await tab.command("Browser.setDownloadBehavior", **where)
                    yield tab
                    listening.cancel()
        finally:
            browser.terminate()


async def _find_port(file: Path) -> str:
    last = asyncio.get_running_loop().time() + _PATIENCE_S
    while not (file.is_file() and file.read_text()):
        assert asyncio.get_running_loop().time() < last, "the browser did not start"
        await asyncio.sleep(0.05)
    return file.read_text().splitlines()[0]


async def wait_for_download(folder: Path, pattern: str) -> Path:
    """The file of a name like this that the browser has downloaded whole."""
    last = asyncio.get_running_loop().time() + _PATIENCE_S
    while not (found := list((folder / "downloads").glob(pattern))):
        assert asyncio.get_running_loop().time() < last, list((folder / "downloads").iterdir())
        await asyncio.sleep(0.05)
    return found[0]
