"""The tree: nothing knows an operator or a stage but its own files, and the registries that import them.

An operator's own files are those in the folders of the engines that register it, make it or are made of it. They are
found by reading the sources; the table in docs/extending.md is made of the same.
"""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hwqat.ops import OPS
from hwqat.stages import STAGES

ROOT = Path(__file__).parents[1]
DOC = ROOT / "docs" / "extending.md"

#: Known everywhere, since a network begins and ends somewhere and one operator changes scale: sweeps, reports, front ends
#: and files are about them.
EVERYWHERE = {"input", "output", "requant"}
#: Stages of no operator: the network puts them between two, and the folding counts what they cost.
BETWEEN = {"Fork", "Width"}
PLUMBERS = {"hwqat/passes/network.py", "hwqat/passes/folding.py"}
#: Folders with a file for each operator, or for a family of them.
ENGINES = (
    "hwqat/ops",
    "hwqat/stages",
    "hwqat/kinds",
    "hwqat/nn/steps",
    "hwqat/interchange/integers",
    "hwqat/interchange/qonnx_out",
    "hwqat/interchange/qdq_out",
    "hwqat/interchange/qonnx_in",
    "sim/models/fxp",
    "tests/drawing",
)
#: Decorators that register a part by the operator's name.
REGISTER = {"reference", "writes"}

CLASSES = {cls.__name__: op for op, cls in OPS.items()}
KINDS = {cls.kind for cls in STAGES} | set(OPS)


def sources() -> list[Path]:
    """Of the package, each under the name that it has in the repository."""
    links = [ROOT / "hwqat" / link for link in ("hls", "sim", "templates")]
    found = [*(ROOT / "hwqat").rglob("*.py"), *(ROOT / "sim").rglob("*.py")]
    return sorted(path for path in found if not set(links) & set(path.parents))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_own(path: Path) -> bool:
    """Whether it is a file for operators of one family: one in an engine's folder, but for what all share there."""
    return name_of(path.parent) in ENGINES and path.stem not in ("__init__", "base")


@cache
def imports(path: Path, package: str) -> tuple[str, ...]:
    """Names that a file imports from a package of hwqat (``ops``) or from a module in it, and what it takes as ``ops.X``."""
    inside = name_of(path.parent).removeprefix("hwqat").strip("/").split("/")
    return tuple(imported(tree(path), ["hwqat", *filter(None, inside)], package))


def imported(module: ast.Module, inside: list[str], package: str) -> Iterator[str]:
    """inside: the package that the module is in."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            where = inside[: len(inside) - node.level + 1] if node.level else []
            where = [*where, *(node.module.split(".") if node.module else [])]
            if where[:2] == ["hwqat", package]:
                yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == package:
            yield node.attr


# ---- the rules


def missing(path: Path) -> Iterator[str]:
    """Names that a source imports from modules of hwqat that have no such name: those inside of functions are imported
    when somebody calls them first, and no other test may do so."""
    inside = [*filter(None, ["hwqat", *name_of(path.parent).removeprefix("hwqat").strip("/").split("/")])]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            where = inside[: len(inside) - node.level + 1] if node.level else []
            module = ".".join([*where, *([node.module] if node.module else [])])
            if module.split(".")[0] == "hwqat":
                found = importlib.import_module(module)
                for alias in node.names:
                    part = hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{alias.name}")
                    if not hasattr(found, alias.name) and not part:
                        yield f"{name_of(path)}:{node.lineno}: {alias.name} from {module}"


def test_whatever_is_imported_is_there():
    assert [line for path in sources() for line in missing(path)] == []


def comparisons(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Where a source asks which operator or kind something is: the text, and the names it asks for."""
    for node in ast.walk(module):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr in ("op", "kind") for side in sides):
                asked = sides
        elif isinstance(node, ast.Match):
            if isinstance(node.subject, ast.Attribute) and node.subject.attr in ("op", "kind"):
                asked = [case.pattern for case in node.cases]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "of":
            asked = node.args
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Attribute)
            and node.slice.attr in ("op", "kind")
        ):
            asked = [node.value]
        elif isinstance(node, ast.Dict):  # a table by name
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            if len(KINDS & set(keys)) > 1:
                asked = list(node.keys)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            asked = [
                ast.Constant(CLASSES[n.id])
                for n in ast.walk(node.args[1])
                if isinstance(n, ast.Name) and n.id in CLASSES
            ]
            if "step" in ast.unparse(node.args[0]):  # of a quantised network, not of a graph
                asked = []
        words = {c.value for part in asked if part for c in ast.walk(part) if isinstance(c, ast.Constant)}
        if found := {word for word in words if word in KINDS}:
            yield ast.unparse(node)[:80], found


