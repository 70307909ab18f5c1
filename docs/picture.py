"""docs/images/report.png, the picture of README: the report of the build that `make export` makes.

    python docs/picture.py [BUILD]

BUILD is an exported and simulated build; without one, this makes one of zoo:digitnet-int8. Chromium takes the picture, Pillow
makes it small.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).parent / "images" / "report.png"
SIZE = (1280, 1420)
HWQAT = (sys.executable, "-m", "hwqat")


def main(build=None):
    with tempfile.TemporaryDirectory() as work:
        if build is None:
            build = Path(work) / "build"
            for words in (
                (
                    "export",
                    "zoo:digitnet-int8",
                    "--board",
                    "pynq-z2",
                    "--fps",
                    "100000",
                    "--clock",
                    "100",
                    "--out",
                    build,
                ),
                ("eval", build),
                ("csim", build),
                ("cosim", build),
                ("report", build),
            ):
                subprocess.run([*HWQAT, *map(str, words)], check=True)
        page, shot = (Path(build) / "report" / "index.html").resolve(), Path(work) / "shot.png"
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            sys.exit("no Chromium on PATH")
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={SIZE[0]},{SIZE[1]}",
        )
        subprocess.run([browser, *flags, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
        PICTURE.parent.mkdir(exist_ok=True)
        Image.open(shot).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"wrote {PICTURE}, {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
