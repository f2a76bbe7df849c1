"""Who gets in, by what, and what is let through; each route is asked."""

import json
import logging
import re
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.dashboard.serving import ROLES, Office
from tests.ledger.recorded import run, spec, steered

from stepsize.dashboard.shield import MOST_BYTES
from stepsize.ledger import JsonlStore
from stepsize.ledger.records import Command

NEEDS = {
    ("get", "/api/runs"): "viewer",
    ("get", "/api/runs/{identity}"): "viewer",
    ("get", "/api/runs/{identity}/series"): "viewer",
    ("get", "/api/runs/{identity}/curve"): "viewer",
    ("get", "/api/runs/{identity}/records"): "viewer",
    ("get", "/api/runs/{identity}/forecast"): "viewer",
    ("get", "/api/runs/{identity}/commands/{command}"): "viewer",
    ("get", "/metrics"): "viewer",
    ("post", "/api/runs/{identity}/preview"): "operator",
    ("post", "/api/runs/{identity}/commands"): "operator",
    ("get", "/api/sessions"): "admin",
    ("delete", "/api/sessions/{name}"): "admin",
}
OPEN = {("get", "/api/session"), ("post", "/api/login"), ("post", "/api/logout")}
BODY = {"verb": "hold", "reason": "a test"}


def ask(client: TestClient, method: str, path: str, name: str, **more: Any) -> int:
    where = path.format(identity=name, command="none", name="nobody")
    if method == "post":
        more.setdefault("json", BODY)
    code: int = client.request(method, where, **more).status_code
    return code


def commands(office: Office) -> list[Command]:
    records = [one.record for one in JsonlStore(office.runs / "seven").read()]
    return [one for one in records if isinstance(one, Command)]


def test_every_route_is_in_the_table(office: Office) -> None:
    paths = office.client().get("/api/openapi.json").json()["paths"]
    known = {(method, path) for path, one in paths.items() for method in one}
    assert known == {*NEEDS, *OPEN}


@pytest.mark.parametrize(("method", "path"), sorted(NEEDS))
def test_each_route_asks_for_its_role(office: Office, method: str, path: str) -> None:
    name = office.add("seven")
    least = ROLES.index(NEEDS[method, path])
    assert ask(office.client(), method, path, name) == 401
    wrong = {"authorization": "Bearer ss_" + "x" * 43}
    assert ask(office.client(), method, path, name, headers=wrong) == 401
    basic = {"authorization": f"Basic {office.tokens['admin']}"}
    assert ask(office.client(), method, path, name, headers=basic) == 401
    for index, role in enumerate(ROLES):
        status = ask(office.client(role), method, path, name)
        allowed = status in (200, 202, 404)
        assert allowed == (index >= least), (role, status)
        assert allowed or status == 403
    by = [one.author.partition("@")[0] for one in commands(office)]
    expected = ["ope", "adm"] if path.endswith("/commands") else []
    assert by == expected


def test_the_stream_asks_for_a_token(office: Office) -> None:
    name = office.add("seven")
    assert office.client().get(f"/api/stream?run={name}").status_code == 401


def test_a_server_that_only_reads_takes_no_command(office: Office) -> None:
    name = office.add("seven")
    client = office.client("admin", steer=False)
    for action in ("preview", "commands"):
        answer = client.post(f"/api/runs/{name}/{action}", json=BODY)
        assert answer.status_code == 403
    assert commands(office) == []


# --- sessions and forged requests -----------------------------------------------------


def logged_in(office: Office, role: str = "operator") -> TestClient:
    client = office.client()
    answer = client.post("/api/login", json={"token": office.tokens[role]})
    assert answer.status_code == 200
    return client


def test_a_session_needs_the_header_to_change_anything(office: Office) -> None:
    name = office.add("seven")
    client = logged_in(office)
    where = f"/api/runs/{name}/commands"
    assert client.get(f"/api/runs/{name}").status_code == 200
    token = client.cookies["stepsize_csrf_"]
    for said in (None, "", token[:-1], "x" * len(token), "\xe9"):
        headers: Any = {} if said is None else {"x-csrf-token": said.encode("latin-1")}
        answer = client.post(where, json=BODY, headers=headers)
        assert answer.status_code == 403
    assert commands(office) == []
    answer = client.post(where, json=BODY, headers={"x-csrf-token": token})
    assert answer.status_code == 202
    assert len(commands(office)) == 1


def test_the_cookie_must_say_it_too(office: Office) -> None:
    name = office.add("seven")
    client = logged_in(office)
    token = client.cookies["stepsize_csrf_"]
    client.cookies.delete("stepsize_csrf_")
    answer = client.post(
        f"/api/runs/{name}/commands", json=BODY, headers={"x-csrf-token": token}
    )
    assert answer.status_code == 403
    assert commands(office) == []


