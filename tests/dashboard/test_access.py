"""Tokens, roles and sessions."""

import stat
import time
from pathlib import Path

import pytest

from stepsize.dashboard import Access, add_token, revoke_token
from stepsize.dashboard.access import ROLES
from stepsize.errors import LedgerError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_a_token_is_kept_as_a_digest_only(file: Path) -> None:
    token = add_token(file, "ada", "operator")
    assert len(token) > 40
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = Access(file).person(token)
    assert found is not None
    assert (found.name, found.role) == ("ada", "operator")
    assert Access(file).person(token[:-1]) is None
    assert Access(file).person("") is None
    assert Access(file).person("\ud800") is None


def test_an_author_is_user_at_host(file: Path) -> None:
    access = Access(_with(file, "ada", "bob@node3"))
    names = [token.name for token in access._tokens.values()]
    assert names == ["ada", "bob@node3"]
    one = access.person(add_token(file, "cyd", "operator"))
    two = access.person(add_token(file, "dan@node4", "operator"))
    assert one is not None
    assert two is not None
    assert one.author.startswith("cyd@")
    assert len(one.author) > 4
    assert two.author == "dan@node4"


def _with(file: Path, *names: str) -> Path:
    for name in names:
        add_token(file, name, "viewer")
    return file


def test_roles_include_those_below(file: Path) -> None:
    access = Access(_with(file, "x"))
    rows = {}
    for role in ROLES:
        person = access.person(add_token(file, role, role))
        assert person is not None
        rows[role] = [person.may(one) for one in ROLES]
    assert rows == {
        "viewer": [True, False, False],
        "operator": [True, True, False],
        "admin": [True, True, True],
    }


def test_a_token_taken_back_ends_its_sessions(file: Path) -> None:
    token = add_token(file, "ada", "operator")
    access = Access(_with(file, "bob"))
    made = access.log_in(token)
    assert made is not None
    key, session = made
    assert key not in (token, session.csrf)
    assert access.session(key) == session
    revoke_token(file, "ada")
    assert access.session(key) is None
    assert access.person(token) is None
    with pytest.raises(LedgerError, match=r"token.name must have a token in .*bob has"):
        revoke_token(file, "ada")


def test_a_role_that_changes_changes_in_sessions(file: Path) -> None:
    token = add_token(file, "ada", "operator")
    access = Access(file)
    made = access.log_in(token)
    assert made is not None
    file.write_text(file.read_text().replace("operator", "viewer"))
    now = access.session(made[0])
    assert now is not None
    assert now.person.role == "viewer"


def test_sessions_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = add_token(file, "ada", "viewer")
    access = Access(file)
    made = [access.log_in(token) for _ in range(3)]
    keys = [one[0] for one in made if one is not None]
    assert len(set(keys)) == len(access.sessions()) == 3
    access.log_out(keys[0])
    assert access.session(keys[0]) is None
    assert access.end("bob") == 0
    assert access.end("ada") == 2
    assert access.sessions() == []
    later = access.log_in(token)
    assert later is not None
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 12 * 3600 + 60)
    assert access.session(later[0]) is None


def test_a_token_expires(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = add_token(file, "ada", "viewer", expires_seconds=60.0)
    access = Access(file)
    assert access.person(token) is not None
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 61)
    assert access.person(token) is None
    assert access.log_in(token) is None


@pytest.mark.parametrize(
    ("name", "role", "expires", "match"),
    [
        ("", "viewer", None, r"token\.name must be letters"),
        ("a b", "viewer", None, r"token\.name must be letters"),
        ("ada@*", "viewer", None, r"token\.name must be letters"),
        ("a\nb", "viewer", None, r"token\.name must be letters"),
        ("x" * 64, "viewer", None, r"token\.name must be letters"),
        ("ada", "root", None, r"token\.role must be one of viewer, operator, admin"),
        ("ada", "viewer", 0.0, r"token\.expires_seconds must be > 0"),
        ("bob", "viewer", None, r"token\.name must have no token yet; got 'bob'"),
    ],
)
def test_bad_tokens(
    file: Path, name: str, role: str, expires: float | None, match: str
) -> None:
    _with(file, "bob")
    with pytest.raises(LedgerError, match=match):
        add_token(file, name, role, expires)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{}]}'],
)
def test_a_file_that_is_none(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(LedgerError, match="tokens must be a file of tokens"):
        Access(file)


def test_a_missing_file(file: Path) -> None:
    with pytest.raises(LedgerError, match="tokens must be a file of tokens"):
        Access(file)
    with pytest.raises(LedgerError, match="tokens must be in a folder that can be"):
        add_token(file / "there", "ada", "viewer")
