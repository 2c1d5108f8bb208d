"""Keys, rates and quotas."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from matting_api import main as command
from matting_api.configuration import read_settings
from matting_api.environment import unknown_variables
from matting_api.middleware import guesses, rate_limit
from matting_api.middleware.keys import Keys, load_keys, read_keys
from matting_api.middleware.rate_limit import Allowance
from matting_client import OptionError
from starlette.datastructures import Headers

from tests.unit.api.conftest import Serve, error
from tests.unit.api.test_limits import MB, answer, connection
from tests.unit.api.test_removebg import PATH, post

KEY, OTHER = "0123456789abcdef0123", "fedcba98765432100000"
PHOTO_PATHS = (PATH, "/v1/cutout", "/v1/alpha")


def test_a_key_opens(serve: Serve, portrait: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "DELAY_SECONDS", 0.0)
    api = serve(keys=frozenset({KEY, OTHER}))
    for given in ({"X-Api-Key": KEY}, {"X-Api-Key": OTHER}, {"Authorization": f"Bearer {KEY}"}):
        assert post(api, portrait, given).status_code == 200
    for given in ({}, {"X-Api-Key": KEY[:-1]}, {"X-Api-Key": ""}, {"X-Api-Key": "é" * 20}, {"Authorization": KEY}):
        for path in PHOTO_PATHS:
            headers = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
            response = api.post(path, files={"image_file": portrait}, headers=headers)
            assert (response.status_code, error(response)["code"]) == (403, "auth_failed")
            assert KEY not in response.text
    for path in ("/livez", "/readyz", "/v2/health", "/metrics", "/openapi.json", "/docs"):
        assert api.get(path).status_code == 200
    described = api.get("/openapi.json").json()
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-Api-Key")
    assert all(described["paths"][path]["post"]["security"] for path in PHOTO_PATHS)


def test_nothing_is_read_without_a_key(serve: Serve) -> None:
    """The answer comes although the body never does."""
    api = serve(keys=frozenset({KEY}))
    for path in PHOTO_PATHS:
        with connection(api) as link:
            link.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MB}\r\n\r\n".encode())
            status, body = answer(link)
        assert (status, json.loads(body)["errors"][0]["code"]) == (403, "auth_failed")


def test_a_rate_is_counted_for_each_key(serve: Serve, portrait: bytes) -> None:
    api = serve(keys=frozenset({KEY, OTHER}), rate=2)
    for left in (1, 0):
        response = post(api, portrait, {"X-Api-Key": KEY}, scale="5%" if left else "50%")
        assert response.status_code == (400 if left else 200)  # a bad request counts as well
        assert response.headers["x-ratelimit-limit"] == "2"
        assert response.headers["x-ratelimit-remaining"] == str(left)
        assert 0 < int(response.headers["x-ratelimit-reset"]) - time.time() <= 60
    response = post(api, portrait, {"X-Api-Key": KEY})
    assert (response.status_code, error(response)["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert post(api, portrait, {"X-Api-Key": OTHER}).status_code == 200
    assert api.get("/livez").status_code == 200
    assert 'matting_failures_total{code="rate_limit_exceeded"} 1.0' in api.get("/metrics").text


def test_a_rate_without_keys_is_of_an_address(serve: Serve, portrait: bytes) -> None:
    api = serve(rate=1)
    assert post(api, portrait).status_code == 200
    assert post(api, portrait).status_code == 429
    assert "x-ratelimit-limit" not in serve().post(PATH).headers


def test_a_quota_ends_a_day(serve: Serve, portrait: bytes) -> None:
    api = serve(keys=frozenset({KEY}), quota=1)
    assert post(api, portrait, {"X-Api-Key": KEY}).status_code == 200
    response = post(api, portrait, {"X-Api-Key": KEY})
    assert (response.status_code, error(response)["code"]) == (402, "insufficient_credits")
    assert 1 <= int(response.headers["retry-after"]) <= 86_400


def test_an_allowance_comes_back() -> None:
    now = [1000.0]
    allowance = Allowance(2, 60, lambda: now[0])
    assert [allowance.take("a").allowed for _ in range(3)] == [True, True, False]
    assert allowance.take("b").remaining == 1
    assert allowance.take("a").seconds == 20
    now[0] = 1019.9
    assert not allowance.take("a").allowed
    now[0] = 1020.0
    assert allowance.take("a").remaining == 1


def test_a_clock_that_is_set_renews_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    allowance = Allowance(1, 86_400)
    assert allowance.take("a").allowed
    real = time.time()
    for jump in (3600, -86_400, 86_400, 10 * 86_400):
        monkeypatch.setattr(time, "time", lambda jump=jump: real + jump)
        assert not allowance.take("a").allowed
        assert 0 < allowance.take("a").seconds <= 86_400


def test_callers_that_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_CALLERS", 100)
    allowance = Allowance(5, 60, lambda: 0.0)
    for _ in range(5):
        allowance.take("busy")
    for number in range(1000):
        allowance.take(f"stranger {number}")
    assert not allowance.take("busy").allowed


def test_keys_are_found_by_their_whole_text() -> None:
    keys = Keys([KEY])
    assert Keys.given(Headers({"x-api-key": KEY})) == Keys.given(Headers({"authorization": f"bearer {KEY}"})) == KEY
    assert keys.find(KEY) is not None
    for wrong in ("", KEY[:-1], KEY + "0", KEY.upper() + "x"):
        assert keys.find(wrong) is None
    assert Keys([]).find("") is None


def test_keys_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# who may\n{KEY}  # the shop\n\n{OTHER}, {KEY}\n")
    assert load_keys(path) == {KEY, OTHER}
    path.write_bytes(b"\xff\xfe")
    for wrong in (tmp_path / "none", path):
        with pytest.raises(OptionError, match=str(wrong)):
            load_keys(wrong)


@pytest.mark.parametrize("text", ["", "# nothing", "short", "x" * 201, "schlüssel-schlüssel", f"{KEY}\nshort"])
def test_bad_keys(text: str) -> None:
    with pytest.raises(OptionError, match=r"^somewhere.*got ") as caught:
        read_keys(text, "somewhere")
    assert KEY not in str(caught.value)


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have closed the API; what Kubernetes says of a Service of that name is no mistake."""
    monkeypatch.setenv("MATTING_API_MAX_UPLOAD_MB", "200")
    for name in ("KEY", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_7860_TCP_ADDR"):
        monkeypatch.setenv(f"MATTING_API_{name}", OTHER)
    assert read_settings(command.parser().parse_args([])).max_upload_mb == 200
    assert unknown_variables() == ["$MATTING_API_KEY means nothing here; $MATTING_API_KEYS does"]


def test_the_command_line_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_text(KEY)
    monkeypatch.setenv("MATTING_API_KEYS", OTHER)
    monkeypatch.setenv("MATTING_API_KEYS_FILE", str(path))
    monkeypatch.setenv("MATTING_API_RATE", "7")
    monkeypatch.setenv("MATTING_API_QUEUE", "3")
    monkeypatch.setenv("MATTING_API_URLS", "1")
    settings = read_settings(command.parser().parse_args(["--quota", "9"]))
    assert settings.keys == {KEY, OTHER} and KEY not in repr(settings)
    assert (settings.rate, settings.quota, settings.waiting, settings.urls) == (7, 9, 3, True)
    given = command.parser().parse_args(["--rate", "0", "--no-urls", "--queue", "5", "--no-page"])
    settings = read_settings(given)
    assert (settings.rate, settings.waiting, settings.urls, settings.page) == (0, 5, False, False)


def test_words_switch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As files for Compose and Kubernetes write them."""
    for value, expected in (("true", True), ("True", True), ("yes", True), ("false", False), ("0", False), ("", False)):
        for name in ("URLS", "MCP", "PREVIEW_DEFAULT", "ACCESS_LOG"):
            monkeypatch.setenv(f"MATTING_API_{name}", value)
        given = command.parser().parse_args([])
        assert {given.urls, given.mcp, given.preview_by_default, given.access_log} == {expected}


def test_a_secret_that_nothing_uses_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789" * 3)
    monkeypatch.setenv("MATTING_API_WEBHOOK_SECRET_FILE", str(secret))
    for more in ([], ["--urls"], ["--jobs-folder", str(tmp_path / "jobs")]):
        assert command.main(more) == 2
        assert "$MATTING_API_WEBHOOK_SECRET_FILE: got it without --urls and --jobs-folder" in capsys.readouterr().err


def test_bad_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--rate", "-1"], ["--quota", "-1"], ["--queue", "-1"], ["--keys-file", "/nowhere"]):
        assert command.main(arguments) == 2
        assert (arguments[0] if arguments[0] != "--keys-file" else "/nowhere") in capsys.readouterr().err
    monkeypatch.setenv("MATTING_API_KEYS", "short")
    assert command.main([]) == 2
    assert "MATTING_API_KEYS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MATTING_API_RATE", "9_0", "$MATTING_API_RATE: got '9_0', expected a whole number"),
        ("MATTING_OUTPUTS_DAYS", "1.5", "$MATTING_OUTPUTS_DAYS: got '1.5', expected a whole number"),
        ("MATTING_API_QUOTA", "-1", "$MATTING_API_QUOTA: got -1, expected 0 to"),
        ("MATTING_OUTPUTS_MB", "0", "$MATTING_OUTPUTS_MB: got 0, expected 1 to"),
        ("MATTING_API_KEYS_FILE", "/nowhere", "$MATTING_API_KEYS_FILE: /nowhere: cannot be read"),
        ("MATTING_API_LOGINS_FILE", "/nowhere", "$MATTING_API_LOGINS_FILE: /nowhere: cannot be read"),
        ("MATTING_API_ROOT_PATH", "x", "$MATTING_API_ROOT_PATH: got 'x'"),
        ("MATTING_JOBS", "/dev/null/jobs", "$MATTING_JOBS: /dev/null/jobs"),
        ("MATTING_API_URLS", "maybe", "$MATTING_API_URLS: got 'maybe', expected 1 or 0"),
    ],
)
def test_a_variable_that_cannot_be_is_named(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the option in whose place it stands, which `matting serve` does not have."""
    monkeypatch.setattr("signal.signal", lambda *_: None)  # what ends pytest stays as it is
    monkeypatch.setenv(variable, value)
    assert command.main(["--engine", "local", "--no-page", "--port", "0"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("matting ui: ")]
    assert len(lines) == 1 and lines[0].startswith(f"matting ui: {said}")


def test_an_option_is_named_before_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATTING_API_RATE", "7")
    assert command.main(["--rate=-1"]) == 2
    assert capsys.readouterr().err.startswith("matting ui: --rate: got -1")
