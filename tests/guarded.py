"""Commands of hwqat under guard: each in a process of its own, forked from one that has imported all, so that it is
quick. What it says, its peak of memory, and what it tried to start are brought back.

Run as a program it is that process: a JSON list of words a line in, a JSON object a line out.
"""

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from pathlib import Path

#: Of one command: seconds of the processor, and bytes that it may take beyond what the parent has mapped, where it is
#: stopped. WAITING: seconds on the clock, on a machine that has much else to do.
SECONDS, BYTES, WAITING = 60, 3 << 30, 600
#: What the interpreter announces that no command may do with a file's content.
FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "subprocess.Popen", "os.startfile"}


class Guard:
    """``with Guard() as guard: guard(["layers", "RUN"])`` -> {code, out, err, megabytes, seconds, events}."""

    def __init__(self, cwd, programs=()):
        self.cwd, self.programs = str(cwd), list(programs)

    def __enter__(self):
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).resolve()), *self.programs]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=self.cwd
        )
        return self

    def __call__(self, argv):
        self.process.stdin.write(json.dumps([*map(str, argv)]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def fault(done) -> str | None:
    """What is wrong with how a command took bad input; None where nothing is."""
    if done["events"]:
        return f"it started {done['events'][0]}"
    if done["seconds"] >= SECONDS:
        return f"it took {done['seconds']:.0f} s"
    if done["megabytes"] > 2048:
        return f"it took {done['megabytes']:.0f} MB"
    if done["code"] not in (0, 1, 2):
        return f"exit code {done['code']}: {done['err'][-1500:]}"
    said = done["err"].splitlines()
    if "Traceback" in done["err"]:
        return done["err"][-1500:]
    if done["code"] == 2 and (not said or not said[-1].startswith("hwqat: ")):
        return f"no sentence: {done['err'][-500:]!r}"
    if done["code"] == 2 and (not said[-1].isprintable() or len(said[-1]) > 1500):
        return f"a sentence that nobody wants to read: {said[-1][:500]!r}"
    return None


def serve(programs):
    import numpy as np
    import onnx
    import onnxruntime
    import torch

    import hwqat.interchange
    import hwqat.quantize
    import hwqat.restore  # noqa: F401
    from hwqat.cli import main
    from hwqat.commands import COMMANDS  # noqa: F401

    torch.set_num_threads(1)
    del np, onnx, onnxruntime
    for line in sys.stdin:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            child(main, json.loads(line), write, programs)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            content = pipe.read()
        _, status, usage = os.wait4(pid, 0)
        done = json.loads(content) if content else {"out": "", "err": "", "events": [], "code": None}
        if done["code"] is None:
            done["code"] = os.waitstatus_to_exitcode(status)
        done |= {"seconds": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024}
        print(json.dumps(done), flush=True)


def child(main, argv, write, programs):
    from hwqat.processes import _WATCHDOG

    out, err, events = io.StringIO(), io.StringIO(), []

    def audit(event, args):
        if event == "subprocess.Popen" and _WATCHDOG in args[1]:
            return
        if event in FORBIDDEN and not any(program in repr(args) for program in programs):
            events.append(f"{event} {args!r}"[:300])

    signal.alarm(WAITING)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + 5, SECONDS + 5))
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + BYTES, mapped + BYTES))
    sys.addaudithook(audit)
    code = 99
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(argv)
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            traceback.print_exc()
    with os.fdopen(write, "wb") as pipe:
        said = {"code": code, "out": out.getvalue()[-20000:], "err": err.getvalue()[-20000:], "events": events}
        pipe.write(json.dumps(said).encode())
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1:])
