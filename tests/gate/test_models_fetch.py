"""pull, verify and path, against a package index and a hub that run here and misbehave."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from so8t.gate.models import catalogue, download, fetch
from so8t.gate.models.catalogue import Hub, Model, ModelFile, Packaged, PyPI
from so8t.gate.models.fetch import CannotFetch, DiskFull, pull, verify
from so8t.gate.models.located import path

WEIGHTS = bytes(range(256)) * 4000
VOCAB = "[UNK]\n日本\n".encode()
WHEEL = "tiny_model-1.0-py3-none-any.whl"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('nothing of a wheel may run')")
        for name, data in members.items():
            archive.writestr(f"tiny_model/model/{name.replace('__', '.')}", data)
    return buffer.getvalue()


GOOD = wheel(weights__bin=WEIGHTS, vocab__txt=VOCAB)
MODEL = Model(
    name="tiny",
    kind="encoder",
    licence="Apache-2.0",
    convert="none",
    file=(
        ModelFile(role="weights", name="weights.bin", size=len(WEIGHTS), sha256=sha(WEIGHTS)),
        ModelFile(role="vocab", name="vocab.txt", size=len(VOCAB), sha256=sha(VOCAB)),
    ),
    source=(
        PyPI(kind="pypi", package="Tiny_Model", version="1.0", wheel=WHEEL, member="tiny_model/model/{file}"),
        Hub(kind="hub", repo="someone/tiny", revision="main"),
    ),
)


@dataclass
class Site:
    """What the server does; tests change it."""

    files: dict[str, bytes] = field(default_factory=dict)
    html: bool = False
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)  # the next file answers break off after so many bytes
    statuses: list[int] = field(default_factory=list)  # the next file answers have these
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range")))
            if self.path == "/simple/tiny-model/":
                self._index()
            elif self.path in site.files:
                self._file(site.files[self.path])
            else:
                self.send_error(404)

        def _index(self) -> None:
            address = f"../../files/{WHEEL}"
            page = f'<a href="{address}#sha256=0">{WHEEL}</a>'
            data = json.dumps({"files": [{"filename": WHEEL, "url": address}]})
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if site.html else "application/vnd.pypi.simple.v1+json")
            self.end_headers()
            self.wfile.write((page if site.html else data).encode())

        def _file(self, data: bytes) -> None:
            if site.statuses:
                return self.send_error(site.statuses.pop(0))
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if site.ranges else 0
            if start >= len(data) > 0 and start:
                return self.send_error(416)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            end = start + site.cut_after.pop(0) if site.cut_after else len(data)
            self.wfile.write(data[start:end])
            return None

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    site = Site(files={f"/files/{WHEEL}": GOOD})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.address}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "known", lambda: {"tiny": MODEL})
    monkeypatch.setattr(download.download, "__defaults__", (lambda seconds: None,))  # no waiting between tries
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def left_over(tmp_path: Path) -> list[str]:
    """Files in the model's folder that are not its own."""
    names = {p.name for p in (tmp_path / "cache" / "models" / "tiny").iterdir()}
    return sorted(names - {"weights.bin", "vocab.txt", ".lock"})


@pytest.mark.parametrize("html", [False, True])
def test_pull_brings_checked_files_and_tells_its_progress(site: Site, tmp_path: Path, html: bool) -> None:
    site.html = html
    seen: list[tuple[int, int | None]] = []
    assert path("tiny") is None
    weights = pull("tiny", lambda done, total: seen.append((done, total)))
    assert weights.read_bytes() == WEIGHTS
    assert (weights.parent / "vocab.txt").read_bytes() == VOCAB
    assert path("tiny") == weights
    assert verify("tiny") == []
    assert seen[-1] == (len(GOOD), len(GOOD))
    assert left_over(tmp_path) == []


def test_what_is_there_already_is_not_downloaded_again(site: Site) -> None:
    pull("tiny")
    count = len(site.asked)
    pull("tiny")
    assert len(site.asked) == count


def test_a_broken_connection_is_resumed_where_it_stopped(site: Site) -> None:
    site.cut_after = [300_000, 200_000]
    assert pull("tiny").read_bytes() == WEIGHTS
    ranges = [asked for where, asked in site.asked if where.startswith("/files")]
    assert ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_a_server_that_cannot_resume_sends_everything_again(site: Site) -> None:
    site.ranges = False
    site.cut_after = [300_000]
    assert pull("tiny").read_bytes() == WEIGHTS


def test_a_busy_server_is_asked_again(site: Site) -> None:
    site.statuses = [503, 429, 500]
    assert pull("tiny").read_bytes() == WEIGHTS


