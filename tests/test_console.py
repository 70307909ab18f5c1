"""What the command line shows: colours where a terminal has them, bars where somebody watches, JSON alone, completion."""

import json
import logging
import os
import re
import subprocess
import sys
import time

import pytest

from hwqat import console, progress
from hwqat.cli import main, make_parser
from hwqat.commands import COMMANDS
from hwqat.commands.plan import say_plan
from hwqat.graph_io import load_graph
from hwqat.passes import Target, make_plan
from hwqat.passes.report import plan_table

PLAIN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}


def hwqat(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "hwqat", *map(str, words)], capture_output=True, text=True, env=PLAIN | env
    )


def completed(line, **env):
    """What the shell is offered behind a line."""
    answer = env.pop("answer")
    done = subprocess.run(
        [sys.executable, "-m", "hwqat"],
        env=PLAIN
        | {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        },
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return {word.rstrip() for word in answer.read_text().split("\n")}


# Colours ------------------------------------------------------------------------------------------------------------


def test_tables_are_plain_in_a_file_and_coloured_where_they_can_be():
    plain = hwqat("boards").stdout
    assert "\x1b" not in plain
    for env in ({"FORCE_COLOR": "1", "TERM": "xterm-256color"},):
        shown = hwqat("boards", **env).stdout
        assert "\x1b[1mboard" in shown and re.sub(r"\x1b\[[\d;]*m", "", shown) == plain
    assert hwqat("boards", FORCE_COLOR="1", NO_COLOR="1").stdout == plain


def test_an_error_is_red_and_the_same_sentence():
    plain = hwqat("export", "nowhere", "--clock", "-1")
    red = hwqat("export", "nowhere", "--clock", "-1", FORCE_COLOR="1", TERM="xterm")
    assert plain.returncode == red.returncode == 2
    assert plain.stderr == "hwqat: --clock must be positive, not -1\n"
    assert red.stderr == plain.stderr.replace("hwqat:", "\x1b[1;31mhwqat:\x1b[0m")


def test_results_say_by_their_colour_whether_they_are_good(monkeypatch, capsys):
    monkeypatch.setattr(console, "can_colour", lambda stream: True)
    console.say("0 mismatches", good=True)
    console.say("3 mismatches", good=False)
    console.say_table(("tool", "here"), [("g++", "ok"), ("Vitis", "MISSING")])
    said = capsys.readouterr().out
    assert said.startswith("\x1b[32m0 mismatches\x1b[0m\n\x1b[1;31m3 mismatches\x1b[0m\n")
    assert "\x1b[1;31mMISSING\x1b[0m" in said and "\x1b[32m     ok\x1b[0m" in said


def test_every_table_has_its_head_in_bold_and_reads_the_same_without(digit_build, monkeypatch, capsys):
    plan = make_plan(load_graph(digit_build), Target(board="pynq-z2"))

    def said(colour):
        monkeypatch.setattr(console, "can_colour", lambda stream: colour)
        say_plan(plan)
        console.say_table(("a", "n"), [("x", "1")], total=("all", "1"))
        return capsys.readouterr().out

    plain, coloured = said(False), said(True)
    assert plain == re.sub(r"\x1b\[[\d;]*m", "", coloured) and "\x1b" not in plain
    assert plain.startswith(plan_table(plan) + "\n")
    head, *rows = coloured.splitlines()
    assert head.startswith("\x1b[1mstage ") and rows[-1] == "\x1b[1mall  1\x1b[0m"
    assert rows[-3] == "\x1b[1ma    n\x1b[0m" and rows[-2] == "x    1"


# Silence ------------------------------------------------------------------------------------------------------------


def test_json_is_alone_whoever_prints(capfd):
    def noisy(where):
        with console.silent(words=where):
            print("from Python")
            subprocess.run([sys.executable, "-c", "print('from another process')"], check=True)
        print("{}")
        return capfd.readouterr()

    assert noisy(False) == ("{}\n", "")
    out, err = noisy(True)
    assert out == "{}\n" and "from another process" in err and "from Python" in err


def test_quiet_leaves_the_result_and_verbose_tells_the_tools(digit_build, capsys):
    words = ["csim", str(digit_build), "--frames", "2"]
    assert main([*words, "-q"]) == 0
    assert capsys.readouterr().out == "C-simulation: 2 frames, 0 mismatches\n"
    assert main(words) == 0
    assert "compiling" in capsys.readouterr().out
    assert main([*words, "--verbose"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^running .*/vectors 2 ", said, re.M)
    assert main([*words, "--json", "-v"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["frames"] == 2 and "compiling" in said.err
    logging.getLogger("hwqat").setLevel(logging.INFO)


@pytest.mark.parametrize(
    "argv",
    [
        ["boards"],
        ["doctor"],
        ["completion", "bash"],
        ["layers", "digitnet"],
        ["plan", "digitnet"],
        ["export", "zoo:"],
        ["eval", "{build}", "--limit", "4"],
        ["csim", "{build}", "--frames", "2"],
        ["report", "{build}"],
        ["onnx", "{build}", "--out", "{out}/a.onnx", "--check"],
        ["config", "--schema"],
        ["config", "zoo:resnet20"],
        ["sweep", "zoo:digitnet-int8", "--rescale", "16", "--limit", "8", "--jobs", "1", "--out", "{out}/sweep"],
    ],
    ids=lambda argv: argv[0],
)
def test_json_is_one_object_alone_on_stdout(argv, digit_build, tmp_path, capsys):
    words = [word.format(build=digit_build, out=tmp_path) for word in argv]
    assert main([*words, "--json"]) in (0, 1)
    out = capsys.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1
    assert isinstance(json.loads(out, parse_constant=pytest.fail), dict)  # no NaN, which is no JSON


# Bars ---------------------------------------------------------------------------------------------------------------


def test_bars_are_seen_by_those_who_watch_alone(monkeypatch, capsys):
    def bar():
        with progress.bar(3, "frame", "something") as shown:
            shown.update(3)
        return capsys.readouterr().err

    assert bar() == ""  # stderr is no terminal
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    assert "something" in bar() and "3/3" in bar()
    with progress.hidden():
        assert bar() == ""
        progress.line_above(progress.bar(1, "x"), "a line")
    assert capsys.readouterr().err == ""


def test_simulations_have_a_bar_with_their_frames(digit_build, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    assert main(["csim", str(digit_build), "--frames", "7"]) == 0
    said = capsys.readouterr()
    assert "7/7" in said.err
    assert main(["cosim", str(digit_build), "--frames", "3"]) == 0
    assert "12/12" in capsys.readouterr().err  # in each of four modes
    assert main(["cosim", str(digit_build), "--frames", "3", "--json"]) == 0
    assert capsys.readouterr().err == ""


# Completion ---------------------------------------------------------------------------------------------------------


def test_a_shell_is_told_what_may_come(tmp_path):
    answer = tmp_path / "answer"
    assert completed("hwqat ", answer=answer) >= set(COMMANDS)
    assert completed("hwqat exp", answer=answer) == {"export"}
    assert completed("hwqat export zoo:digitnet-int8 --boa", answer=answer) == {"--board"}
    assert "pynq-z2" in completed("hwqat export zoo:digitnet-int8 --board ", answer=answer)
    assert completed("hwqat train resn", answer=answer) == {"resnet20"}
    assert completed("hwqat eval x --engine g", answer=answer) == {"golden"}


def test_completion_takes_little(tmp_path):
    before = os.times()
    completed("hwqat train x --bi", answer=tmp_path / "answer")
    after, began = os.times(), time.monotonic()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 0.3, f"{spent:.2f} s of processor, {time.monotonic() - began:.2f} s in all"


def test_the_script_of_every_shell(capsys):
    for shell in ("bash", "zsh", "fish", "tcsh", "powershell"):
        assert main(["completion", shell]) == 0
        assert "hwqat" in capsys.readouterr().out


def test_bash_takes_the_script(tmp_path):
    script = 'eval "$(' + f"{sys.executable} -m hwqat completion bash" + ')"; complete -p hwqat'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert "-F _python_argcomplete hwqat" in done.stdout, done.stderr


def test_every_command_can_be_made_quiet_loud_and_json():
    for name in COMMANDS:
        words = make_parser([name])._subparsers._group_actions[0].choices[name].format_help()
        assert all(option in words for option in ("--json", "--quiet", "--verbose"))
