"""The commands by name. Each module has HELP, arguments(parser) and run(args) -> (result, exit code)."""

from . import (
    compare,
    cosim,
    csim,
    csynth,
    doctor,
    evaluate,
    export,
    import_,
    layers,
    migrate,
    onnx,
    report,
    search,
    sweep,
    synth,
    train,
)

COMMANDS = {
    "train": train,
    "eval": evaluate,
    "export": export,
    "csim": csim,
    "cosim": cosim,
    "csynth": csynth,
    "synth": synth,
    "doctor": doctor,
    "onnx": onnx,
    "import": import_,
    "migrate": migrate,
    "report": report,
    "layers": layers,
    "compare": compare,
    "sweep": sweep,
    "search": search,
}