def test_nobody_asks_which_operator_or_stage_it_is():
    found = [
        f"{name_of(path)}: {text}"
        for path in sources()
        if not is_own(path)
        for text, names in comparisons(tree(path))
        if names - EVERYWHERE
    ]
    assert not found, "ask the operator or the stage instead"


def test_no_template_asks_either():
    found = []
    for path in sorted((ROOT / "templates").rglob("*.j2")):
        for asked in re.findall(r"\.(?:op|kind) (?:==|!=|in) [^%}]*", path.read_text()):
            found += [f"{name_of(path)}: {asked}"] if set(re.findall(r'"(\w+)"', asked)) & KINDS else []
    assert not found


def test_nobody_imports_an_operator_but_its_own_files():
    found = [
        f"{name_of(path)} imports {name}"
        for path in sources()
        if not is_own(path) and name_of(path) != "hwqat/ops/__init__.py"
        for name in imports(path, "ops")
        if CLASSES.get(name, "input") not in EVERYWHERE
    ]
    assert not found, "an operator's part of an engine stands in a file of that engine's folder, and registers there"


def test_nobody_imports_a_stage_but_operators():
    stages = {cls.__name__ for cls in STAGES}
    found = []
    for path in sources():
        allowed = BETWEEN if name_of(path) in PLUMBERS else set()
        if name_of(path) != "hwqat/stages/__init__.py" and name_of(path.parent) != "hwqat/ops":
            found += [f"{name_of(path)} imports {n}" for n in imports(path, "stages") if n in stages - allowed]
    assert not found


def test_no_file_of_an_operator_knows_another():
    """But families, and what stands in front or behind by the network's own rules, as the table says."""
    for path in sources():
        if name_of(path.parent) == "hwqat/ops" and path.stem in OPS:
            others = {CLASSES[n] for n in imports(path, "ops") if n in CLASSES} - {path.stem}
            assert not others, f"{name_of(path)} imports {others}"


def test_nothing_below_the_commands_knows_them():
    above = ("hwqat/commands/", "hwqat/cli.py", "hwqat/__main__.py")
    found = [
        f"{name_of(path)} imports {name}"
        for path in sources()
        if not name_of(path).startswith(above)
        for name in (*imports(path, "commands"), *imports(path, "cli"))
    ]
    assert not found, "commands are thin: what others need stands below them"


BREAKS = """
from ..ops import Conv2d, Requant
from hwqat.stages.mvu import Mvu
if node.op == "conv2d": pass
if stage.kind in ("window", "mvu"): pass
graph.of("max_pool")
{"concat": 1, "flatten": 2}[node.op]
isinstance(node, MaxPool)
match node.op:
    case "linear": pass
ops.Linear.make
"""


def test_the_rules_find_what_breaks_them():
    bad = ast.parse(BREAKS)
    found = set.union(*(names for _, names in comparisons(bad)))
    assert found == {"conv2d", "window", "mvu", "max_pool", "concat", "flatten", "linear"}
    assert list(imported(bad, ["hwqat", "passes"], "ops")) == ["Conv2d", "Requant", "Linear"]
    assert list(imported(bad, ["hwqat", "passes"], "stages")) == ["Mvu"]
    fine = ast.parse('graph.of("input"); node.op == "requant"; node.op == REQUANT; {"mode": "max_pool"}')
    assert not [text for text, names in comparisons(fine) if names - EVERYWHERE]


# ---- the table of files


