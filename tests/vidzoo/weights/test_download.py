"""Downloads, against a server on loopback that cuts, stalls, corrupts and lies."""

import dataclasses
import hashlib
import logging
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tests.vidzoo.weights import web
from vidzoo.errors import WeightsError
from vidzoo.weights import PRESETS, RemoteFile, checksums, download, fetch, transfer

ROOT = Path(__file__).resolve().parents[3]
CONTENT = np.random.default_rng(0).bytes(300_000)
HALF = f"bytes={len(CONTENT) // 2}-"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)
# Nothing answers there: the port is reserved, and below those that users may open.
NOWHERE = "http://127.0.0.1:1/files/weights.npz"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A cache of its own, no proxy, and no patience."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIDZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def site():
    with web.serving(CONTENT) as site:
        yield site


def preset_at(url, digest=f"sha256:{SHA256}", size=SIZE, **values):
    """A preset of one file, like GoogLeNet's otherwise."""
    files = (RemoteFile(url, digest, size),)
    return dataclasses.replace(
        PRESETS["googlenet_bvlc"], name="toy", files=files, **values
    )


def cached(tmp_path, name="weights.npz"):
    return tmp_path / "cache" / "weights" / "toy" / name


def visible(tmp_path):
    folder = cached(tmp_path).parent
    return sorted(f.name for f in folder.iterdir() if not f.name.startswith("."))


DIGESTS = [
    f"sha256:{SHA256}",
    f"sha256:{SHA256[:8]}",
    f"sha1:{hashlib.sha1(CONTENT).hexdigest()}",
    f"md5:{hashlib.md5(CONTENT).hexdigest()}",
]


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("digest", DIGESTS)
def test_a_file_is_fetched_once(digest, size, site, tmp_path, caplog):
    caplog.set_level(logging.INFO, "vidzoo")
    preset = preset_at(site.url, digest, size)
    for _ in range(2):
        path = fetch(preset)
        assert path == cached(tmp_path) and path.read_bytes() == CONTENT
    assert site.ranges == [None]
    assert visible(tmp_path) == ["weights.npz"]
    assert caplog.text.count(f"licence: {preset.licence}") == 1


def test_progress_is_shown(site, capsys):
    fetch(preset_at(site.url))
    assert "toy: 1/1 MB" in capsys.readouterr().err


def test_unknown_presets():
    with pytest.raises(WeightsError, match="no preset 'toy'. Choose .*googlenet_bvlc"):
        fetch("toy")


# Connections that break


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("digest", [DIGESTS[0], None])
def test_cut_connections_go_on(digest, size, site):
    site.script = [web.cut]
    assert fetch(preset_at(site.url, digest, size)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF]


def test_several_cuts(site):
    site.script = [web.cut, web.cut, web.hang_up]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    quarter = f"bytes={len(CONTENT) * 3 // 4}-"
    assert site.ranges == [None, HALF, quarter, quarter]


def test_attempts_are_numbered(site, tmp_path):
    site.script = [web.cut] + [web.hang_up] * 3
    with pytest.raises(WeightsError, match="the connection broke"):
        fetch(preset_at(site.url))
    # One that brings something, and as many as there are waits that bring nothing.
    assert len(site.ranges) == 1 + len(transfer.WAITS) and not cached(tmp_path).exists()
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges[-1] == HALF


def test_as_long_as_something_comes_it_goes_on(site):
    site.script = [web.cut] * 8
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert len(site.ranges) == 9


@pytest.mark.parametrize("content", [b"\xff\xfe", b'"1"\nX-Other: 2', b""])
def test_a_damaged_note_of_the_version(content, site, tmp_path):
    """The digest tells all the same whether the parts belong together."""
    cached(tmp_path).parent.mkdir(parents=True)
    part = cached(tmp_path).with_name(f"{cached(tmp_path).name}.part")
    part.write_bytes(CONTENT[: len(CONTENT) // 2])
    part.with_name(f"{part.name}.version").write_bytes(content)
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [HALF]


def test_stalls(site, monkeypatch, caplog):
    monkeypatch.setattr(transfer, "TIMEOUT", 0.2)
    site.script = [web.stall]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF]
    assert "nothing came for 0.2 s" in caplog.text


def test_a_server_without_ranges(site):
    site.script = [web.cut, web.ignore_range]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF]


