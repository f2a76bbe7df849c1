"""The commands `advise`, `scale` and `steps`."""

import io
import json
import sys
from pathlib import Path

import pytest
from tests.cli.commands import Terminal

from stepsize.finder import analyse
from stepsize.planner.recipe_file import load_recipe


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_steps(run: Terminal) -> None:
    args = ["steps", "--dataset-size", "50000", "--epochs", "10", "--warmup", "5%"]
    split = [*args, "--micro-batch", "16", "--accumulation", "8", "--world-size", "2"]
    code, out, _ = run(*split, "--json")
    assert code == 0
    plan = json.loads(out)
    assert (plan["batch"], plan["total_steps"], plan["warmup_steps"]) == (256, 1960, 98)
    _, shown, _ = run(*split)
    assert "deepspeed: train_batch_size=256" in shown


def test_advise_writes_a_file_that_scale_and_check_read(run: Terminal) -> None:
    said = ["--task", "vision", "--optimizer", "sgd+momentum", "--batch", "256"]
    made = ["--total-steps", "8000", "--yaml", "stepsize.yaml"]
    code, out, err = run("advise", *said, *made)
    assert (code, err) == (0, "wrote stepsize.yaml\n")
    assert "source: Goyal et al. 2017" in out
    assert load_recipe("stepsize.yaml").optimizer == "sgd+momentum"
    code, out, err = run("scale", "stepsize.yaml", "--batch", "1024", "--yaml=b.yaml")
    assert (code, err) == (0, "wrote b.yaml\n")
    assert "lr = 0.4 (was 0.1" in out
    run_of = load_recipe("b.yaml").horizon
    assert run_of is not None
    assert run_of.total_steps == 2000
    split = ["--micro-batch", "64", "--accumulation", "8", "--world-size", "2"]
    _, out, _ = run("scale", "stepsize.yaml", *split, "--json")
    assert json.loads(out)["changes"][0]["value"] == 0.4
    assert run("check", "b.yaml")[0] == 0


