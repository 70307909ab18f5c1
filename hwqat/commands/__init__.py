"""The commands by name. Each module has HELP, arguments(parser) and run(args) -> (result, exit code)."""

from . import cosim, csim, doctor, evaluate, export, report, search, sweep, train

COMMANDS = {
    "train": train,
    "eval": evaluate,
    "export": export,
    "csim": csim,
    "cosim": cosim,
    "doctor": doctor,
    "report": report,
    "sweep": sweep,
    "search": search,
}