@cache
def steps() -> dict[str, set[str]]:
    """Classes of steps in a quantised network -> the operators whose nodes they make."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "hwqat" / "nn" / "steps").glob("*.py"):
        for cls in (node for node in tree(path).body if isinstance(node, ast.ClassDef)):
            made = {CLASSES[n] for n in imported(ast.Module([cls], []), [], "ops") if n in CLASSES}
            if made:
                found[cls.name] = made
    return found


@cache
def operators_of(path: Path) -> set[str]:
    """Those that a file is for: it defines, makes, reads or registers them."""
    module, folder = tree(path), name_of(path.parent)
    if folder == "hwqat/ops":
        return {CLASSES[node.name] for node in module.body if isinstance(node, ast.ClassDef) and node.name in CLASSES}
    found = {CLASSES[n] for n in imports(path, "ops") if n in CLASSES}
    if folder == "hwqat/kinds":
        for node in (n for n in ast.walk(module) if isinstance(n, ast.ImportFrom)):
            if (node.module or "").startswith("hwqat.nn.steps"):
                found |= {op for alias in node.names for op in steps().get(alias.name, ())}
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in REGISTER:
            found |= {arg.value for arg in call.args if isinstance(arg, ast.Constant)}
    return found


def stages_of(op: str) -> list[type]:
    """Stages that an operator is built of, by what its class and the classes below it import."""
    files = {Path(inspect.getfile(cls)) for cls in OPS[op].__mro__ if cls.__module__.startswith("hwqat.ops.")}
    names = {alias for path in files for alias in imports(path, "stages")}
    return [cls for cls in STAGES if cls.__name__ in names]


def texts_of(stage: type) -> list[Path]:
    """Its C++ and SystemVerilog: as its class says, or, where that depends on its shape, all that begin with its kind."""
    header, module = (vars(stage).get(name) for name in ("header", "rtl"))
    found = [header] if isinstance(header, str) else [p.name for p in (ROOT / "hls").glob(f"{stage.kind}*.h")]
    pattern = f"{module}.sv" if isinstance(module, str) else f"hwqat_{stage.kind}*.sv"
    return [ROOT / "hls" / name for name in sorted(found)] + sorted((ROOT / "hls" / "rtl").glob(pattern))


@cache
def table() -> str:
    """A row for each operator."""
    files = [
        path for path in (*sources(), *(ROOT / "tests" / "drawing").glob("*.py")) if name_of(path.parent) in ENGINES
    ]
    rows = []
    for op in sorted(OPS):
        own = [path for path in files if path.stem not in ("__init__", "base") and op in operators_of(path)]
        of = lambda *folders: [p for f in folders for p in own if name_of(p.parent) == f]  # noqa: E731, B023
        built = stages_of(op)
        texts = [p for cls in built for p in texts_of(cls)]
        cells = [
            of("hwqat/ops"),
            [Path(inspect.getfile(cls)) for cls in built],
            texts,
            of("hwqat/kinds"),
            of("hwqat/nn/steps"),
            of("sim/models/fxp"),
            of(*(folder for folder in ENGINES if "interchange" in folder)),
            of("tests/drawing"),
        ]
        names = lambda paths: ", ".join(short(p) for p in paths)  # noqa: E731
        rows.append(f"| `{op}` | " + " | ".join(map(names, cells)) + " |")
    return "\n".join(rows)


def short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if "interchange" in path.parts else path.name


def parts_of_page() -> tuple[str, str, str]:
    """What stands in front of the table's rows, the rows, and the rest."""
    found = re.fullmatch(r"(.*\|---\|\n)((?:\| `\w+` \|[^\n]*\n)*)(\n[^|].*)", DOC.read_text(), re.DOTALL)
    return found.groups()


def test_each_operator_has_a_row_of_files_that_are_there(request):
    """Written anew by ``pytest tests/test_tree.py --regenerate``."""
    before, shown, after = parts_of_page()
    if request.config.getoption("--regenerate"):
        shown = table() + "\n"
        DOC.write_text(before + shown + after)
    assert re.findall(r"^\| `(\w+)` \|", shown, re.MULTILINE) == sorted(OPS)
    there = {short(path) for folder in (*ENGINES, "hls", "hls/rtl") for path in (ROOT / folder).iterdir()}
    assert set(re.findall(r"[\w/]+\.(?:py|h|sv)\b", shown)) <= there


@pytest.mark.slow
def test_the_table_of_files_is_the_tree():
    assert parts_of_page()[1] == table() + "\n"


def test_each_operator_has_its_part_in_each_engine():
    """One that has no form in ONNX is refused by name; golden, the reference and random graphs have all of them."""
    for row in table().splitlines():
        op, ops, _, _, _, _, sim, _, draw = (cell.strip() for cell in row.strip("|").split("|"))
        assert ops, row
        assert (sim and draw) or op.strip("`") in EVERYWHERE, row


def test_code_on_the_page_is_that_of_the_extension():
    """Each block of the walk is a piece of one of its files."""
    files = [path.read_text() for path in (ROOT / "tests" / "extension" / "maximum").glob("*.*")]
    walk = DOC.read_text().split("## The package's own operators")[0]
    blocks = re.findall(r"^```(?:python|cpp|systemverilog)\n(.*?)^```", walk, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        assert any(block in text for text in files), block
