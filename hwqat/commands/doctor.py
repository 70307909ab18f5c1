"""``hwqat doctor``: which tools are here, what each enables, and how to get what is missing."""

from __future__ import annotations

from ..answers import ToolFound
from ..console import say, styled


def arguments(parser) -> None:
    del parser  # nothing to choose


def run(args):
    """Exit code 1 when a tool is missing that the line itself needs; the others are optional."""
    from ..api import doctor

    found = doctor()
    width = max(len(tool.version or "") for tool in found.tools)
    print("\n".join(_line(tool, width) for tool in found.tools))
    missing = [tool for tool in found.tools if not tool.found]
    if missing:
        print("\nTo get what is missing:")
        print("\n".join(f"  {tool.name:<20} {tool.get}" for tool in missing))
    lacking = [tool.name for tool in missing if tool.needed]
    print()
    say(
        f"Missing, and needed: {', '.join(lacking)}." if lacking else "All that 'make export' needs is here.",
        not lacking,
    )
    return found, int(bool(lacking))


def _line(tool: ToolFound, width: int) -> str:
    mark = "ok" if tool.found else "MISSING" if tool.needed else "-"
    shown = styled(f"{mark:<8}", {"ok": "green", "MISSING": "bold red"}.get(mark, ""))
    return f"  {shown}{tool.name:<20} {tool.version or '':<{width}}  {tool.enables}"
