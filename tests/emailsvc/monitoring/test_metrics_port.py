"""The socket of METRICS_PORT, and the token that `./run` makes."""

import json
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from emailsvc.launcher.secrets_file import keep_secrets
from emailsvc.web.gunicorn_config import on_starting


@pytest.mark.parametrize(
    ("bind", "port", "expected"),
    [
        ("127.0.0.1:8000", 9464, ["127.0.0.1:8000", "127.0.0.1:9464"]),
        ("[::]:8000", 9464, ["[::]:8000", "[::]:9464"]),
        ("127.0.0.1:8000", 0, ["127.0.0.1:8000"]),
        ("unix:/tmp/web.sock", 9464, ["unix:/tmp/web.sock"]),
        ("fd://7", 9464, ["fd://7"]),
    ],
)
def test_gunicorn_listens_at_the_web_servers_address(settings, bind, port, expected):
    settings.METRICS_PORT = port
    config = Config()
    config.set("bind", bind)
    on_starting(SimpleNamespace(cfg=config))
    assert config.bind == expected


def test_the_secrets_of_an_earlier_release_get_a_token_that_stays(tmp_path):
    old = {"SECRET_KEY": "a", "ENCRYPTION_KEYS": "b", "admin_password": "c", "api_key": "d"}
    (tmp_path / "secrets.json").write_text(json.dumps(old))
    kept = keep_secrets(tmp_path, {})
    assert len(kept.METRICS_TOKEN) > 20
    assert keep_secrets(tmp_path, {}) == kept
    assert old.items() <= json.loads((tmp_path / "secrets.json").read_text()).items()
    assert keep_secrets(tmp_path, {"METRICS_TOKEN": "mine"}).METRICS_TOKEN == "mine"
