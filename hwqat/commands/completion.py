"""``hwqat completion``: what a shell needs to complete hwqat's commands, options and names (`argcomplete`)."""

from __future__ import annotations

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def arguments(parser) -> None:
    parser.add_argument(
        "shell",
        choices=SHELLS,
        metavar="SHELL",
        help=f'one of {", ".join(SHELLS)}; bash and zsh: eval "$(hwqat completion bash)", fish: hwqat completion fish | source',
    )


def run(args):
    import argcomplete

    script = argcomplete.shellcode(["hwqat"], shell=args.shell)
    print(script)
    return {"shell": args.shell, "script": script}, 0
