"""``hwqat doctor``: which tools are here, what each enables, and how to get what is missing."""

from __future__ import annotations

from ..console import say, styled
from ..tools import Found, look


def arguments(parser) -> None:
    del parser  # nothing to choose


def run(args):
    """Exit code 1 when a tool is missing that the line itself needs; the others are optional."""
    found = look()
    width = max(len(each.version or "") for each in found)
    print("\n".join(_line(each, width) for each in found))
    missing = [each for each in found if not each.there]
    lacking = [each.tool.name for each in missing if each.tool.needed]
    if missing:
        print("\nTo get what is missing:")
        print("\n".join(f"  {each.tool.name:<20} {each.tool.get}" for each in missing))
    print()
    say(
        f"Missing, and needed: {', '.join(lacking)}." if lacking else "All that 'make export' needs is here.",
        not lacking,
    )
    return {"ready": not lacking, "tools": [_plain(each) for each in found]}, int(bool(lacking))


def _line(each: Found, width: int) -> str:
    mark = "ok" if each.there else "MISSING" if each.tool.needed else "-"
    shown = styled(f"{mark:<8}", {"ok": "green", "MISSING": "bold red"}.get(mark, ""))
    return f"  {shown}{each.tool.name:<20} {each.version or '':<{width}}  {each.tool.enables}"


def _plain(each: Found) -> dict:
    tool = each.tool
    return {
        "name": tool.name,
        "found": each.there,
        "needed": tool.needed,
        "version": each.version,
        "place": each.place,
        "enables": tool.enables,
        "get": tool.get,
    }
