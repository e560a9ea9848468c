"""A browser without a window, driven over two pipes in the DevTools protocol: nothing to install
besides Chromium itself."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Chromium", "PageLeftError", "executable"]

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


_LEFT = ("navigated", "context was destroyed", "Cannot find context", "Cannot find default")
"""What the protocol says of a question whose page was left before it answered."""


class PageLeftError(AssertionError):
    """The page was left while it was asked something, for instance after a click on a link."""


def executable() -> str | None:
    """Where Chromium is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Chromium:
    """One page of a browser with a profile of its own.

    Args:
        width: Of the window, in CSS pixels.
        height: Of the window.
        dark: Whether it prefers dark pages.
        language: Which language it asks for.
    """

    def __init__(
        self, width: int = 1280, height: int = 900, dark: bool = False, language: str = "en"
    ) -> None:
        self._width, self._height, self._dark = width, height, dark
        self._language, self._number = language, 0
        self._session: str | None = None
        self._rest = b""
        self.said: list[str] = []
        """What the console said: errors and refusals of the content security policy."""

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # the numbers Chromium asks for
        flags = (*_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank")
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", str(executable()), *flags],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in), os.close(theirs_out)
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        self._send(
            "Emulation.setDeviceMetricsOverride", width=self._width, height=self._height,
            deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._send("Network.setExtraHTTPHeaders", headers={"Accept-Language": self._language})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._out)
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        self._profile.cleanup()

    def open(self, address: str) -> None:
        """Go to a page, and wait until it is there."""
        self._send("Page.navigate", url=address)
        self.until(f"document.readyState == 'complete' && location.href == {json.dumps(address)}")

    def run(self, script: str) -> Any:
        """The value of an expression in the page.

        Raises:
            PageLeftError: The page was left before it answered.
        """
        found = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def until(self, condition: str, seconds: float = 60.0) -> Any:
        """The value of an expression once it is true, in this page or the next one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(PageLeftError):
                if found := self.run(condition):
                    return found
            time.sleep(0.05)
        said = self.run("document.body && document.body.innerText")
        raise AssertionError(f"not so in time: {condition}; the page says:\n{said}")

    def text(self) -> str:
        """What can be read on the page, once it is there as a whole."""
        return str(self.until("document.readyState == 'complete' && document.body.innerText"))

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        place = json.dumps(selector)
        self.until(f"document.querySelector({place}) !== null")
        x, y = self.run(
            f"(() => {{ const one = document.querySelector({place}); one.scrollIntoView("
            "{block: 'center', behavior: 'instant'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def write(self, selector: str, text: str) -> None:
        """Click into a field and type."""
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self._send("Input.insertText", text=text)

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file in a field for one."""
        document = self._send("DOM.getDocument")["root"]["nodeId"]
        field = self._send("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self._send("DOM.setFileInputFiles", nodeId=field, files=[str(path)])

    def picture(self, path: Path, whole: bool = True) -> None:
        """Keep what is seen as a PNG."""
        options: dict[str, Any] = {}
        if whole:
            height = self.run("document.documentElement.scrollHeight")
            clip = {"x": 0, "y": 0, "width": self._width, "height": height, "scale": 1}
            options = {"captureBeyondViewport": True, "clip": clip}
        shot = self._send("Page.captureScreenshot", **options)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    said = str(answer["error"].get("message"))
                    left = any(part in said for part in _LEFT)
                    raise (PageLeftError if left else AssertionError)(method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.said.append(json.dumps(answer["params"])[:500])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._in, 1 << 16)
            assert more, "the browser ended"
            self._rest += more
        one, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(one)
        return found
