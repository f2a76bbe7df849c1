import json
from pathlib import Path

import pytest
from tests.cli.commands import Terminal

import stepsize as ss

DEEPSPEED = {
    "scheduler": {
        "type": "WarmupDecayLR",
        "params": {
            "total_num_steps": 24,
            "warmup_max_lr": 0.5,
            "warmup_num_steps": 4,
            "warmup_type": "linear",
        },
    }
}


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_settings_in_schedule_out(run: Terminal) -> None:
    Path("ds.json").write_text(json.dumps(DEEPSPEED))
    code, out, err = run("convert", "ds.json")
    assert code == 0
    schedule = ss.parse(out)
    assert schedule(5) == 0.5
    assert "largest difference: 0 of the peak, at step 0" in err
    assert "note: compared with DeepSpeed's published rule" in err
    code, out, err = run("convert", "ds.json", "--json", "--from", "deepspeed")
    report = json.loads(out)
    assert (code, err, report["exact"]) == (0, "", True)
    assert ss.parse(report["schedules"][0]) == schedule


def test_yaml_in_another_peer_out(run: Terminal) -> None:
    Path("m.yaml").write_text(
        "lr: 3.0e-4\nlr_decay_style: linear\ntrain_iters: 40\n"
        "global_batch_size: 8\nlr_warmup_iters: 4\n"
    )
    code, out, _ = run("convert", "m.yaml", "--to", "knots")
    assert code == 0
    assert json.loads(out) == [[0, 0.0], [4, 3e-4], [40, 0.0]]


def test_an_expression_goes_out(run: Terminal) -> None:
    text = "skip(0.5 * warmup(4, start=0.0) >> decay(20), -1)"
    code, out, err = run("convert", text, "--to", "deepspeed", "--total-steps", "30")
    assert code == 0
    assert json.loads(out)["scheduler"]["type"] == "WarmupDecayLR"
    assert "largest difference: 0 of the peak" in err
    Path("back.json").write_text(out)
    code, out, _ = run("convert", "back.json")
    assert code == 0
    assert ss.parse(out)(range(30)) == ss.parse(text)(range(30))
    code, out, _ = run("convert", text, "--to", "keras", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["value"]["class_name"] == "StepsizeSchedule"
    assert report["exact"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["convert"], 2, "Missing argument"),
        (["convert", "x", "--from", "jax"], 2, "--from"),
        (["convert", "nothing.json"], 1, "must be a file that exists"),
        (["convert", "hold()", "--from", "keras"], 1, "must be a file that exists"),
        (["convert", "1 +"], 1, "parse.text"),
        (
            ["convert", "0.1 * warmup(50)", "--to", "deepspeed"],
            1,
            "the nearest, Warmup",
        ),
        (["convert", "warmup(5) >> cosine()", "--to", "knots"], 1, "total_steps"),
        (["convert", "bad.json"], 1, "be readable as JSON or YAML"),
        (["convert", "odd.json"], 1, "must be a torch scheduler, transformers"),
        (["convert", "odd.json", "--from", "stepsize"], 1, "hold the text of"),
        (["convert", "."], 1, "parse.text"),
    ],
)
def test_errors_are_one_message(
    run: Terminal, args: list[str], code: int, message: str
) -> None:
    Path("bad.json").write_text("{:")
    Path("odd.json").write_text('{"lr": 1}')
    found, out, err = run(*args)
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err
    assert "unexpected" not in err