def test_a_left_over_part_of_another_file_ends_as_an_error_and_the_next_pull_works(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / ".wheel.part").write_bytes(b"z" * 1000)
    with pytest.raises(CannotFetch):
        pull("tiny")
    assert pull("tiny").read_bytes() == WEIGHTS


def test_one_flipped_byte_is_found_named_and_deleted(site: Site, tmp_path: Path) -> None:
    bad = WEIGHTS[:-1] + b"\0"
    site.files[f"/files/{WHEEL}"] = wheel(weights__bin=bad, vocab__txt=VOCAB)
    with pytest.raises(CannotFetch, match=f"SHA-256 {sha(bad)}, expected {sha(WEIGHTS)}"):
        pull("tiny")
    assert path("tiny") is None
    assert left_over(tmp_path) == []


def test_a_member_that_is_longer_than_it_says_is_refused(site: Site, tmp_path: Path) -> None:
    site.files[f"/files/{WHEEL}"] = wheel(weights__bin=WEIGHTS + b"more", vocab__txt=VOCAB)
    with pytest.raises(CannotFetch, match="longer than the expected"):
        pull("tiny")
    assert left_over(tmp_path) == []


def test_a_file_that_never_ends_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "OVERHEAD", 1000)
    site.files[f"/files/{WHEEL}"] = GOOD + b"z" * 2_000_000
    with pytest.raises(CannotFetch, match="more than the expected"):
        pull("tiny")


@pytest.mark.parametrize("data", [b"no zip at all", wheel(vocab__txt=VOCAB)])
def test_a_broken_wheel_is_an_error_of_ours(site: Site, data: bytes) -> None:
    site.files[f"/files/{WHEEL}"] = data
    with pytest.raises(CannotFetch, match=r"wheel.part"):
        pull("tiny")


def test_the_hub_stands_in_where_the_index_has_nothing(site: Site) -> None:
    del site.files[f"/files/{WHEEL}"]
    site.files["/someone/tiny/resolve/main/weights.bin"] = WEIGHTS
    site.files["/someone/tiny/resolve/main/vocab.txt"] = VOCAB
    assert pull("tiny").read_bytes() == WEIGHTS
    assert verify("tiny") == []


def test_a_hub_that_sends_another_file_is_refused(site: Site, tmp_path: Path) -> None:
    del site.files[f"/files/{WHEEL}"]
    site.files["/someone/tiny/resolve/main/weights.bin"] = WEIGHTS[::-1]
    with pytest.raises(CannotFetch, match="expected"):
        pull("tiny")
    assert left_over(tmp_path) == []


def test_no_network_says_so_for_each_source(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = "http://127.0.0.1:1"
    monkeypatch.setenv("PIP_INDEX_URL", closed)
    monkeypatch.setenv("HF_ENDPOINT", closed)
    with pytest.raises(CannotFetch, match=r"pypi: .*pip download .* failed too.*hub: 5 tries failed"):
        pull("tiny")


def test_pip_gets_it_where_the_index_is_a_local_folder(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "simple" / "tiny-model"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>', encoding="utf-8")
    data = io.BytesIO(GOOD)
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    (folder / WHEEL).write_bytes(data.getvalue())
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert pull("tiny").read_bytes() == WEIGHTS
    assert site.asked == []


def test_a_full_disk_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch, "place_wheel", full)
    with pytest.raises(DiskFull, match="SO8T_CACHE"):
        pull("tiny")


def test_verify_names_the_file_that_changed_and_pull_mends_it(site: Site) -> None:
    weights = pull("tiny")
    weights.write_bytes(WEIGHTS[1:])
    (weights.parent / "vocab.txt").unlink()
    problems = {problem.file: problem.text for problem in verify("tiny")}
    assert problems["vocab.txt"] == "it is missing"
    assert sha(WEIGHTS) in problems["weights.bin"]
    pull("tiny")
    assert verify("tiny") == []


def test_pulls_at_the_same_time_download_once(site: Site) -> None:
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(pull("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len([where for where, _ in site.asked if where.startswith("/files")]) == 1


def test_a_packaged_model_is_found_in_its_package_and_needs_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def packaged(name: str) -> Callable[[], dict[str, Model]]:
        source = Packaged(kind="packaged", package="so8t.gate", folder="models")
        file = ModelFile(role="weights", name=name)
        model = Model(name="x", kind="language", licence="MIT", convert="none", file=(file,), source=(source,))
        return lambda: {"x": model}

    monkeypatch.setattr(catalogue, "known", packaged("models.toml"))
    assert pull("x") == path("x")
    assert verify("x") == []
    monkeypatch.setattr(catalogue, "known", packaged("absent.gguf"))
    assert path("x") is None
    with pytest.raises(CannotFetch, match="it is missing"):
        pull("x")
