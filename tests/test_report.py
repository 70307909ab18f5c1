"""The report: facts are those of the build, the page is whole, and a real browser shows all of it."""

import html.parser
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import browser as chromium
import numpy as np
import pytest
import toy_builds

from hwqat.cli import main
from hwqat.figures import png
from hwqat.figures.plot import Axis
from hwqat.manifest import load_manifest
from hwqat.opening import open_run
from hwqat.report import gather, page
from hwqat.report.compare import compare, float_tensors
from hwqat.report.constants import bound, constant_rows, how_made
from hwqat.report.drawing import CARD, LINE, _fill, _places, _rows, draw_network
from hwqat.report.histogram import Histogram
from hwqat.report.labels import bits, short
from hwqat.results import load_results, save_result


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return toy_builds.write_build(
        toy_builds.resnet(8, 1, (8, 16), 1, "toy"), tmp_path_factory.mktemp("report") / "build"
    )


@pytest.fixture(scope="module")
def facts(build):
    return gather(build)


# Histograms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lo, hi", [(-127, 127), (0, 1), (-3, 900_000), (-(2**40), 2**40)])
def test_histogram_counts_every_integer(lo, hi):
    values = np.random.default_rng(0).integers(lo, hi + 1, 5000)
    histogram = Histogram.of(values[:2000], lo, hi)
    histogram.add(values[2000:])
    assert (histogram.least, histogram.most, histogram.total) == (values.min(), values.max(), 5000)
    for most in (7, 256):
        for whole in (True, False):
            first, step, counts = histogram.bars(most, whole)
            assert len(counts) <= most and counts.sum() == 5000
            assert first <= values.min() and values.max() < first + step * len(counts)
            assert counts[0] == ((values >= first) & (values < first + step)).sum()


def test_histogram_of_ends():
    histogram = Histogram.of(np.array([0, 0, 3, 255, 255]), 0, 255)
    assert histogram.clipped == 2 / 5  # zero of an unsigned range is no clamp's doing that could be told from ReLU's
    assert Histogram.of(np.array([-7, 7, 1]), -7, 7).clipped == 2 / 3
    assert Histogram.empty(0, 3).used == 0


# The drawing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2])
def test_nothing_in_the_drawing_overlaps(depth):
    from itertools import groupby

    graph = toy_builds.resnet(8, 1, (4, 8), depth, "net")
    row, ends = _rows(graph, [(m, list(nodes)) for m, nodes in groupby(graph.nodes, key=lambda n: n.module)])
    assert ends == sorted(set(ends)) and all(row[i] < row[n.name] for n in graph.nodes for i in n.inputs)
    last = {n.name: max((row[u.name] for u in graph.consumers[n.name]), default=0) for n in graph.nodes}
    rows = _fill(graph, row, last)
    x = _places(graph, rows)
    half = lambda item: LINE if item.passing else CARD / 2  # noqa: E731
    for i, items in enumerate(rows):
        order = sorted(items, key=lambda item: x[i, item])
        assert all(x[i, b] - half(b) > x[i, a] + half(a) for a, b in zip(order, order[1:]))


def test_every_node_is_drawn_once_in_its_block(facts):
    from hwqat.report.drawing import cards_of
    from hwqat.report.layers import costs

    strips = draw_network(facts.graph, cards_of(facts.graph, facts.faces, costs(facts.plan), facts.plan["cycles"]))
    drawn = [title.text for s in strips for title in ElementTree.fromstring(s.svg).iter("title")]
    assert sorted(drawn) == sorted(node.name for node in facts.graph.nodes)
    assert len({ElementTree.fromstring(s.svg).get("width") for s in strips}) == 1  # else lines would not meet
    inside = [t.text for t in ElementTree.fromstring(strips[2].svg).iter("title")]
    assert {facts.graph.by_name[name].module for name in inside} == {strips[2].module} == {"stages.0.0"}


