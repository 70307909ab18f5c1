"""The HLS compilers by the program that starts them: command line, environment, where the report lies.

Command lines and folders are those of the vendors' documents (UG1399, UG1702; PandA-bambu's help): the
generated run_hls.tcl and hls_config.cfg hold everything else.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import HwqatError

TOOLS = ("vitis", "bambu")
#: The part that PandA-bambu has characterised and that hwqat's C++ was tried on, unless another is asked for.
BAMBU_PART = "xc7z020-1clg484-VVD"


@dataclass(frozen=True)
class Job:
    """One synthesis.

    Attributes:
        top: function to synthesise; hls: absolute folder of the C++; work: absolute folder for what the compiler writes.
        part: device part; clock_ns: period.
    """

    top: str
    hls: Path
    work: Path
    part: str
    clock_ns: float

    @property
    def project(self) -> Path:
        """The tool's own folder; run_hls.tcl names it too."""
        return self.work / f"{self.top}_hls"

    @property
    def sources(self) -> list[Path]:
        """C++ of the design, top first, without the test bench."""
        return [self.hls / f"{self.top}.cpp", *sorted((self.hls / "blocks").glob("*.cpp"))]


@dataclass(frozen=True)
class Compiler:
    """One way to run an HLS compiler.

    Attributes:
        program: its name on PATH; tool: what ``--tool`` calls it.
        command: arguments behind the program; environment: variables to set.
        results: folder with ``syn/report`` and ``syn/verilog``; None for a compiler that writes no XML.
        prepare: files to write into the work folder first, name -> text.
    """

    program: str
    tool: str
    command: Callable[[Job], list[str]]
    results: Callable[[Job], Path] | None
    environment: Callable[[Job], dict[str, str]] = field(default=lambda job: {})
    prepare: Callable[[Job], dict[str, str]] = field(default=lambda job: {})


def choose(tool: str | None = None) -> Compiler:
    """The first compiler on PATH, of ``tool`` or of any; an error names what to install."""
    if tool is not None and tool not in TOOLS:
        raise HwqatError(f"unknown --tool {tool!r}; choose one of {', '.join(TOOLS)}")
    wanted = [compiler for compiler in COMPILERS if tool in (None, compiler.tool)]
    for compiler in wanted:
        if shutil.which(compiler.program):
            return compiler
    get = {
        "vitis": "install AMD Vitis and source its settings64.sh",
        "bambu": "put the AppImage of PandA-bambu 2024.10 on PATH as 'bambu'",
    }
    raise HwqatError(
        f"no HLS compiler is on PATH (looked for {', '.join(compiler.program for compiler in wanted)}): "
        + ", or ".join(text for name, text in get.items() if tool in (None, name))
    )


def config(job: Job) -> str:
    """hls_config.cfg for this part and clock, with absolute paths: it lies in another folder than the sources."""
    path = job.hls / "hls_config.cfg"
    try:
        text = path.read_text()
    except OSError as error:
        raise HwqatError(f"{path} cannot be read ({error.strerror}); export the build again") from None
    text = re.sub(r"^part=.*$", f"part={job.part}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^clock=.*$", f"clock={job.clock_ns:g}ns", text, count=1, flags=re.MULTILINE)
    absolute = lambda found: f"{found[1]}={(job.hls / found[2]).resolve()}"  # noqa: E731
    return re.sub(r"^((?:syn|tb)\.file)=(.*)$", absolute, text, flags=re.MULTILINE)


def _bambu(job: Job) -> list[str]:
    return [
        *map(str, job.sources),
        f"--top-fname={job.top}",
        "--compiler=I386_CLANG16",
        "--std=c++14",
        "-O2",
        "--generate-interface=INFER",
        f"--device-name={job.part}",
        f"--clock-period={job.clock_ns:g}",
    ]


def _tcl_settings(job: Job) -> dict[str, str]:
    """What run_hls.tcl reads."""
    return {"HLS_STEPS": "csynth", "HLS_PART": job.part, "HLS_CLOCK": f"{job.clock_ns:g}"}


#: In the order of preference: the classic program, then the two of Vitis Unified, then the open compiler.
COMPILERS = (
    Compiler(
        "vitis_hls",
        "vitis",
        lambda job: ["-f", str(job.hls / "run_hls.tcl")],
        lambda job: job.project / "solution1",
        environment=_tcl_settings,
    ),
    Compiler(
        "v++",
        "vitis",
        lambda job: [
            "-c",
            "--mode",
            "hls",
            "--config",
            str(job.work / "hls_config.cfg"),
            "--work_dir",
            str(job.project),
        ],
        lambda job: job.project / "hls",
        prepare=lambda job: {"hls_config.cfg": config(job)},
    ),
    Compiler(
        "vitis-run",
        "vitis",
        lambda job: ["--mode", "hls", "--tcl", str(job.hls / "run_hls.tcl")],
        lambda job: job.project / "solution1",
        environment=_tcl_settings,
    ),
    Compiler("bambu", "bambu", _bambu, None),
)
