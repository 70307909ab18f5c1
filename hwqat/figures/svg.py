"""SVG by hand: one function that makes an element, one that makes a drawing.

Colours are CSS classes and variables, so that one drawing serves light and dark pages. A drawing that
stands alone as a file carries STYLE; inside the report the page's own style sheet says the same.
"""

from __future__ import annotations

from html import escape

#: Colours of the series of a plot, in order: told apart by colour-blind eyes, on white and on black.
SERIES = ("#3b82d6", "#e08a1e", "#2f9e6e", "#b5479d", "#7a6ff0", "#c9504a", "#5a8f99", "#94822b")

STYLE = """
svg{--ink:#1c2430;--soft:#66707d;--line:#d6dbe2;--paper:#fff;background:var(--paper);font-family:system-ui,sans-serif}
@media(prefers-color-scheme:dark){svg{--ink:#e8ebef;--soft:#9aa4b1;--line:#39424e;--paper:#14181d}}
text{fill:var(--ink);font-size:12px}.soft{fill:var(--soft)}.axis{stroke:var(--line);fill:none}.title{font-weight:600;font-size:13px}
"""


def el(tag: str, *children: str, **attributes) -> str:
    """An element. ``class_`` is class, other underscores are dashes; floats are rounded to a tenth of a pixel.

    Children are finished SVG; text goes through `text` or `escape`.
    """
    parts = "".join(f' {name.rstrip("_").replace("_", "-")}="{_plain(value)}"' for name, value in attributes.items())
    return f"<{tag}{parts}>{''.join(children)}</{tag}>" if children else f"<{tag}{parts}/>"


def text(x: float, y: float, words: object, **attributes) -> str:
    """Text at a point; its content is escaped."""
    return el("text", escape(str(words)), x=x, y=y, **attributes)


def title(words: object) -> str:
    """What a browser shows when the pointer rests on the parent."""
    return el("title", escape(str(words)))


def drawing(width: float, height: float, *children: str, label: str, alone: bool = False, **attributes) -> str:
    """The <svg> around a drawing; ``label`` is read to those who cannot see it."""
    if alone:
        attributes["xmlns"] = "http://www.w3.org/2000/svg"
        children = (f"<style>{STYLE}</style>", *children)
    return el(
        "svg",
        *children,
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
        **attributes,
    )


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")
    return escape(str(value))