@pytest.mark.parametrize("etag", ['"2"', None])
@pytest.mark.parametrize("digest", [DIGESTS[0], None])
def test_versions_are_not_joined(digest, etag, site):
    """Half of an old file, and then there is a new one."""
    new = site.content
    site.content, site.etag = bytes(len(CONTENT)), '"1"'

    def change(request):
        web.cut(request)
        site.content, site.etag = new, etag

    site.script = [change]
    assert fetch(preset_at(site.url, digest)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF]


def test_versions_are_compared_here_too(site):
    site.content, site.etag = bytes(len(CONTENT)), '"1"'

    def change(request):
        web.cut(request)
        site.content, site.etag = CONTENT, '"2"'

    site.script = [change, web.ignore_if_range]
    assert fetch(preset_at(site.url, None)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF, None]


def test_more_than_there_is_of_the_same_version(site, tmp_path):
    cached(tmp_path).parent.mkdir(parents=True)
    cached(tmp_path, "weights.npz.part").write_bytes(CONTENT + b"more")
    cached(tmp_path, "weights.npz.part.version").write_text(site.etag)
    assert fetch(preset_at(site.url, None, None)).read_bytes() == CONTENT
    assert len(site.ranges) == 2


def test_without_a_version_or_a_digest_nothing_is_joined(site):
    site.etag, site.script = None, [web.cut]
    assert fetch(preset_at(site.url, None)).read_bytes() == CONTENT
    assert site.ranges == [None, None]


def test_a_rest_that_was_not_asked_for(site):
    site.script = [web.cut, web.wrong_range]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF, None]


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize(
    "part, asked",
    [(CONTENT, 1), (CONTENT + b"more", 2), (CONTENT[:-1], 1), (b"x" * 99, 2)],
    ids=["whole", "too long", "nearly whole", "of something else"],
)
def test_what_an_earlier_process_left(part, asked, size, site, tmp_path):
    cached(tmp_path).parent.mkdir(parents=True)
    cached(tmp_path, "weights.npz.part").write_bytes(part)
    assert fetch(preset_at(site.url, size=size)).read_bytes() == CONTENT
    # A known size tells without a question that nothing, or too much, is there.
    spared = size is not None and len(part) >= len(CONTENT)
    assert len(site.ranges) == asked - spared
    assert visible(tmp_path) == ["weights.npz"]


@pytest.mark.parametrize("code", [500, 503, 429])
def test_servers_that_are_busy(code, site):
    site.script = [web.status(code)]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT


# What is not the file


def test_one_corrupt_download_is_repeated(site, tmp_path, caplog):
    site.script = [web.corrupt]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [None, None] and "fetched once more" in caplog.text


@pytest.mark.parametrize("digest", DIGESTS)
def test_two_corrupt_downloads_are_an_error(digest, site, tmp_path):
    site.script = [web.corrupt, web.corrupt]
    algorithm, _, digits = digest.partition(":")
    message = rf"its {algorithm} is [0-9a-f]+, {digits} was expected\. Try again, or"
    with pytest.raises(WeightsError, match=message):
        fetch(preset_at(site.url, digest))
    assert visible(tmp_path) == [] and len(site.ranges) == 2


@pytest.mark.parametrize("digest", [DIGESTS[0], None])
def test_web_pages(digest, site, tmp_path):
    site.script = [web.page]
    with pytest.raises(WeightsError, match="with a web page in place of the file"):
        fetch(preset_at(site.url, digest, None))
    assert visible(tmp_path) == [] and len(site.ranges) == 1


@pytest.mark.parametrize("code", [404, 403])
def test_refusals(code, site, tmp_path):
    site.script = [web.status(code)]
    message = f"the server answers {code} .* as {cached(tmp_path)} .sha256:{SHA256}"
    with pytest.raises(WeightsError, match=message):
        fetch(preset_at(site.url))
    assert len(site.ranges) == 1


