"""docs/commands.md, and the tables of docs/config.md, of the parsers and the schema themselves.

python docs/reference.py            writes both
python docs/reference.py --check    exit code 1 if one is not what it would write
"""

import json
import re
import sys
from pathlib import Path

from hwqat.cli import make_parser
from hwqat.commands import COMMANDS, schema

HERE = Path(__file__).parent
MARK = "<!-- below: written by python docs/reference.py -->\n"
#: The commands by what they are for, each with a line to begin from.
GROUPS = {
    "From data to a RUN": {
        "train": "hwqat train file.py:Net --data flowers/ --out runs/mine",
        "quantize": "hwqat quantize file.py:Net --weights net.pth --data flowers/ --out runs/mine",
        "eval": "hwqat eval runs/mine",
    },
    "From a RUN to hardware": {
        "export": "hwqat export runs/mine --board pynq-z2 --out build/mine",
        "csim": "hwqat csim build/mine",
        "cosim": "hwqat cosim build/mine --frames 20 --stall 0.3",
        "csynth": "hwqat csynth build/mine",
        "synth": "hwqat synth build/mine --target ecp5-85k --seeds 3",
        "report": "hwqat report build/mine",
    },
    "Before and between": {
        "plan": "hwqat plan runs/mine --all-boards",
        "boards": "hwqat boards",
        "layers": "hwqat layers resnet20 --data cifar10",
        "sweep": "hwqat sweep runs/mine --rescale 4:32 --out build/sweep",
        "search": "hwqat search runs/mine --average 5 --out build/search",
        "compare": "hwqat compare runs/mine/float",
    },
    "Files": {
        "onnx": "hwqat onnx runs/mine --out mine.onnx --check",
        "import": "hwqat import file.onnx --out graphs/b",
        "migrate": "hwqat migrate runs/old --net file.py:Net",
        "config": "hwqat config mine.toml",
    },
    "The tool itself": {"doctor": "hwqat doctor", "completion": "hwqat completion bash"},
}
INTRODUCTION = """# Command line

This page is written by `python docs/reference.py` from the parsers; `hwqat COMMAND --help` says the same.

Words: a RUN is the folder of a trained network, a BUILD that of its hardware, a GRAPH one of integers alone. `zoo:NAME` stands for
a RUN that ships with hwqat (`hwqat export zoo:` lists them). NET is `file.py:Net`, or one of hwqat's networks.

- **Exit codes**: 0 fine; 1 a check found a difference; 2 bad input, one sentence on stderr; 130 interrupted.
- **Options of every command**: `--json` prints the result as one JSON object, alone on stdout. `-q` says the result and what is
  wrong. `-v` says which tools are run, too.
- **Colours and bars** are for terminals; in a pipe or a file the text is plain. `NO_COLOR` is obeyed.
- **Completion**: `eval "$(hwqat completion bash)"` in your `.bashrc` (or zsh's), `hwqat completion fish | source` in fish.
- **Interrupted** work is kept where a folder is named with `--out`: say the same command again.
"""
#: Of every command, and said above.
COMMON = ("-h", "--json", "-q", "-v")


def commands() -> str:
    """The page."""
    missing = set(COMMANDS) ^ {name for group in GROUPS.values() for name in group}
    if missing:
        raise SystemExit(f"docs/reference.py and hwqat.commands differ in {sorted(missing)}")
    parts = [INTRODUCTION]
    for title, group in GROUPS.items():
        parts.append(f"## {title}\n")
        for name, example in group.items():
            parts.append(f"### hwqat {name}\n\n{_sentence(COMMANDS[name])}\n\n```\n{example}\n```\n\n{_table(name)}")
    return "\n".join(parts)


def _table(name: str) -> str:
    parser = make_parser([name]).typed
    rows = []
    for action in parser._actions:
        if action.option_strings and action.option_strings[0] in COMMON:
            continue
        words = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
        values = "" if action.nargs == 0 else words or action.dest.upper()
        forms = action.option_strings or [values]
        said = ", ".join(f"`{form} {values}`" if action.option_strings and values else f"`{form}`" for form in forms)
        rows.append((said.replace("|", "\\|"), _escaped((action.help or "").replace("%%", "%"))))
    return "| | |\n|---|---|\n" + "".join(f"| {left} | {right} |\n" for left, right in rows) if rows else ""


def keys() -> str:
    """The tables of what a config file may state."""
    found, parts = schema.of_files(), []
    for name, table in found["properties"].items():
        record = found["$defs"][table["$ref"].rpartition("/")[2]]
        parts.append(f"### [{name}]\n")
        if name == "train":
            parts.append("The keys of `[float]`, for the quantisation-aware training behind it.\n")
            continue
        parts.append("| key | value | default | |\n|---|---|---|---|")
        for key, field in record["properties"].items():
            default = f"`{json.dumps(field['default'])}`" if field.get("default") is not None else ""
            parts.append(f"| `{key}` | {_kind(field)} | {default} | {_escaped(field.get('description', ''))} |")
        parts.append("")
    return "\n".join(parts)


def _kind(field: dict) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_kind(each) for each in field["anyOf"] if each.get("type") != "null")
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    bounds = f" {low}..{high}" if high is not None else f" from {low}" if low is not None else ""
    return {"integer": "whole", "object": "table", "boolean": "true, false"}.get(
        field.get("type", ""), field.get("type", "")
    ) + bounds


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{_escaped(text[1:])}."


def _escaped(text: str) -> str:
    return (
        re.sub(r"[<>]", lambda found: {"<": "&lt;", ">": "&gt;"}[found[0]], text)
        .replace("|", "\\|")
        .replace("*", "\\*")
    )


def pages() -> dict[Path, str]:
    """What is to be in the files."""
    config = HERE / "config.md"
    return {HERE / "commands.md": commands(), config: config.read_text().partition(MARK)[0] + MARK + "\n" + keys()}


def main(words) -> int:
    wrong = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in words:
        print("\n".join(f"{path.name} is not current; run python docs/reference.py" for path in wrong) or "current")
        return int(bool(wrong))
    for path, text in pages().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
