"""A headless Chromium driven over a pipe by its own DevTools protocol: enough for the report's test, and nothing to install."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --proxy-server=127.0.0.1:9 --hide-scrollbars
--no-first-run --remote-debugging-pipe""".split()


class Browser:
    """One page. Messages are JSON, each ended by a NUL; events that matter are kept."""

    def __init__(self, to, answers):
        self.to, self.answers, self.last, self.rest = to, answers, 0, b""
        self.said, self.session, self.loaded = [], None, False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.last += 1
        asked = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.to, json.dumps(asked).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == asked["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _read(self, patience=60):
        """The next message; events are noted."""
        until = time.monotonic() + patience
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser says nothing"
            piece = os.read(self.answers, 1 << 20)
            assert piece, "the browser has ended"
            self.rest += piece
        message, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(message)
        kind, about = message.get("method"), message.get("params", {})
        if kind == "Log.entryAdded":
            self.said.append(about["entry"]["text"])
        elif kind == "Runtime.exceptionThrown":
            self.said.append(about["exceptionDetails"]["text"])
        elif kind == "Runtime.consoleAPICalled":
            self.said.append(str(about["args"]))
        elif kind == "Page.loadEventFired":
            self.loaded = True
        return message

    def resize(self, width, height, mobile=False, dark=False, scale=1):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path):
        """Seconds until the page has been loaded and painted."""
        began, self.loaded = time.monotonic(), False
        self.call("Page.navigate", url=f"file://{path}")
        while not self.loaded:
            self._read()
        self.script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - began

    def script(self, code):
        """What a function with this body returns, or its promise gives."""
        found = self.call("Runtime.evaluate", expression=f"(() => {{{code}}})()", awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def log(self):
        """What the console said since the last look, errors and failed requests included."""
        said, self.said = self.said, []
        return said

    def screenshot(self, path, y=0, height=None):
        """The page, or ``height`` pixels of it from ``y`` on, as a PNG file."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": y, "width": size["width"], "height": height or size["height"] - y, "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"]))


@contextmanager
def browser():
    """A browser for the length of a with statement; it has no network but the machine's own files."""
    theirs, to = os.pipe()  # its file 3, where it reads
    answers, out = os.pipe()  # its file 4, where it writes
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{out}', "bash", *words]  # dup2 to 3 and 4, whoever has them
        process = subprocess.Popen(
            shell, pass_fds=(theirs, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        os.close(theirs)
        os.close(out)
        try:
            window = Browser(to, answers)
            yield window
            window.session = None
            with contextlib.suppress(AssertionError, OSError):
                window.call("Browser.close")
        finally:
            os.close(to)
            os.close(answers)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
