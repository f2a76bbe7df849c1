"""`stepsize serve`: what it listens to, and the tokens."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.cli.commands import Terminal
from tests.ledger.recorded import steered, written


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_a_token_is_printed_once(run: Terminal) -> None:
    code, out, err = run(
        "serve", "token", "ada", "--role", "operator", "--tokens", "tokens.json"
    )
    assert code == 0
    token = out.strip()
    assert token.startswith("ss_")
    assert token not in err
    held = json.loads(Path("tokens.json").read_text())
    (one,) = held["tokens"]
    assert (one["name"], one["role"], one["expires"]) == ("ada", "operator", None)
    assert token not in json.dumps(held)
    again = run("serve", "token", "ada", "--tokens", "tokens.json")
    assert again[0] == 1
    assert "token.name must have no token yet" in again[2]
    assert run("serve", "token", "bob", "--tokens", "tokens.json", "--expires", "1d")[
        0
    ] == (0)
    assert "no time" in run(
        "serve", "token", "eve", "--tokens", "tokens.json", "--expires", "soon"
    )[2].replace("\n", " ")
    code, _, err = run("serve", "revoke", "ada", "--tokens", "tokens.json")
    assert (code, err) == (0, "ada has no token any more\n")
    names = [
        one["name"] for one in json.loads(Path("tokens.json").read_text())["tokens"]
    ]
    assert names == ["bob"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--steer"], "--steer must come with --tokens"),
        (["--host", "0.0.0.0"], "--host must be one of 127.0.0.1"),
        (["missing"], "FOLDER must be a folder"),
        (["--tokens", "missing.json"], "tokens must be a file of tokens"),
    ],
)
def test_what_it_does_not_serve(run: Terminal, words: list[str], match: str) -> None:
    code, _, err = run("serve", *words)
    assert code == 1
    assert match in err


def test_a_port_that_is_taken_is_named(run: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--port", str(port))
    assert code == 1
    assert f"127.0.0.1 port {port} cannot be listened at: " in err
    assert "--port 0 takes any free port" in err


@pytest.mark.parametrize(
    "words", [[], ["token", "ada", "--tokens", "x"], ["revoke", "ada", "--tokens", "x"]]
)
def test_what_is_missing_is_named(
    run: Terminal, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr("stepsize.cli.serve.find_spec", lambda name: None)
    code, _, err = run("serve", *words)
    assert code == 1
    assert "fastapi is not installed" in err
    assert "pip install 'stepsize[serve]'" in err


def test_help_names_its_commands(run: Terminal) -> None:
    code, out, _ = run("serve", "--help")
    assert code == 0
    assert all(word in out for word in ("token", "revoke", "runs"))


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    written(tmp_path / "seven", *steered())
    words = [sys.executable, "-c", "from stepsize.cli import main; main()"]
    words += ["serve", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "STEPSIZE_TRACEBACK": "1"}
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+) ", said)
            assert found, said
            (one,) = httpx.get(f"{found[1]}/api/runs").json()["runs"]
            assert one["update"] == 30
            assert httpx.get(f"{found[1]}/").text.startswith("<!DOCTYPE html>")
            # a page that is open keeps nobody from stopping it
            stream = f"{found[1]}/api/stream?run={one['id']}"
            with httpx.stream("GET", stream, timeout=30.0) as answer:
                assert answer.status_code == 200
                server.send_signal(signal.SIGINT)
                text = answer.read()
            assert text.startswith(b"retry: ")
            rest = server.stderr.read()
            assert server.wait(30) in (0, 130)
            assert "Traceback" not in rest
        finally:
            server.kill()