def test_advise_asks_for_what_is_not_said(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "language\nAdamW\nno\n20000\n256\n125e6\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    code, out, err = run("advise", "--ask", "--json")
    assert code == 0
    said = json.loads(out)  # the questions are not in the data
    assert said["recipe"]["lr"] == '6e-4 * warmup("1%") >> decay()'
    assert "Which optimizer?" in err
    monkeypatch.setattr(sys, "stdin", io.StringIO("AdamW\nno\n256\n125e6\n"))
    known = ["--task", "language", "--total-steps", "20000"]
    _, out, _ = run("advise", "--ask", "--json", *known)
    assert json.loads(out) == said


def test_a_wrong_answer_is_asked_for_again(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "visin\nvision\nFoo\nSGD\nmaybe\nno\n-3\n1000\nmany\n0\nnan\n0\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    code, out, err = run("advise", "--ask", "--deadline", "3600", "--json")
    assert code == 0
    said = json.loads(out)["recipe"]
    assert (said["optimizer"], said["total_steps"]) == ("SGD", 1000)
    assert err.count("Error: write") == 5
    assert "The optimizer must be an optimizer whose scaling is known; got 'Foo'" in err


def test_contradictions_are_one_clear_error(run: Terminal) -> None:
    clash = ["--batch", "256", "--micro-batch", "3"]
    code, out, err = run("steps", "--dataset-size", "5000", "--epochs", "1", *clash)
    assert (code, out) == (1, "")
    assert "equal micro_batch * accumulation * world_size = 3; got 256" in err
    assert run("advise", "--world-size", "8")[0] == 2
    assert run("advise", "--pretrained", "maybe")[0] == 2
    assert run("advise", "--output", "x.json")[0] == 2
    code, _, err = run("advise", "--optimizer", "nobody's")
    assert code == 1
    assert "recipe.optimizer must be" in err


def test_scale_to_another_length(run: Terminal) -> None:
    said = ["--task", "language", "--total-steps", "10000", "--yaml", "r.yaml"]
    assert run("advise", *said)[0] == 0
    _, out, _ = run("scale", "r.yaml", "--to-steps", "40000")
    assert out.startswith("updates x 4, rule: token horizon")
    assert run("scale", "r.yaml", "--to-steps", "4", "--batch", "8")[0] == 2
    for more in ("--rule=linear", "--noise-scale=9", "--keep=updates"):
        code, _, err = run("scale", "r.yaml", "--to-steps", "4", more)
        assert (code, "goes without --from-batch" in err) == (2, True)
    code, _, err = run("scale", "r.yaml")
    assert (code, "give --batch or --micro-batch, or --to-steps" in err) == (2, True)


NAMES = ["embed.weight", *(f"blocks.{k}.w" for k in range(3)), "head.weight"]
SHAPES = {name: [8, 8] for name in NAMES}
SCRIPT = """
class Model:
    def named_parameters(self):
        class One:
            shape = (8, 8)
        return [(f"blocks.{k}.w", One()) for k in range(3)]

def setup():
    return {"model": Model()}

def bare():
    return Model()

def broken():
    raise RuntimeError("no data")
"""


def test_advise_on_a_model_by_layer(run: Terminal) -> None:
    Path("model.json").write_text(json.dumps(SHAPES))
    args = ["advise", "--total-steps", "100", "--model", "model.json", "--json"]
    for groups, first in (("layer-decay", 0.75**4), ("ulmfit", 2.6**-4)):
        code, out, _ = run(*args, "--pretrained", "yes", "--groups", groups)
        made = json.loads(out)["groups"]
        assert code == 0
        assert made["groups"]["layer00"] == ["embed.weight"]
        assert made["rules"][0]["value"] == pytest.approx(first)
    code, out, _ = run(*args, "--groups", "unfreezing", "--yaml", "made.yaml")
    assert code == 0
    rules = load_recipe("made.yaml").rules
    assert [rule.match for rule in rules][-1] == "head"
    assert "jump(to_lr=1.0)" in str(rules[0].value)
    _, out, _ = run(*args, "--optimizer", "muon")
    assert json.loads(out)["groups"]["groups"] == {
        "muon": NAMES[1:-1],
        "adamw": [NAMES[0], NAMES[-1]],
    }


@pytest.mark.parametrize("name", ["setup", "bare"])
def test_advise_on_the_model_of_a_script(run: Terminal, name: str) -> None:
    Path("mine.py").write_text(SCRIPT)
    code, out, _ = run("advise", "--model", f"mine.py:{name}", "--optimizer", "sgd")
    assert code == 0
    assert "192 parameters" in out
    assert out.splitlines()[-1].startswith("search lr: from ")


def test_advise_takes_what_a_finder_found(run: Terminal) -> None:
    found = analyse(
        [10.0 ** (k / 10 - 6) for k in range(60)],
        [2 - min(1, 10.0 ** (k / 10 - 4)) + 10.0 ** (k / 5 - 10.6) for k in range(60)],
    )
    Path("found.json").write_text(json.dumps(found.to_dict()))
    args = ["advise", "--total-steps", "100", "--found", "found.json"]
    code, out, _ = run(*args, "--json")
    said = json.loads(out)
    assert code == 0
    assert found.low is not None
    assert said["choices"][0]["value"] == found.suggestion
    assert said["search_space"]["lr"]["low"] == found.low / 2
    _, out, _ = run("advise", "--optimizer", "prodigy", "--json")
    assert json.loads(out)["search_space"] == {}
    assert run(*args, "--peak-lr", "0.1")[0] == 2
    nothing = analyse([1.0], [1.0])
    Path("found.json").write_text(json.dumps(nothing.to_dict()))
    code, _, err = run(*args)
    assert code == 1
    assert "advise.found must have a suggestion; its status is too_few" in err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--model", "no.json"], 1, "advise.model must be a JSON file"),
        (["--model", "torn.json"], 1, "advise.model must be a JSON file"),
        (["--model", "mine.py"], 1, "advise.model must be FILE.py:FUNCTION"),
        (["--model", "mine.py:broken"], 1, "mine.py:broken failed"),
        (["--model", "mine.py:bare", "--parameters", "5"], 2, "goes without --model"),
        (["--groups", "ulmfit"], 1, 'recipe.groups must be "none" where'),
        (["--groups", "all"], 1, "recipe.groups must be one of"),
        (["--found", "torn.json"], 1, "advise.found must be a JSON file"),
        (["--found", "list.json"], 1, "be what `to_dict` returns"),
    ],
)
def test_what_advise_cannot_read(
    run: Terminal, args: list[str], code: int, message: str
) -> None:
    Path("mine.py").write_text(SCRIPT)
    Path("torn.json").write_text("{")
    Path("list.json").write_text("[]")
    found, out, err = run("advise", *args)
    assert (found, out) == (code, "")
    assert message in err.replace("\n", " ").replace("  ", " ")