@pytest.mark.parametrize(
    "behaviour, size, message",
    [
        (web.declares_more, len(CONTENT), "file has 600000 bytes, 300000 were expect"),
        (web.endless, len(CONTENT), "sends more than 300000 bytes"),
        (web.endless, None, "sends more than 400000 bytes"),
        (web.declares_more, None, "file has 600000 bytes, 400000 at most"),
    ],
)
def test_no_more_than_is_declared(
    behaviour, size, message, site, tmp_path, monkeypatch
):
    monkeypatch.setattr(transfer, "LARGEST", 400_000)
    written, discard = [0], transfer.discard

    def watched(part):
        written.append(part.stat().st_size if part.exists() else 0)
        discard(part)

    monkeypatch.setattr(transfer, "discard", watched)
    site.script = [behaviour] * 4
    with pytest.raises(WeightsError, match=message):
        fetch(preset_at(site.url, None, size))
    assert visible(tmp_path) == [] and len(site.ranges) == 1
    assert max(written) <= (size or transfer.LARGEST)


def test_what_follows_the_declared_length_is_not_read(site):
    site.script = [web.longer]
    assert fetch(preset_at(site.url, size=None)).read_bytes() == CONTENT


def test_without_a_length_a_digest_or_a_size_tells_the_end(site, tmp_path):
    site.script = [web.without_length, web.cut_without_length]
    with pytest.raises(WeightsError, match="does not say how long the file is"):
        fetch(preset_at(site.url, None, None))
    assert visible(tmp_path) == []
    # The digest notices the cut, the size would before.
    assert fetch(preset_at(site.url, size=None)).read_bytes() == CONTENT
    assert site.ranges == [None, None, None]


def test_empty_files(site):
    site.content = b""
    with pytest.raises(WeightsError, match="it is empty"):
        fetch(preset_at(site.url, None, None))


def test_redirects(site):
    site.script = [web.redirect(site.url)]
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x"])
def test_redirects_elsewhere_than_to_the_web(target, site):
    site.script = [web.redirect(target)]
    with pytest.raises(WeightsError, match="not allowed|unknown url type"):
        fetch(preset_at(site.url))


def test_encryption_is_not_given_up():
    request = transfer.urllib.request.Request("https://a.test/w")
    answer = (None, 302, "Found", {}, "http://a.test/w")
    with pytest.raises(transfer.urllib.error.HTTPError, match="from https to http:"):
        transfer._Redirects().redirect_request(request, *answer)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/weights"])
def test_other_schemes(url):
    with pytest.raises(WeightsError, match="only http and https"):
        fetch(preset_at(url))


# Without a connection


def test_offline_says_which_file_to_put_where(tmp_path):
    preset = preset_at(NOWHERE)
    with pytest.raises(WeightsError) as caught:
        fetch(preset)
    message = str(caught.value)
    assert message.startswith(f"{NOWHERE}: cannot be reached: ")
    facts = f"(sha256:{SHA256}, {len(CONTENT)} bytes)"
    assert f"{NOWHERE} as {cached(tmp_path)} {facts}" in message
    cached(tmp_path).write_bytes(CONTENT)
    assert fetch(preset) == cached(tmp_path)


def test_a_file_put_there_is_verified(tmp_path):
    cached(tmp_path).parent.mkdir(parents=True)
    cached(tmp_path).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(WeightsError, match="its sha256 is .* Remove it, and it is f"):
        fetch(preset_at(NOWHERE))
    cached(tmp_path).write_bytes(b"<html>Log in</html>")
    with pytest.raises(WeightsError, match="it is a web page"):
        fetch(preset_at(NOWHERE))
    assert cached(tmp_path).exists()  # it is the user's


def test_several_files(site, tmp_path):
    """The first is the one to open; what is there already is not fetched."""
    other = RemoteFile(f"{site.url}.data", None, None)
    whole = preset_at(site.url)
    preset = dataclasses.replace(whole, files=(whole.files[0], other))
    nowhere = dataclasses.replace(
        preset, files=(RemoteFile(NOWHERE), RemoteFile(f"{NOWHERE}.data"))
    )
    with pytest.raises(WeightsError) as caught:
        fetch(nowhere)
    for remote in nowhere.files:
        facts = "no digest and no size known"
        assert f"as {cached(tmp_path, remote.name)} ({facts})" in str(caught.value)
    assert fetch(preset).name == "weights.npz"
    assert visible(tmp_path) == [
        *("weights.npz", "weights.npz.data", "weights.npz.data.sha256"),
    ]
    cached(tmp_path, other.name).unlink()
    fetch(preset)
    assert site.ranges == [None, None, None]


def test_a_full_disk_names_the_file(site, tmp_path):
    part = cached(tmp_path, "weights.npz.part")
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=f"{part}: No space left on device"):
        fetch(preset_at(site.url))
    assert part.is_symlink()