def test_another_session_s_header_is_none(office: Office) -> None:
    name = office.add("seven")
    client, other = logged_in(office), logged_in(office)
    said = {"x-csrf-token": other.cookies["stepsize_csrf_"]}
    answer = client.post(f"/api/runs/{name}/commands", json=BODY, headers=said)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_elsewhere_changes_nothing(
    office: Office, headers: dict[str, str]
) -> None:
    name = office.add("seven")
    client = logged_in(office)
    said = {"x-csrf-token": client.cookies["stepsize_csrf_"]}
    answer = client.post(
        f"/api/runs/{name}/commands", json=BODY, headers=said | headers
    )
    assert answer.status_code == 403
    token = {"token": office.tokens["operator"]}
    assert client.post("/api/login", json=token, headers=headers).status_code == 403
    own = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
    where = f"/api/runs/{name}/commands"
    assert client.post(where, json=BODY, headers=said | own).status_code == 202


def test_a_form_is_no_command(office: Office) -> None:
    """What a page elsewhere can send without asking first is not read as JSON."""
    name = office.add("seven")
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = office.client("operator").post(
            f"/api/runs/{name}/commands",
            content=json.dumps(BODY),
            headers={"content-type": kind},
        )
        assert answer.status_code == 422
    assert commands(office) == []


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(office: Office) -> None:
    answer = office.client().post("/api/login", json={"token": office.tokens["admin"]})
    session, csrf = answer.headers.get_list("set-cookie")
    for said in (session, csrf):
        assert "SameSite=strict" in said
        assert "Path=/" in said
    assert session.startswith("stepsize_session_=")
    assert "HttpOnly" in session
    assert "HttpOnly" not in csrf
    secure = TestClient(office.app(), base_url="https://127.0.0.1")
    answer = secure.post("/api/login", json={"token": office.tokens["admin"]})
    assert all("Secure" in one for one in answer.headers.get_list("set-cookie"))


def test_logging_out_ends_the_session(office: Office) -> None:
    client = logged_in(office)
    key = client.cookies["stepsize_session_"]
    csrf = client.cookies["stepsize_csrf_"]
    assert client.post("/api/logout").status_code == 403
    said = {"x-csrf-token": csrf}
    assert client.post("/api/logout", headers=said).status_code == 204
    client.cookies.update({"stepsize_session_": key, "stepsize_csrf_": csrf})
    assert client.get("/api/runs").status_code == 401


def test_an_admin_sees_and_ends_sessions(office: Office) -> None:
    app = office.app()
    operator, admin = (TestClient(app, base_url="http://127.0.0.1") for _ in range(2))
    operator.post("/api/login", json={"token": office.tokens["operator"]})
    admin.headers.update(office.bearer("admin"))
    (one,) = admin.get("/api/sessions").json()["sessions"]
    assert (one["name"], one["role"]) == ("ope", "operator")
    assert admin.delete("/api/sessions/ope").json() == {"ended": 1}
    assert operator.get("/api/runs").status_code == 401


def test_a_wrong_token_gets_no_session(office: Office) -> None:
    answer = office.client().post("/api/login", json={"token": "ss_wrong"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


# --- paths, names, bodies -------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/etc/passwd",
        "seven",
        "0" * 16,
        "0" * 17,
        "0" * 15 + "%00",
        "..\\..\\x",
    ],
)
def test_a_run_is_named_by_its_id_alone(office: Office, name: str) -> None:
    office.add("seven")
    outside = office.folder / "ledger.jsonl"
    outside.write_bytes((office.runs / "seven" / "ledger.jsonl").read_bytes())
    client = office.client("operator")
    for path in (f"/api/runs/{name}", f"/api/runs/{name}/series", f"/static/{name}"):
        answer = client.get(path)
        assert answer.status_code in (404, 405, 422), path
        assert "root:" not in answer.text
    answer = client.post(f"/api/runs/{name}/commands", json=BODY)
    assert answer.status_code in (404, 405, 422)


@pytest.mark.parametrize(
    "name", ["..%2fapp.py", "%2e%2e/app.py", "../app.py", "index.html", "__init__.py"]
)
def test_only_files_of_the_page_are_served(office: Office, name: str) -> None:
    answer = office.client("admin").get(f"/static/{name}")
    assert answer.status_code == 404


