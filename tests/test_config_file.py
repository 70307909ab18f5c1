"""Config files: every option of train and export, of every command that plans; typed goes before; the schema holds."""

import json
from argparse import ArgumentParser
from pathlib import Path

import msgspec
import pytest

from hwqat.cli import _parsed, main, make_parser
from hwqat.commands import export, load, options, schema, train
from hwqat.errors import HwqatError
from hwqat.zoo import RECIPES

PUBLISHED = Path(__file__).parents[1] / "docs/config.schema.json"


def parsed(*argv):
    """What a command is given."""
    return vars(_parsed(make_parser(list(argv)), list(argv)))


@pytest.fixture
def write(tmp_path):
    def write(text, name="own.toml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_every_option_of_train_and_export_has_a_key():
    for module, tables in ((train, ("run",)), (export, ("export", "target"))):
        parser = ArgumentParser(add_help=False)
        module.arguments(parser)
        wanted = {action.dest for action in parser._actions} - {"config"}
        assert wanted == {field.name for table in tables for field in msgspec.structs.fields(options.record(table))}


def test_a_file_says_what_is_not_typed(write):
    own = write('[target]\nboard = "pynq-z2"\nclock = 150\nuse_dsp = 50\n[export]\nout = "there"\nvectors = 4\n')
    plain = parsed("export", "run", "--config", own)
    assert (plain["board"], plain["clock"], plain["use_dsp"]) == ("pynq-z2", 150.0, 50.0)
    assert (plain["source"], plain["out"], plain["vectors"], plain["check"]) == ("run", "there", 4, False)
    typed = parsed("export", "run", "--config", own, "--clock", "100", "--vectors", "9", "--board", "kv260")
    assert (typed["clock"], typed["vectors"], typed["board"]) == (100.0, 9, "kv260")
    for command in ("plan", "sweep", "search"):
        more = [] if command == "plan" else ["--out", "there"]
        assert parsed(command, "run", *more, "--config", own)["board"] == "pynq-z2"


def test_of_several_files_the_later_wins(write):
    first = write('[target]\nclock = 150\nboard = "kv260"\n')
    assert parsed(
        "plan", "run", "--config", first, "--config", write("[target]\nclock = 90\n", "b.toml")
    ) | {} == parsed(
        "plan", "run", "--config", first, "--config", str(Path(first).with_name("b.toml")), "--clock", "90"
    )


def test_training_and_export_need_nothing_else(write, tmp_path, monkeypatch, capsys):
    """Two commands with one file make the hardware; what the build says of its making has no path of this machine."""
    monkeypatch.chdir(tmp_path)
    own = write(
        '[run]\nnet = "digitnet"\ndata = "digits"\nout = "run"\nwidth = 0.5\n[float]\nepochs = 1\n[train]\nepochs = 1\n'
        '[target]\nboard = "pynq-z2"\nfps = 5000\n[export]\nout = "build"\nvectors = 3\n'
    )
    assert main(["train", "--config", own]) == 0
    assert main(["export", "--config", own]) == 0
    assert "pynq-z2" in capsys.readouterr().out
    assert json.loads((tmp_path / "build/report/plan.json").read_text())["board"] == "pynq-z2"
    made = json.loads((tmp_path / "build/report/export.json").read_text())["command"]
    assert made == "hwqat export --config own.toml"
    assert main(["export", "run", "--config", own, "--out", "other"]) == 0


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[target]\nclok = 3\n", "[target] of {}: object contains unknown field `clok`; see 'hwqat config --schema'"),
        ("[target]\nclock = -3\n", "[target] of {}, clock: expected `float` > 0.0; see"),
        ('[target]\nfps = "many"\n', "[target] of {}, fps: expected `float`, got `str`; see"),
        ("[export]\nvectors = 0\n", "[export] of {}, vectors: expected `int` >= 1; see"),
        ('[target]\nboard = "kv261"\n', "'kv261'"),
        ("[exprot]\nvectors = 1\n", "unknown section 'exprot' in {}; known are [run], [scheme], [float]"),
    ],
)
def test_what_is_no_option_is_one_sentence(write, capsys, text, sentence):
    own = write(text)
    for argv in (["export", "zoo:digitnet-int8", "--out", "x", "--config", own], ["config", own]):
        assert main(argv) == 2
        said = capsys.readouterr().err
        assert sentence.format(own) in said and said.count("\n") == 1


def test_what_is_still_missing_is_said(write, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--config", write('[run]\ndata = "digits"\n')])
    assert stop.value.code == 2 and "required: NET, --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--config", write('[run]\nnet = "digitnet"\n')])
    assert "required: --data, --out;" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "x", "--config", "nowhere.toml", "--help"])
    assert "usage" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "x", "--config"])
    assert "--config: expected one argument" in capsys.readouterr().err


def test_config_prints_what_files_come_to(write, capsys):
    own = write('[scheme]\nweight_bits = 4\n[scheme.layers."blocks.*"]\nweight_bits = 6\n[target]\nclock = 90.0\n')
    assert main(["config", own]) == 0
    said = capsys.readouterr().out
    again = write(said, "again.toml")
    assert main(["config", again]) == 0 and capsys.readouterr().out == said
    assert 'layers = {"blocks.*" = {"weight_bits" = 6}}' in said
    assert main(["config", write("[train]\nepochs = -1\n")]) == 2
    assert main(["config"]) == 2


# The schema ---------------------------------------------------------------------------------------------------------


def test_the_published_schema_is_todays(capsys):
    assert main(["config", "--schema"]) == 0
    assert capsys.readouterr().out == PUBLISHED.read_text(), "hwqat config --schema > docs/config.schema.json"


def test_the_schema_takes_every_recipe_that_ships_and_refuses_others():
    jsonschema = pytest.importorskip("jsonschema")
    import tomllib

    found = schema.of_files()
    jsonschema.Draft202012Validator.check_schema(found)
    check = jsonschema.Draft202012Validator(found)
    for path in RECIPES.glob("*.toml"):
        check.validate(tomllib.loads(path.read_text()))
    good = '[run]\nnet = "a.py:Net"\nfrom = "zoo:x"\n[target]\nboard = "kv260"\nclock = 10\n[scheme]\nrescale = 16\n'
    check.validate(tomllib.loads(good))
    for bad in (
        "[target]\nclok = 1",
        "[target]\nclock = 0",
        "[train]\noptimizer = 'x'",
        "[x]\n",
        "[export]\ncheck = 1",
    ):
        assert not check.is_valid(tomllib.loads(bad)), bad


def test_every_key_says_what_it_is():
    for name, table in schema.of_files()["$defs"].items():
        for key, about in table["properties"].items():
            assert about.get("description"), f"{name}.{key}"


def test_commands_that_plan_take_the_target_of_a_file():
    for name in ("export", "plan", "sweep", "search"):
        assert "target" in load(name).TABLES
    with pytest.raises(HwqatError, match="does not exist"):
        parsed("plan", "x", "--config", "nowhere.toml")