def test_where_the_cache_is(tmp_path, monkeypatch):
    assert download.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("VIDZOO_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert download.cache_folder() == tmp_path / ".cache" / "vidzoo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert download.cache_folder() == tmp_path / ".cache" / "vidzoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert download.cache_folder() == tmp_path / "xdg" / "vidzoo"


# Files in the cache


@pytest.mark.parametrize("digest", [DIGESTS[0], None])
def test_an_altered_file_is_noticed(digest, site, monkeypatch):
    monkeypatch.setattr(checksums, "SETTLED", 0.0)
    preset = preset_at(site.url, digest)
    path = fetch(preset)
    fetch(preset)  # remembered
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the clock ticks
        path.write_bytes(CONTENT[:-1] + b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    record = "" if digest else r" \(and weights.npz.sha256\)"
    with pytest.raises(WeightsError, match=rf"its sha256 is .* Remove it{record}, and"):
        fetch(preset)


def test_what_was_verified_is_not_read_again(site, monkeypatch):
    preset = preset_at(site.url)
    fetch(preset)
    read = []
    original = checksums.find_problem
    monkeypatch.setattr(
        checksums, "find_problem", lambda *args: read.append(1) or original(*args)
    )
    fetch(preset)  # too fresh to be remembered
    monkeypatch.setattr(checksums, "SETTLED", 0.0)
    fetch(preset)
    assert len(read) == 2
    fetch(preset)
    assert len(read) == 2


def test_without_a_digest_the_first_download_sets_it(site, tmp_path, caplog):
    preset = preset_at(site.url, None)
    for _ in range(2):
        fetch(preset)
    assert caplog.text.count("its origin states no digest") == 1
    record = cached(tmp_path, "weights.npz.sha256")
    assert record.read_text() == f"{SHA256}  weights.npz\n"
    cached(tmp_path).unlink()
    site.content = bytes(len(CONTENT))
    with pytest.raises(WeightsError, match=f"{SHA256} was expected. Remove it .and"):
        fetch(preset)
    record.write_text("nothing")
    with pytest.raises(WeightsError, match="sha256: damaged"):
        fetch(preset)
    record.unlink()
    fetch(preset)


# Licences


def test_a_licence_for_non_commercial_use_is_accepted_first(site, tmp_path):
    preset = preset_at(site.url, non_commercial=True, licence="CC BY-NC")
    message = "CC BY-NC, which forbids .* --accept-license, .*accept_license=True"
    with pytest.raises(WeightsError, match=message):
        fetch(preset)
    assert not site.ranges
    fetch(preset, accept_license=True)
    fetch(preset)
    cached(tmp_path).unlink()
    fetch(preset)
    assert len(site.ranges) == 2
    with pytest.raises(WeightsError, match="its licence is another one"):
        fetch(dataclasses.replace(preset, licence="another one"))


# Several processes


CHILD = """
    import logging, sys
    from vidzoo.weights import download, transfer
    from vidzoo.weights.preset import Preset, RemoteFile

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transfer.WAITS = ()
    url, digest, size = sys.argv[1:]
    files = (RemoteFile(url, digest, int(size)),)
    network = ("toy", "googlenet", "bvlc")
    preset = Preset(*network, files, "none", 0, {}, {}, "free", "-", "-")
    print(download.fetch(preset))
"""


def child(site):
    arguments = (site.url, f"sha256:{SHA256}", str(len(CONTENT)))
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_waits_and_fetches_nothing(site, tmp_path):
    site.script = [web.wait]
    first = child(site)
    assert site.arrived.wait(60)
    second = child(site)
    assert any("another process fetches it; waiting" in line for line in second.stderr)
    assert not cached(tmp_path).exists()
    site.released.set()
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.strip() == str(cached(tmp_path))
    assert site.ranges == [None]
    assert cached(tmp_path).read_bytes() == CONTENT


def test_a_killed_process_is_resumed(site, tmp_path):
    site.script = [web.stall]
    process = child(site)
    part = cached(tmp_path, "weights.npz.part")
    try:
        while not part.exists() or part.stat().st_size < len(CONTENT) // 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert not cached(tmp_path).exists()
    assert fetch(preset_at(site.url)).read_bytes() == CONTENT
    assert site.ranges == [None, HALF]
