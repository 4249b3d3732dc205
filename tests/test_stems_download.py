"""Weights from an address: fetched once, checked always, and only from where it is safe."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stem_files import random_stem, write_hdf5

from budgetnet import stems
from budgetnet.errors import BudgetnetError
from budgetnet.stems import catalogue, download

WIDTH = 0.25
NOWHERE = 64 * "0"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return write_hdf5(tmp_path_factory.mktemp("stem") / "stem.h5", random_stem(WIDTH)).read_bytes()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(download.CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Server:
    """Answers on loopback: path -> (status, headers, body). Keeps what it was asked for."""

    def __init__(self):
        self.answers, self.asked = {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                status, headers, body = outer.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(content):
    made = Server()
    made.answers["/a/stem.h5"] = (200, {}, content)
    yield made
    made.close()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_once_and_kept_under_its_digest(server, content, cache):
    source = f"{server.url}/a/stem.h5#sha256={digest(content).upper()}"
    first = stems.load(source, WIDTH)
    again = stems.load(source, WIDTH)
    assert server.asked == ["/a/stem.h5"]
    assert (first.origin, first.sha256) == (again.origin, again.sha256) == ("stem.h5", digest(content))
    assert [path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()] == [
        f"stems/{digest(content)}/stem.h5"
    ]


def test_another_digest_is_refused_with_both_and_nothing_is_kept(server, content, cache):
    rule = rf"/a/stem.h5: must have SHA-256 {NOWHERE}, but got {digest(content)}; the file was thrown away"
    with pytest.raises(BudgetnetError, match=rule):
        stems.load(f"{server.url}/a/stem.h5#sha256={NOWHERE}", WIDTH)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_kept_file_that_has_changed_is_fetched_again(server, content, cache):
    source = f"{server.url}/a/stem.h5#sha256={digest(content)}"
    stems.load(source, WIDTH)
    kept = cache / "stems" / digest(content) / "stem.h5"
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    stems.load(source, WIDTH)
    assert kept.read_bytes() == content
    assert len(server.asked) == 2
    server.answers.clear()
    kept.write_bytes(b"")
    with pytest.raises(BudgetnetError, match=r"stem.h5: must be there to be fetched, but got HTTP status 404"):
        stems.load(source, WIDTH)


def test_a_file_that_changes_after_its_check_is_not_read(server, content, cache, monkeypatch):
    source = f"{server.url}/a/stem.h5#sha256={digest(content)}"
    path = download.fetch(download.parse(source))
    monkeypatch.setattr(download, "digest_of", lambda path: digest(content))
    path.write_bytes(content + b"x")
    with pytest.raises(BudgetnetError, match=rf"must have SHA-256 {digest(content)}, but got {digest(content + b'x')}"):
        stems.load(source, WIDTH)


def test_what_goes_wrong_on_the_way_is_told(server, content, cache, monkeypatch):
    def refuses(path, rule):
        with pytest.raises(BudgetnetError, match=rule):
            stems.load(f"{server.url}{path}#sha256={digest(content)}", WIDTH)

    refuses("/none.h5", r"/none.h5: must be there to be fetched, but got HTTP status 404")
    server.answers["/short.h5"] = (200, {"Content-Length": str(len(content) + 7)}, content)
    refuses("/short.h5", rf"must send {len(content) + 7:,} bytes, but sent {len(content):,}; try again")
    server.answers["/far.h5"] = (302, {"Location": "http://example.com/a.h5"}, b"")
    refuses("/far.h5", r"must begin with https:// \(http:// on this machine only\), but got 'http://example.com/a.h5'")
    server.answers["/file.h5"] = (302, {"Location": "file:///etc/passwd"}, b"")
    refuses("/file.h5", r"weights: must be .*but got 'file:///etc/passwd'|must be there to be fetched, but got HTTP")
    server.answers["/near.h5"] = (302, {"Location": "/a/stem.h5"}, b"")
    assert stems.load(f"{server.url}/near.h5#sha256={digest(content)}", WIDTH).origin == "near.h5"
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    server.answers["/large.h5"] = (200, {}, bytes(2000))
    refuses("/large.h5", "must be at most 1,000 bytes, but got 2,000")
    server.answers["/endless.h5"] = (200, {"Content-Length": "unknown"}, bytes(2000))
    refuses("/endless.h5", "must be at most 1,000 bytes, but sends more")


def test_offline_is_told_with_what_to_do(cache):
    unused = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    url = f"http://127.0.0.1:{unused.server_port}/a.h5"
    unused.server_close()
    rule = rf"{url}: must be reachable, but got .*refused.*; fetch the file by other means and give its path"
    with pytest.raises(BudgetnetError, match=rule):
        stems.load(f"{url}#sha256={NOWHERE}", WIDTH)
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("https://host/a.h5", "an address must end in #sha256= and 64 hexadecimal digits, but got 'https://host/a.h5'"),
        ("https://host/a.h5#sha256=12", "an address must end in #sha256= and 64"),
        (f"https://host/#sha256={NOWHERE}", "an address must end in the plain name of a file"),
        (f"https://host/..%2Fa.h5#sha256={NOWHERE}", None),
        (f"https://host/%2E%2E#sha256={NOWHERE}", "an address must end in the plain name of a file"),
        (f"https://host/.h5#sha256={NOWHERE}", "an address must end in the plain name of a file"),
        (f"http://host/a.h5#sha256={NOWHERE}", r"must begin with https:// \(http:// on this machine only\)"),
        (f"http://127.0.0.1.evil.org/a.h5#sha256={NOWHERE}", "must begin with https://"),
        (f"file:///a.h5#sha256={NOWHERE}", "must be an address of host and path"),
        (f"https://me:secret@host/a.h5#sha256={NOWHERE}", "must be an address of host and path, without a user's name"),
        (f"https://host:x/a.h5#sha256={NOWHERE}", "must be an address, but got"),
        (f"https://[/a.h5#sha256={NOWHERE}", "must be an address, but got"),
    ],
)
def test_addresses_are_checked_before_anything_is_asked(source, rule):
    if rule is None:
        assert download.parse(source).name == "a.h5"
        return
    with pytest.raises(BudgetnetError, match=rule):
        download.parse(source)


def test_addresses_of_this_machine_need_no_encryption():
    for host in ("localhost:80", "127.0.0.1", "127.8.8.8:1", "[::1]:80"):
        assert download.parse(f"http://{host}/a.h5#sha256={NOWHERE}").url == f"http://{host}/a.h5"


def test_the_cache_folder_follows_the_system(monkeypatch, tmp_path):
    for name in (download.CACHE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download.Path, "home", lambda: tmp_path)
    for platform, expected in [
        ("linux", ".cache/budgetnet"),
        ("darwin", "Library/Caches/budgetnet"),
        ("win32", "AppData/Local/budgetnet/cache"),
    ]:
        monkeypatch.setattr(download.sys, "platform", platform)
        assert download.cache_folder() == tmp_path / expected
    monkeypatch.setattr(download.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert download.cache_folder() == tmp_path / "x" / "budgetnet"
    monkeypatch.setenv(download.CACHE, str(tmp_path / "y"))
    assert download.cache_folder() == tmp_path / "y"
    monkeypatch.delenv(download.CACHE)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(download.Path, "home", homeless)
    with pytest.raises(BudgetnetError, match="BUDGETNET_CACHE must name a folder where there is no home folder"):
        download.cache_folder()


def test_keras_is_fetched_where_the_digest_is_known(monkeypatch):
    asked = catalogue.address(0.25)
    assert asked.url.endswith("/mobilenet_2_5_224_tf_no_top.h5")
    assert catalogue.address(0.1) == asked
    rule = r"0.5 it is not \(known: 0.25\); give https://.*/mobilenet_5_0_224_tf_no_top.h5#sha256=<64 digits>"
    with pytest.raises(BudgetnetError, match=rule):
        catalogue.address(0.3)
    with pytest.raises(BudgetnetError, match=r"depth_multiplier: must be at most 1 for .* not widened, but got 1.25"):
        catalogue.address(1.25)
    for file in catalogue.catalogue().files:
        assert (file.licence, file.url[:8]) == ("Apache-2.0", "https://")


def test_the_word_keras_fetches_and_checks(content, server, cache, monkeypatch):
    known = catalogue.Published(
        depth_multiplier=WIDTH,
        resolution=224,
        url=f"{server.url}/a/stem.h5",
        sha256=digest(content),
        source="-",
        licence="-",
    )
    monkeypatch.setattr(catalogue, "catalogue", lambda: catalogue.Catalogue(files=(known,)))
    stem = stems.load("keras", 0.2)
    assert (stem.narrowed_from, stem.sha256) == (WIDTH, digest(content))