# Facts --------------------------------------------------------------------------------------------------------------


def test_ranges_are_goldens(facts):
    values = facts.graph.run(facts.inputs, keep=True)
    for name, histogram in facts.activations.items():
        assert (histogram.least, histogram.most) == (values[name].min(), values[name].max())
        assert histogram.total == values[name].size


def test_the_bound_of_rounding_holds(facts):
    """No M and B within half a last place of the rounded ones move the sum further than the page says."""
    rng, values = np.random.default_rng(1), facts.graph.run(facts.inputs, keep=True)
    for node in facts.graph.of("requant"):
        moved = rng.uniform(-0.5, 0.5, node.bias.shape) * 2.0**-node.bias_form.frac
        for name, m, form in zip(node.inputs, node.factors, node.factor_forms):
            moved = moved + values[name] * (rng.uniform(-0.5, 0.5, m.shape) * 2.0**-form.frac)
        assert np.abs(moved).max() <= bound(facts, node)


def test_the_page_says_how_constants_were_made(facts):
    truncated, powers = (
        replace(
            facts,
            graph=replace(
                facts.graph, meta={**facts.graph.meta, "scheme": {"rescale": text}, "saturated": {"requant2": 3}}
            ),
        )
        for text in ("16,auto,AP_TRN,AP_WRAP", "16,power-of-two")
    )
    assert how_made(facts) == "" and "Constants here are" not in page(facts)
    assert "Constants here are rounded by AP_TRN, brought into their range by AP_WRAP." in page(truncated)
    for node in facts.graph.of("requant"):
        assert bound(truncated, node) == 2 * bound(facts, node)
        assert bound(powers, node) > np.abs(node.factors[0]).max() * 2.0 ** -(node.factor_forms[0].frac + 1) * abs(
            facts.activations[node.inputs[0]].most
        )
    assert {row["name"]: row["saturated"] for row in constant_rows(truncated)}["requant2"] == "3"


def test_pictures():
    frame = np.arange(-8, 9).reshape(1, 17, 1)
    pixels = png.to_pixels(frame, -8, 8)
    assert pixels[0, 0, 0] == 0 and pixels[0, -1, 0] == 255 and (np.diff(pixels[0, :, 0].astype(int)) > 0).all()
    assert png.encode(pixels).startswith(b"\x89PNG") and png.encode(pixels)[16:24] == bytes([0, 0, 0, 17, 0, 0, 0, 1])
    with pytest.raises(ValueError, match="a picture is uint8"):
        png.encode(frame)


def test_words():
    assert (bits(0), bits(5), bits(2048), bits(3 << 20)) == ("0 bit", "5 bit", "2.0 kbit", "3.0 Mbit")
    assert (short(999), short(25.27e6), short(1234)) == ("999", "25.3 M", "1.23 k")
    assert Axis.around("x", [0, 10]).ticks() == [0, 2, 4, 6, 8, 10]


