"""README's table of what fits which board: `hwqat plan zoo:resnet20-int8 --all-boards`, as Markdown.

python docs/boards.py            writes it into README.md
python docs/boards.py --check    exit code 1 if it is another one
"""

import json
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
HEAD = "| board | frames/s | latency, ms | DSP | LUT | block RAM | what limits |\n|---|---:|---:|---:|---:|---:|---|\n"


def table() -> str:
    """Boards with the same part share a row."""
    words = (sys.executable, "-m", "hwqat", "plan", "zoo:resnet20-int8", "--all-boards", "--json")
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    rows: dict[str, list[str]] = {}
    for row in json.loads(done.stdout.splitlines()[-1])["boards"]:
        shares = " | ".join(f"{row[f'{name}_percent']:.0f} %" for name in ("dsp", "lut", "bram"))
        limit = row["limit"].partition(" (")[0]
        rows.setdefault(f"{row['fps']:,.0f} | {row['latency_ms']:.2f} | {shares} | {limit} |", []).append(row["board"])
    return HEAD + "".join(f"| {', '.join(boards)} | {values}\n" for values, boards in rows.items())


def main(words) -> int:
    text = README.read_text()
    new = re.sub(re.escape(HEAD) + r"(?:\|.*\n)+", lambda _: table(), text)
    if "--check" in words:
        print("current" if new == text else "README.md has another table; run python docs/boards.py")
        return int(new != text)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
