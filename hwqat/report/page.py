"""Facts -> plain values -> the page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..folders import write_whole
from ..shown import cycles_words
from .against import COLUMNS, Other, layer_pairs, summary_rows
from .constants import constant_rows, how_made
from .drawing import cards_of, draw_network
from .files import file_rows
from .gather import Facts
from .labels import bits, percent, short, whole
from .layers import balance_rows, costs, layer_rows
from .plots import sweep_plots
from .small import frame_cards, histogram_cards

PAGE = "report/index.html"


def write_report(facts: Facts, build: str | Path, sweep: dict | None = None, other: Other | None = None) -> Path:
    """Write BUILD/report/index.html, whole or not at all."""
    path = Path(build) / PAGE
    html = page(facts, sweep, other)
    write_whole(path, lambda target: target.write_text(html, encoding="utf-8"))
    return path


def page(facts: Facts, sweep: dict | None = None, other: Other | None = None) -> str:
    """The HTML of the page; all of it, pictures, style and script included. other: a build to set beside this one."""
    environment = Environment(
        loader=PackageLoader("hwqat", "templates/report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(context(facts, sweep, other))


def context(facts: Facts, sweep: dict | None = None, other: Other | None = None) -> dict:
    """Everything the templates use, as finished text."""
    graph, plan = facts.graph, facts.plan
    cards = cards_of(graph, facts.faces, costs(plan), plan["cycles"])
    weights, tensors = histogram_cards(facts)
    for card in (*weights, *tensors):
        card["svg"] = Markup(card["svg"])
    return {
        "name": graph.meta.get("net", graph.name),
        "data": graph.meta.get("data"),
        "target": plan.get("board") or plan["target"],
        "clock": f"{plan['clock_mhz']:g}",
        "compared_words": compared_words(facts),
        "tiles": tiles(facts),
        "checks": checks(facts),
        "key": dict.fromkeys((face.family or face.label, face.colour) for face in facts.faces.values()),
        "strips": [{"module": s.module, "svg": Markup(s.svg)} for s in draw_network(graph, cards)],
        "layers": layer_rows(facts),
        "sqnr": facts.compared is not None,
        "totals": totals(facts),
        "board": resources(facts),
        "where": _where(plan),
        "limit": plan.get("limit"),
        "files": file_rows(facts),
        "other": None if other is None else against(facts, other),
        "balance": balance_rows(facts),
        "cycles": whole(plan["cycles"]),
        "weights": weights,
        "tensors": tensors,
        "frames_counted": facts.frames,
        "constants": constant_rows(facts),
        "how_made": how_made(facts),
        "frames": frame_cards(facts),
        "labelled": facts.labels is not None,
        "plots": [Markup(svg) for svg in sweep_plots(sweep)] if sweep else [],
        "sweep_words": f"{len(sweep['points'])} points over {whole(sweep['images'])} images" if sweep else "",
        "synth": _synth(facts),
        "commands": commands(facts),
    }


def tiles(facts: Facts) -> list[dict]:
    """The numbers at the top: (name, value, remark)."""
    graph, plan = facts.graph, facts.plan
    weight_bits = sum(node.weight_bits_total() for node in graph.nodes)
    weights = sum(node.weight.size for node in graph.nodes if hasattr(node, "weight"))
    return [
        {"name": name, "value": value, "remark": remark}
        for name, value, remark in [
            _accuracy(facts),
            (
                "frames a second",
                short(plan["fps"]),
                f"{whole(plan['cycles'])} cycles a frame at {plan['clock_mhz']:g} MHz",
            ),
            ("work", f"{short(plan['macs'])} MACs", f"{plan['macs'] / plan['cycles']:.1f} a cycle"),
            (
                "weights",
                bits(weight_bits),
                f"{whole(weights)} of them, {weight_bits / max(1, weights):.2f} bits on average",
            ),
            (
                "DSP, estimated",
                whole(plan["dsp"]),
                _share(plan, "dsp")
                + (f"{plan['macs'] / plan['cycles'] / plan['dsp']:.2f} MACs per DSP and cycle" if plan["dsp"] else ""),
            ),
            ("LUT, estimated", whole(plan["lut"]), f"{_share(plan, 'lut')}flip-flops: {_of(plan, 'ff')}"),
            ("memory", bits(plan["memory_bits"]), f"block RAMs of 18 kbit: {_of(plan, 'bram')}"),
        ]
    ]


def resources(facts: Facts) -> list[dict]:
    """A row for each resource of the device: used, there, and the share, by the plan's estimates."""
    plan, words = facts.plan, {"dsp": "DSP", "lut": "LUT", "ff": "flip-flops", "bram": "block RAM of 18 kbit"}
    rows = []
    for key, name in words.items():
        if has := plan.get("available", {}).get(key):
            share = 100 * plan[key] / has
            rows.append(
                {
                    "name": name,
                    "used": whole(plan[key]),
                    "there": whole(has),
                    "percent": f"{share:.0f} %" if share >= 10 or not share else f"{share:.1f} %",
                    "share": f"{min(100, share):.1f}",
                    "over": share > 100,
                }
            )
    return rows


def _where(plan: dict) -> str:
    """The board, or the device."""
    part = plan.get("part")
    board = plan.get("board")
    return f"{board} ({part})" if board else part or plan["target"]