# The page -----------------------------------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    """Whether every tag is closed, and what the page would load."""

    void = {"meta", "link", "img", "br", "!doctype"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.ids, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.loads += [attributes[a] for a in ("src", "data", "srcset") if a in attributes] + (
            [attributes["href"]] if tag == "link" else []
        )
        self.links += [attributes["href"]] if tag == "a" else []
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass


def test_the_page_is_whole_and_stands_alone(facts, build):
    text = page(facts)
    tags = Tags(text)
    assert not tags.open
    assert all(load.startswith("data:") for load in tags.loads)
    assert not re.search(r"@import|url\(|<script[^>]|http-equiv|fetch\(|import\(|XMLHttp", text)
    inside = {link[1:] for link in tags.links if link.startswith("#")}
    assert inside <= set(tags.ids) and len(set(tags.ids)) == len(tags.ids)  # every link leads somewhere
    others = {link for link in tags.links if not link.startswith("#")}
    assert "../graph.json" in others
    assert all((build / "report" / link).is_file() for link in others)
    for node in facts.graph.nodes:
        assert node.name in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ElementTree.fromstring(svg)


def test_names_from_outside_are_escaped(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    card = json.loads((other / "graph.json").read_text())
    card["meta"]["net"] = "<b>&net"
    (other / "graph.json").write_text(json.dumps(card))
    text = page(gather(other))
    assert "&lt;b&gt;&amp;net" in text and "<b>&net" not in text


def test_mismatches_are_told(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    save_result(
        other,
        "csim",
        {
            "command": "hwqat csim BUILD",
            "frames": 32,
            "mismatches": 3,
            "first": "frame 1, index 2",
            "fill_cycles": None,
            "steady_cycles": 9,
        },
    )
    save_result(
        other, "cosim", {"frames": 20, "mismatches": 0, "first": None, "fill_cycles": 4321, "steady_cycles": 1024}
    )
    save_result(other, "synth", {"target": "xcup", "dsp": 77, "lut": 1234, "ff": None, "bram": 0, "fmax_mhz": 62.5})
    text = page(gather(other))
    assert 'state bad">3<' in text and "frame 1, index 2" in text
    assert 'state good">0<' in text and "4,321 cycles for the first frame, 1,024 for each further one" in text
    assert "62.5" in text and '<td class="n">77</td>' in text and "hwqat csim BUILD" in text
    assert "frame 1, index 2" not in page(gather(build))


def test_one_frame_has_no_further_one(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    save_result(other, "cosim", {"frames": 1, "mismatches": 0, "fill_cycles": 4321, "steady_cycles": None})
    text = page(gather(other))
    assert "4,321 cycles for the first frame" in text and "further" not in text


def test_the_command(build, capsys):
    assert main(["report", str(build), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["bytes"] == (build / "report/index.html").stat().st_size < 3e6
    first = (build / "report/index.html").read_bytes()
    assert main(["report", str(build)]) == 0 and (build / "report/index.html").read_bytes() == first


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda b: (b / "report/plan.json").unlink(), "report/plan.json does not exist; export it again"),
        (lambda b: (b / "report/plan.json").write_text("{"), "plan.json is damaged"),
        (
            lambda b: (b / "report/plan.json").write_text('{"target": 3}'),
            "plan.json, target: expected `str`, got `int`",
        ),
        (lambda b: (b / "vectors/m_axis.dat").write_text("1 2\n"), "expected 10 integers, found 2"),
        (lambda b: (b / "vectors/m_axis.dat").write_text(" ".join("0" * 10) + "\n"), "has 32 frames and 1 outputs"),
        (lambda b: (b / "vectors/labels.dat").write_text("1\n"), "has 32 frames and 1 labels"),
    ],
)
def test_a_damaged_build_is_one_sentence(build, tmp_path, capsys, damage, sentence):
    other = shutil.copytree(build, tmp_path / "other", ignore=shutil.ignore_patterns("index.html"))
    damage(other)
    assert main(["report", str(other)]) == 2
    said = capsys.readouterr().err
    assert "is not what was exported: its sum is another; export it again" in said or "is missing; export it" in said
    toy_builds.reseal(other)
    assert main(["report", str(other)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (other / "report/index.html").exists()


def test_a_missing_sweep_is_one_sentence(build, tmp_path, capsys):
    assert main(["report", str(build), "--sweep", str(tmp_path)]) == 2
    assert "sweep.json does not exist; 'hwqat sweep" in capsys.readouterr().err


def test_results_are_those_of_the_very_build(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    result = {"frames": 1, "mismatches": 0}
    save_result(other, "csim", result)
    manifest = load_manifest(other)
    assert load_results(other, manifest) == {"csim": {"build": manifest.digest, **result}}
    assert "C-simulation equals golden on 1 frames, co-simulation not run" in page(gather(other))
    labels = other / "vectors/labels.dat"
    labels.write_text(labels.read_text()[::-1].lstrip())
    toy_builds.reseal(other)
    assert load_results(other, load_manifest(other)) == {}
    assert "C-simulation not run, co-simulation not run" in page(gather(other))


def test_a_result_of_another_form_is_one_sentence(build, tmp_path, capsys):
    other = shutil.copytree(build, tmp_path / "other")
    save_result(other, "csim", {"frames": "many", "mismatches": 0})
    assert main(["report", str(other)]) == 2
    said = capsys.readouterr().err
    assert f"csim.json, frames: expected `int`, got `str`; run 'hwqat csim {other}' again" in said


# With the run -------------------------------------------------------------------------------------------------------


def exported(folder, **scheme):
    """A RUN, its build less the back ends, and what is known of it."""
    run = toy_builds.write_run(folder / "run", **scheme)
    trained = open_run(run)
    from hwqat.restore import to_graph

    graph = to_graph(trained.model, trained.run)
    return toy_builds.write_build(graph, folder / "build", frames=8, dsp=2000), run


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Comparisons of builds with 32-bit and with 6-bit constants."""
    found = {}
    for rescale in ("32", "6"):
        build, run = exported(tmp_path_factory.mktemp("run"), rescale=rescale)
        facts = gather(build)
        found[rescale] = facts, run, compare(facts, open_run(run))
    return found


def test_wide_constants_change_nothing_and_narrow_ones_do(compared):
    assert set(compared["32"][2].changed.values()) == {0.0}
    assert max(compared["6"][2].changed.values()) > 1


def test_noise_is_that_of_the_real_difference(compared):
    facts, run, comparison = compared["32"]
    trained = open_run(run)
    import torch

    images = trained.run.grid.to_real(torch.from_numpy(facts.inputs.transpose(0, 3, 1, 2).copy()))
    reals = float_tensors(trained.model, images)
    node = facts.graph.of("requant")[-1]  # the logits, which the plain float network gives too
    from hwqat import models
    from hwqat.runs.contents import load_contents

    plain = models.build("digitnet", width=0.5)
    plain.load_state_dict({k: v for k, v in load_contents(run).state.items() if k in plain.state_dict()})
    with torch.no_grad():
        want = plain.eval()(images).double().numpy()
    assert np.allclose(reals[node.name].reshape(want.shape), want, rtol=1e-4, atol=1e-5)
    mine = facts.graph.run(facts.inputs).reshape(want.shape) * node.out.scale
    db = 10 * np.log10((want**2).sum() / ((want - mine) ** 2).sum())
    assert comparison.sqnr[node.name] == pytest.approx(db, abs=0.05)
    assert all(value > 10 for value in comparison.sqnr.values())
    assert compared["6"][2].sqnr[node.name] < comparison.sqnr[node.name]


def test_another_run_is_refused(compared, tmp_path, capsys):
    _facts, run, _ = compared["32"]
    build, _ = exported(tmp_path, weight_bits=4)
    assert main(["report", str(build), "--run", str(run)]) == 2
    assert "was not exported from this run" in capsys.readouterr().err
    assert not (build / "report/index.html").exists()


# Another build ------------------------------------------------------------------------------------------------------


def test_a_build_against_another(build, tmp_path, capsys):
    other = toy_builds.write_build(toy_builds.resnet(8, 1, (8, 16), 1, "toy"), tmp_path / "other", frames=8, dsp=60)
    save_result(other, "eval", {"engine": "golden", "images": 100, "accuracy": 91.25})
    assert main(["report", str(build), str(other), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    apart = {row["what"]: row for row in said["differences"]}
    mine, theirs = (json.loads((b / "report/plan.json").read_text()) for b in (build, other))
    assert (apart["cycles a frame"]["mine"], apart["cycles a frame"]["other"]) == (mine["cycles"], theirs["cycles"])
    assert mine["cycles"] < theirs["cycles"] and mine["dsp"] > theirs["dsp"]
    assert apart["cycles a frame"]["better"] and not apart["DSP"]["better"]
    assert apart["multiply-accumulates"]["better"] is None  # equal
    trained = gather(build).graph.meta["accuracy"]["test"]
    assert trained < 91.25
    assert apart["accuracy, %"] == {"what": "accuracy, %", "mine": trained, "other": 91.25, "better": False}
    text = (build / "report/index.html").read_text()
    assert 'id="against"' in text and "Against toy in other" in text and str(tmp_path) not in text
    change = 100 * (mine["dsp"] - theirs["dsp"]) / theirs["dsp"]
    assert f'<td class="n bad">{change:+.1f} %</td>' in text
    assert "hwqat report BUILD OTHER" in text
    layers = re.search(r"(\d+) of (\d+) layers differ", text)
    assert 0 < int(layers[1]) <= int(layers[2])
    assert main(["report", str(build), str(build)]) == 0
    assert "0 of" in (build / "report/index.html").read_text()
    assert main(["report", str(build), str(tmp_path)]) == 2
    assert main(["report", str(build)]) == 0 and 'id="against"' not in (build / "report/index.html").read_text()


def test_what_the_board_has(build, tmp_path):
    other = shutil.copytree(build, tmp_path / "other")
    plan = json.loads((other / "report/plan.json").read_text())
    plan |= {"board": "kv260", "part": "xck26", "available": {"dsp": 10 * plan["dsp"], "lut": 1, "ff": 1, "bram": 7}}
    (other / "report/plan.json").write_text(json.dumps(plan))
    text = page(gather(toy_builds.reseal(other)))
    assert "kv260 (xck26)" in text and f"<b>10 %</b> <small>{plan['dsp']:,} of {10 * plan['dsp']:,}</small>" in text
    assert 'class="bar top"><span class="name">LUT' in text  # more than there is
    assert re.search(r"of the board</th>.*<td class=\"n\">10 %</td>", text, re.S)


def test_the_commands_are_those_that_made_it(compared):
    _facts, run, _ = compared["32"]
    build = run.parent / "build"
    assert main(["report", str(build), "--run", str(run)]) == 0
    shown = re.search(r"<pre>(.*?)</pre>", (build / "report/index.html").read_text(), re.S)[1].split("\n")
    assert shown[-2] == "hwqat report BUILD --run RUN" and not any(str(run.parent) in line for line in shown)


# In a browser -------------------------------------------------------------------------------------------------------


#: Elements that reach beyond the screen; those whose words are cut; tables that must be scrolled to be read.
BEYOND = """return [...document.querySelectorAll("body *")].filter(e => !e.closest("svg") && e.getClientRects().length
  && e.getBoundingClientRect().right > %d + 0.5).map(e => e.outerHTML.slice(0, 80))"""
CUT = """return [...document.querySelectorAll("body *:not(svg *)")].filter(e => e.clientWidth && e.tagName !== "INPUT"
  && getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
browses = pytest.mark.skipif(
    not chromium.CHROMIUM,
    reason="no chromium (apt-get install chromium)",
)


@browses
def test_in_a_browser(tmp_path):
    build = toy_builds.write_build(toy_builds.resnet(), tmp_path / "resnet20", frames=8)
    assert main(["report", str(build)]) == 0
    path = build / "report/index.html"
    assert path.stat().st_size < 3e6
    with chromium.browser() as window:
        for width, height, mobile, dark in ((1280, 900, False, False), (390, 844, True, False), (390, 844, True, True)):
            window.resize(width, height, mobile=mobile, dark=dark)
            seconds = window.open(path)
            assert seconds < 10  # a busy machine; on a free one it is a fifth of a second
            assert window.log() == []
            assert window.script("return document.documentElement.scrollWidth") <= width, (
                "the page is wider than the screen"
            )
            assert window.script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
            assert window.script(BEYOND % width) == [] and window.script(CUT) == []
            boxes = window.script(
                "return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width * s.getBoundingClientRect().height)"
            )
            assert len(boxes) > 60 and min(boxes) > 1000
            paper, ink = window.script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
            assert (sum(map(int, re.findall(r"\d+", paper))) < sum(map(int, re.findall(r"\d+", ink)))) == dark


@pytest.mark.slow
@browses
def test_what_a_reader_does(tmp_path):
    """Sort, find, choose a kind, zoom, follow a card to its row and back; on a phone open a row; print."""
    graph = toy_builds.resnet(8, 2, (8, 16, 32), 1, "toy")
    build = toy_builds.write_build(graph, tmp_path / "build", frames=8)
    other = toy_builds.write_build(graph, tmp_path / "other", frames=8, dsp=40)
    assert main(["report", str(build), str(other)]) == 0
    rows = "[...document.querySelectorAll('#layers tbody tr')].filter(r => r.getClientRects().length)"
    with chromium.browser() as window:
        do = window.script
        window.resize(1280, 900)
        window.open(build / "report/index.html")
        names = lambda: do(f"return {rows}.map(r => r.id)")  # noqa: E731
        flow = names()
        column = "[...document.querySelectorAll('#layers thead th')].findIndex(h => h.textContent === 'MACs')"
        work = lambda: do(f"return {rows}.map(r => Number(r.cells[{column}].textContent.replaceAll(',', '')))")  # noqa: E731
        click = f"document.querySelectorAll('#layers thead th')[{column}].click()"
        do(click)
        assert work() == sorted(work(), reverse=True) and names() != flow and len(names()) == len(flow)
        assert do(f"return document.querySelectorAll('#layers thead th')[{column}].ariaSort") == "descending"
        do(click)
        some = [n for n in work() if n]
        assert some == sorted(some) and work()[: len(some)] == some  # those that have none come last
        do(click)
        assert names() == flow

        find = "const f = document.querySelector('#layers input'); f.value = '%s'; f.dispatchEvent(new Event('input'))"
        do(find % "conv")
        assert 0 < len(names()) < len(flow)
        assert do("return document.querySelector('#layers .count').textContent") == f"{len(names())} of {len(flow)}"
        do(find % "no such layer")
        assert names() == []
        hidden = flow[0].removeprefix("layer-")
        do(
            f"document.querySelector('#graph a[href=\"#layer-{hidden}\"]').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
        )
        do("return new Promise(done => setTimeout(done, 200))")
        assert do("return location.hash") == f"#layer-{hidden}" and names() == flow  # what a link leads to is shown
        assert do("return document.querySelector('tr:target').getBoundingClientRect().top < innerHeight")
        do("document.querySelector('tr:target th a').click()")
        assert do("return location.hash") == f"#node-{hidden}"
        kinds = do(
            "const s = document.querySelector('#layers select'); s.value = s.options[1].value; s.dispatchEvent(new Event('change')); return s.value"
        )
        assert set(do(f"return {rows}.map(r => r.dataset.kind)")) == {kinds}

        wide = "return document.querySelector('.strip').getBoundingClientRect().width"
        before = do(wide)
        do(
            "document.querySelector('#graph button:last-of-type').click(); document.querySelector('#graph button:last-of-type').click()"
        )
        assert do(wide) > 1.2 * before
        do("document.querySelector('#graph .zoom').click()")
        assert do(wide) == before

        window.resize(390, 844, mobile=True)
        window.open(build / "report/index.html")
        cells = "return [...document.querySelectorAll('#layers tbody tr')[1].cells].filter(c => c.getClientRects().length).length"
        few = do(cells)
        do("document.querySelectorAll('#layers tbody tr')[1].click()")
        assert do(cells) > few + 5 and do(BEYOND % 390) == []
        window.pdf(tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF") and window.log() == []
