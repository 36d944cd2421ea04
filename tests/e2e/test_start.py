"""What the service refuses to start with: one clear line, exit code 2."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest

from app.storage.filesystem import file_system_type
from tests.e2e.server import eventually, run_server, run_to_its_end

SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SERVER__HOST": "0.0.0.0"}, ["0.0.0.0", "BALLAST_SERVER__API_KEYS", "BALLAST_SERVER__AUTH"]),
        ({"SERVER__HOST": "::"}, ["BALLAST_SERVER__API_KEYS"]),
        ({"SERVER__HOST": "0.0.0.0", "SERVER__API_KEYS": " , "}, ["BALLAST_SERVER__API_KEYS"]),
        ({"SERVER__PORT": "eighty"}, ["BALLAST_SERVER__PORT"]),
        ({"MEMORY__LIMIT": "lots"}, ["BALLAST_MEMORY__LIMIT", "300M"]),
        (
            {"UPLOAD__MAX_BYTES": "1M", "UPLOAD__INLINE_MAX_BYTES": "2M"},
            ["BALLAST_UPLOAD__INLINE_MAX_BYTES", "BALLAST_UPLOAD__MAX_BYTES"],
        ),
        ({"MEMORY__HIGH_SHARE": "0.5"}, ["BALLAST_MEMORY__HIGH_SHARE (0.5)", "moderate < high"]),
        ({"MEMORY__HOST_LOW": "100M"}, ["BALLAST_MEMORY__HOST_CRITICAL", "BALLAST_MEMORY__HOST_LOW"]),
        ({"MEMORY__LIMIT": "32M"}, ["the memory limit (32 MiB, from BALLAST_MEMORY__LIMIT) is too small", "64 MiB"]),
        ({"MEMORY__LIMIT": "300M", "UPLOAD__INLINE_MAX_BYTES": "1G"}, ["BALLAST_UPLOAD__INLINE_MAX_BYTES", "300 MiB"]),
        ({"MEMORY__LIMIT": "300M", "MEMORY__CACHE": "400M"}, ["BALLAST_MEMORY__CACHE", "300 MiB"]),
        ({"SERVER__ORIGINS": "*"}, ["BALLAST_SERVER__ORIGINS", "every web page", "https://app.example"]),
        ({"SERVER__ORIGINS": "https://app.example/path"}, ["BALLAST_SERVER__ORIGINS", "without a path"]),
        ({"SERVER__HOSTS": "*"}, ["BALLAST_SERVER__HOSTS"]),
        ({"SERVER__PORT": "8000", "SERVER__PROBE_PORT": "8000"}, ["BALLAST_SERVER__PROBE_PORT"]),
        (
            {"STORAGE__BACKEND": "s3", "STORAGE__S3_BUCKET": "b", "STORAGE__S3_ENDPOINT": "minio:9000"},
            ["BALLAST_STORAGE__S3_ENDPOINT", "http://host:port"],
        ),
        ({"SERVER": "garbage"}, ["BALLAST_SERVER"]),
        ({"SERVER__PROT": "8000"}, ["BALLAST_SERVER__PROT"]),
    ],
)
def test_what_contradicts_itself_is_told_in_one_line(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    ended = run_to_its_end(tmp_path, settings)

    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("ballast: ")
    assert all(word in line for word in words)
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(file_system_type(SHARED_MEMORY) != "tmpfs", reason="there is no tmpfs here")
def test_a_storage_root_in_memory_is_refused(tmp_path: Path) -> None:
    root = SHARED_MEMORY / f"ballast-{tmp_path.name}"

    ended = run_to_its_end(tmp_path, {"STORAGE__ROOT": str(root)})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "tmpfs" in line
    assert "BALLAST_STORAGE__ROOT" in line
    assert not root.exists()


def test_a_storage_root_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = run_to_its_end(tmp_path, {"STORAGE__ROOT": str(tmp_path / "file" / "var")})

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("ballast: the storage root")


def test_two_services_do_not_share_a_storage_root(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        ended = run_to_its_end(tmp_path, {})

        assert ended.returncode == 2
        assert "in use by another running service" in ended.stderr
        assert httpx.get(f"{server.url}/health/live").status_code == 200


def test_a_port_that_is_taken_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run_to_its_end(tmp_path, {"SERVER__PORT": str(port)})

    assert ended.returncode == 1
    assert "address already in use" in ended.stderr.lower()
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "var" / "tmp").iterdir()) == []


def test_a_probe_port_that_is_taken_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run_to_its_end(tmp_path, {"SERVER__PROBE_PORT": str(port)})

    assert ended.returncode == 1
    assert "address already in use" in ended.stderr.lower()
    assert "Traceback" not in ended.stderr


def test_auth_off_listens_everywhere_without_keys(tmp_path: Path) -> None:
    settings = {"SERVER__HOST": "0.0.0.0", "SERVER__AUTH": "off", "SERVER__HOSTS": "media.lan,localhost"}
    with run_server(tmp_path, settings) as server:
        named = httpx.get(f"{server.url}/v1/limits", headers={"Host": "media.lan:8000"})
        foreign = httpx.get(f"{server.url}/v1/limits", headers={"Host": "evil.example"})

        assert (named.status_code, foreign.status_code) == (200, 403)


def test_metrics_need_a_key_where_others_can_reach_them(tmp_path: Path) -> None:
    settings = {"SERVER__HOST": "0.0.0.0", "SERVER__API_KEYS": "k-1"}
    with run_server(tmp_path, settings) as server:
        bare = httpx.get(f"{server.url}/metrics/memory")
        keyed = httpx.get(f"{server.url}/metrics/memory", headers={"Authorization": "Bearer k-1"})
        health = httpx.get(f"{server.url}/health/ready")

        assert (bare.status_code, keyed.status_code, health.status_code) == (401, 200, 200)


def test_it_ends_in_order_at_ctrl_c_too(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        server.stop(signal.SIGINT)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SERVER__API_KEYS": "k"}, ["BALLAST_SERVER__API_KEYS", "one character"]),
        ({"MODELS__DIR": "nowhere"}, ["BALLAST_MODELS__DIR", "ballast models"]),
        ({"MEMORY__LIMIT": "150M"}, ["150 MiB", "vision"]),
    ],
)
def test_what_costs_a_feature_or_a_safeguard_is_warned_of_in_one_line(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    with run_server(tmp_path, settings) as server:
        warnings = [line["message"] for line in server.log_lines() if line["level"] == "warning"]

    assert len([warning for warning in warnings if all(word in warning for word in words)]) == 1


def test_smaller_uploads_than_the_default_inline_limit_are_no_contradiction(tmp_path: Path) -> None:
    with run_server(tmp_path, {"UPLOAD__MAX_BYTES": "1M"}) as server:
        assert httpx.get(f"{server.url}/health/ready").status_code == 200


def test_an_unknown_section_is_warned_of(tmp_path: Path) -> None:
    with run_server(tmp_path, {"SERVR__PORT": "1"}) as server:
        warnings = [line["message"] for line in server.log_lines() if line["level"] == "warning"]

        assert any("BALLAST_SERVR__PORT" in warning for warning in warnings)


def test_a_null_origin_is_warned_of(tmp_path: Path) -> None:
    with run_server(tmp_path, {"SERVER__ORIGINS": "null"}) as server:
        warnings = [line["message"] for line in server.log_lines() if line["level"] == "warning"]

        assert any("null" in warning for warning in warnings)


def test_one_line_tells_what_was_started_and_with_what(tmp_path: Path) -> None:
    settings = {"MEMORY__LIMIT": "500M", "STORAGE__QUOTA": "1G", "SERVER__API_KEYS": "k-1,k-2"}
    with run_server(tmp_path, settings, secrets=("k-1", "k-2")) as server:
        (line,) = [line for line in server.log_lines() if line["message"].startswith("Ballast ")]

    assert line.items() >= {
        "level": "info", "limitBytes": 500 << 20, "limitSource": "setting", "storage": "local", "quotaBytes": 1 << 30,
        "keys": 2, "sandbox": "required",
    }.items()  # fmt: skip


def test_debug_says_more(tmp_path: Path) -> None:
    with run_server(tmp_path, {"LOG__LEVEL": "debug"}) as server:
        assert httpx.get(f"{server.url}/v1/limits").status_code == 200

        eventually(lambda: any(line["message"] == "GET /v1/limits 200" for line in server.log_lines()))