def test_what_the_page_loads_is_there(office: Office) -> None:
    client = office.client()
    page = client.get("/").text
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(named) >= 4
    while named:
        where = named.pop()
        answer = client.get(where)
        assert answer.status_code == 200, where
        if where.endswith(".js") and "plotly" not in where:
            more = re.findall(r'from "\./([\w.]+)"', answer.text)
            named += [f"/static/{one}" for one in more]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_a_body_that_is_too_long(office: Office) -> None:
    name = office.add("seven")
    client = office.client("operator")
    long = json.dumps(BODY | {"reason": "x" * MOST_BYTES})
    where = f"/api/runs/{name}/commands"
    kind = {"content-type": "application/json"}
    assert client.post(where, content=long, headers=kind).status_code == 413

    def pieces() -> Any:  # without saying how long it will be
        yield from (long[i : i + 1000].encode() for i in range(0, len(long), 1000))

    assert client.post(where, content=pieces(), headers=kind).status_code == 413
    said = kind | {"content-length": "-1"}
    assert client.post(where, content=b"{}", headers=said).status_code == 413
    assert commands(office) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"verb": 1}',
        b"[" * 30_000,
        b'{"verb":"scale","values":' + b'{"a":' * 9000 + b"1" + b"}" * 9000 + b"}",
        b'{"verb":"scale","values":{"factor":NaN},"reason":"x"}',
        b'{"verb":"scale","values":{"factor":1e999},"reason":"x"}',
        b'{"verb":"scale","values":{"factor":' + b"9" * 5000 + b'},"reason":"x"}',
        b'{"verb":"hold","reason":"\\ud800"}',
        b'{"verb":"hold","reason":"x","groups":"' + b"[" * 900 + b'"}',
    ],
)
def test_bodies_that_are_no_commands(office: Office, body: bytes) -> None:
    name = office.add("seven")
    for action in ("commands", "preview"):
        answer = office.client("operator").post(
            f"/api/runs/{name}/{action}",
            content=body,
            headers={"content-type": "application/json"},
        )
        if action == "commands" and b"groups" in body:
            assert answer.status_code in (202, 422)  # odd, and a pattern
            continue
        assert answer.status_code in (400, 422), answer.text
        assert isinstance(answer.json()["detail"], str)
        assert len(answer.text) < 3000


def test_a_name_that_leads_here_from_elsewhere_is_not_ours(office: Office) -> None:
    app = office.app()
    for host, status in (
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8787", 421),
        ("", 421),
        ("localhost:8787", 200),
        ("127.0.0.1", 200),
        ("[::1]:8787", 200),
    ):
        client = TestClient(app, base_url="http://127.0.0.1")
        answer = client.get("/api/session", headers={"host": host})
        assert answer.status_code == status, host


def test_every_answer_has_its_headers(office: Office) -> None:
    name = office.add("seven")
    client = office.client("viewer")
    for path in ("/", "/static/app.js", f"/api/runs/{name}", "/api/runs/x", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert client.get(f"/api/runs/{name}").headers["cache-control"] == "no-store"


def test_hostile_texts_come_as_json(office: Office) -> None:
    bad = '<script>alert("x")</script>'
    name = office.add("odd", run(bad), spec(), *steered()[2:])
    answer = office.client("viewer").get(f"/api/runs/{name}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["name"] == bad


# --- what is written down -------------------------------------------------------------


def test_no_token_is_in_logs_answers_or_records(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    name = office.add("seven")
    caplog.set_level(logging.DEBUG)
    client = logged_in(office)
    csrf = client.cookies["stepsize_csrf_"]
    key = client.cookies["stepsize_session_"]
    said = {"x-csrf-token": csrf}
    token = office.tokens["operator"]
    answers = [
        client.post(f"/api/runs/{name}/commands", json=BODY, headers=said),
        client.post(f"/api/runs/{name}/commands", json=BODY),
        client.get("/api/session"),
        client.post("/api/login", json={"token": token + "x"}),
        client.post("/api/login", json={"tokens": token}),
        client.post("/api/login", content=token),
        office.client("viewer").post(f"/api/runs/{name}/commands", json=BODY),
        office.client("operator").get(f"/api/runs/{name}/records"),
    ]
    assert [one.status_code for one in answers] == [
        202,
        403,
        200,
        401,
        422,
        422,
        403,
        200,
    ]
    written = caplog.text
    assert "logged in: ope, operator" in written
    assert "command: " in written
    assert "refused: POST" in written
    held = (office.runs / "seven" / "ledger.jsonl").read_text()
    for secret in (*office.tokens.values(), csrf, key):
        assert secret not in written
        assert secret not in held
        assert all(secret not in one.text for one in answers)
        assert all(secret not in str(one.url) for one in answers)


def test_a_log_has_one_line_for_each_thing(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="stepsize.dashboard")
    office.client("admin").delete("/api/sessions/a%0Ab")
    client = office.client("operator")
    client.post("/api/runs/%0Ax/commands", json=BODY)
    messages = [one.getMessage() for one in caplog.records]
    assert all("\n" not in one for one in messages)
    assert messages
