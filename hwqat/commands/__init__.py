"""The commands by name. Each module has HELP, arguments(parser) and run(args) -> (result, exit code)."""

from . import compare, cosim, csim, csynth, doctor, evaluate, export, report, search, sweep, train

COMMANDS = {
    "train": train,
    "eval": evaluate,
    "export": export,
    "csim": csim,
    "cosim": cosim,
    "csynth": csynth,
    "doctor": doctor,
    "report": report,
    "compare": compare,
    "sweep": sweep,
    "search": search,
}