def against(facts: Facts, other: Other) -> dict:
    """What the comparison with another build shows."""
    pairs = layer_pairs(facts, other)
    return {
        "name": other.graph.meta.get("net", other.graph.name),
        "folder": other.folder,
        "target": _where(other.plan),
        "clock": f"{other.plan['clock_mhz']:g}",
        "summary": summary_rows(facts, other),
        "columns": [head for _, head in COLUMNS],
        "layers": pairs,
        "changed": sum(row["differs"] for row in pairs),
    }


def _of(plan: dict, name: str) -> str:
    """``186 of 220 (85 %)``; of a plan that does not say what its device has, the number alone."""
    has = plan.get("available", {}).get(name)
    return f"{whole(plan[name])} of {whole(has)} ({100 * plan[name] / has:.0f} %)" if has else whole(plan[name])


def _share(plan: dict, name: str) -> str:
    """``85 % of 220; ``, where the plan says what there is."""
    has = plan.get("available", {}).get(name)
    return f"{100 * plan[name] / has:.0f} % of {whole(has)}; " if has else ""


def _accuracy(facts: Facts) -> tuple[str, str, str]:
    """What was measured on this very graph: by 'hwqat eval', or by eval() when the network was trained."""
    floating = facts.floating
    behind = "" if floating is None else f"; float {percent(floating)}"
    if (found := facts.results.get("eval")) is not None:
        return f"accuracy, {found['engine']}", percent(found["accuracy"]), f"of {whole(found['images'])} images{behind}"
    trained = facts.graph.meta.get("accuracy", {}).get("test")
    if trained is not None:
        return "accuracy, eval() when trained", percent(trained), f"of the test set, the same integers{behind}"
    return "accuracy", "not measured", "hwqat eval BUILD measures it"


def compared_words(facts: Facts) -> str:
    """Which engines were compared with golden, and how that came out."""
    words = []
    for name, engine in (("csim", "C-simulation"), ("cosim", "co-simulation")):
        result = facts.results.get(name)
        if result is None:
            words.append(f"{engine} not run")
        elif result["mismatches"]:
            words.append(f"{engine} differs from golden")
        else:
            words.append(f"{engine} equals golden on {whole(result['frames'])} frames")
    return ", ".join(words)


def checks(facts: Facts) -> list[dict]:
    """A row for each engine: frames, mismatches, and what it measured."""
    known = len(facts.inputs)
    rows = [
        {
            "engine": "golden",
            "frames": whole(known),
            "mismatches": "–",
            "state": "plain",
            "remark": _golden_words(facts),
        }
    ]
    for name, words in (("csim", "C-simulation of the HLS C++"), ("cosim", "co-simulation of the RTL")):
        result = facts.results.get(name)
        if result is None:
            rows.append(
                {
                    "engine": words,
                    "frames": "–",
                    "mismatches": "–",
                    "state": "plain",
                    "remark": f"not run; say hwqat {name} BUILD",
                }
            )
            continue
        wrong = result["mismatches"]
        rows.append(
            {
                "engine": words,
                "frames": whole(result["frames"]),
                "mismatches": whole(wrong),
                "state": "bad" if wrong else "good",
                "remark": _cycles_words(result) if not wrong else str(result.get("where") or result.get("first") or ""),
            }
        )
    return rows


def _golden_words(facts: Facts) -> str:
    if facts.labels is None:
        return "the expected integers in vectors/"
    right = int((facts.predictions == facts.labels).sum())
    return f"{right} of {len(facts.labels)} frames in vectors/ classified right ({percent(100 * right / len(facts.labels))})"


def _cycles_words(result: dict) -> str:
    steady, fill = result.get("steady_cycles"), result.get("fill_cycles")
    if fill is None:
        return f"{whole(steady)} trips a frame in the longest loop" if steady is not None else ""
    return cycles_words(fill, steady, whole)


def totals(facts: Facts) -> dict:
    plan = facts.plan
    return {
        "macs": whole(plan["macs"]),
        "cycles": whole(plan["cycles"]),
        "dsp": whole(plan["dsp"]),
        "lut": whole(plan["lut"]),
        "bram": whole(plan["bram"]),
        "memory": bits(plan["memory_bits"]),
        "percent": {
            key: f"{100 * plan[key] / has:.0f} %" if (has := plan.get("available", {}).get(key)) else ""
            for key in ("dsp", "lut", "bram")
        },
    }


def _synth(facts: Facts) -> list[dict]:
    """Synthesis beside the plan's estimate."""
    synth = facts.results.get("synth")
    if synth is None:
        return []
    rows = [
        {"name": key.upper(), "synth": whole(synth[key]), "plan": whole(facts.plan[key])}
        for key in ("dsp", "lut", "ff", "bram")
        if synth.get(key) is not None
    ]
    if synth.get("fmax_mhz") is not None:
        rows.append({"name": "Fmax, MHz", "synth": f"{synth['fmax_mhz']:.1f}", "plan": f"{facts.plan['clock_mhz']:g}"})
    return rows


def commands(facts: Facts) -> list[str]:
    """What was typed, as far as the build knows."""
    results = (facts.results.get(name, {}) for name in ("eval", "csim", "cosim", "csynth", "synth"))
    typed = [facts.trained, facts.command, *(result["command"] for result in results if "command" in result)]
    return [*dict.fromkeys(filter(None, typed)), facts.reported]
