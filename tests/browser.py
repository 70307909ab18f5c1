"""A headless Chromium driven through chromedriver's own HTTP protocol: enough for the report's test."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


class Browser:
    """One window. Every method is one call of the WebDriver protocol (or of Chromium's own, by `devtools`)."""

    def __init__(self, url):
        self.url = url

    def call(self, path, body=None, method="POST"):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def devtools(self, command, **parameters):
        return self.call("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width, height, scale=1, mobile=False, dark=False):
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        scheme = "dark" if dark else "light"
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path):
        """Seconds until the page has been loaded and painted."""
        began = time.monotonic()
        self.call("/url", {"url": f"file://{path}"})
        self.script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - began

    def script(self, code):
        return self.call("/execute/sync", {"script": code, "args": []})

    def log(self):
        """What the console said, failed requests included."""
        return self.call("/se/log", {"type": "browser"})

    def screenshot(self, path, y=0, height=None):
        """The page, or ``height`` pixels of it from ``y`` on, as a PNG file."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": y, "width": size["width"], "height": height or size["height"] - y, "scale": 1}
        shot = self.devtools("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path):
        path.write_bytes(base64.b64decode(self.call("/print", {"background": True})))


@contextmanager
def browser():
    """A browser for the length of a with statement; it has no network but the machine's own files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [DRIVER, f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    options = {
        "binary": CHROMIUM,
        "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--proxy-server=127.0.0.1:9",
            "--hide-scrollbars",
        ],
    }
    wanted = {
        "alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    }
    base, window = f"http://127.0.0.1:{port}", None
    try:
        for attempt in range(100):
            try:
                window = Browser(base).call("/session", {"capabilities": wanted})["sessionId"]
                break
            except OSError:
                if attempt == 99 or driver.poll() is not None:
                    raise
                time.sleep(0.1)
        yield Browser(f"{base}/session/{window}")
    finally:
        if window:
            Browser(f"{base}/session/{window}").call("", method="DELETE")
        driver.terminate()
        driver.wait()
