"""Where text of others enters generated sources, and how it is kept from being more than text there.

Names come from `hwqat.naming`: a graph, a network and a plan have no others. What is left is the command that made a
build, with the paths that someone typed; it stands in comments alone, through the filter ``comment``.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

#: What made a build that no command made.
FROM_PYTHON = "hwqat.export() in Python"
_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
#: What stays as it is. Not the backslash, which continues a comment of C++ and Tcl, nor question marks, of which two
#: and a slash are one; quotes end Python's docstrings; braces must be balanced in Tcl, even in comments.
_PLAIN = "".join(map(chr, range(32, 127))).translate({ord(c): None for c in '\\?"{}%'})


def environment(language: str) -> Environment:
    """Templates of one folder of `templates/`: hls, rtl, vivado."""
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES / language),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters |= {"comment": comment, "python": repr}
    return env


def comment(text: str) -> str:
    """Any text as part of a comment's line in C++, SystemVerilog, Tcl and Python; what could end it as %0A."""
    return quote(text, safe=_PLAIN, errors="surrogatepass")
