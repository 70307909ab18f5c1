"""What Vitis HLS says about pragmas that it does not take: warnings only, and it goes on without them.

The sentences are those of the vendor's open front end (Xilinx/hls-llvm-project, DiagnosticHLSKinds.td, the groups
InvalidXlxPragmas and IgnoredXlxPragmas). Numbers in front of them ([HLS 207-5569] and others) change between releases.
"""

from __future__ import annotations

import re

_DROPPED = re.compile(
    "|".join(
        (
            r"unknown HLS pragma",
            r"unexpected pragma (parameter|argument)",
            r"missing argument for",
            r"pragma parameter '.*?' (repeated|conflicts with)",
            r"pragma option '.*?' is conflicting",
            r"at least one of '.*?' option is required",
            r"'#pragma HLS.*?' (can only be applied|is ignored|is only allowed)",
            r"Invalid (variable|interface port|function level interface port|funtion level interface port) in '#pragma HLS",
            r"Unsupported interface port data type",
            r"invalid variable expr",
            r"the expression for 'port' option is invalid",
            r"expression is not an integ(er|ral) constant expression",
            r"attribute will ignore the option",
            r"pragma is ignored, because",
            r"Assuming false dependence",
            r"Ignoring invalid 'distance' value",
            r"the pragma is not supported",
            r"option to '.*?' pragma is not supported",
            r"Ignore (dataflow|interface) attribute or pragma",
            r"Only .*? support the .*?(pragma|dataflow)",
            r"-W(invalid|ignored)-(hls|xlx)-pragmas",
        )
    )
)


def dropped_pragmas(text: str) -> list[str]:
    """The lines of a log that say so, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if _DROPPED.search(line)))
