"""One file over HTTP, into a `.part` file that the next attempt goes on with.

So does the next process: after Ctrl-C, SIGKILL or a full disk the file stays. Beside it
lies what the server said of the file's version, so that two versions are never joined.
"""

import http.client
import itertools
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import vidzoo
from vidzoo.atomic import write_text
from vidzoo.progress import Progress
from vidzoo.weights.preset import RemoteFile

TIMEOUT = 30.0  # seconds without a byte
WAITS = (1.0, 4.0, 10.0, 30.0)  # seconds before each further attempt
LARGEST = 2**30  # bytes, where no size is known; the largest of ours has half of it
_CHUNK = 2**18
_MEGABYTE = 10**6
_TRANSIENT = (408, 425, 429)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")

_log = logging.getLogger("vidzoo")


class TransferError(Exception):
    """Why a file was not fetched; more attempts would be in vain."""


class _BrokenError(Exception):
    """Why an attempt ended early; the next one may go further."""


class _UnreachableError(_BrokenError):
    """No answer at all: offline, most likely."""


def transfer(remote: RemoteFile, part: Path, title: str) -> None:
    """Fetches a file into `part`, from where `part` ends; in several attempts.

    Args:
        remote: never more than its size is written, or than the server declares.
        part: the file to write; what is in it is not verified.
        title: of the progress shown.

    Raises:
        TransferError: it was not fetched; the message is a clause for the user.
        OSError: `part` cannot be written; it keeps what it has.
    """
    if not remote.url.startswith(("http://", "https://")):
        raise TransferError("only http and https are fetched")
    waits, had, came_any = list(WAITS), _size(part), False
    while True:
        try:
            return _attempt(remote, part, title)
        except _BrokenError as broken:
            if _size(part) > had:  # as long as something comes, it goes on
                waits, had, came_any = list(WAITS), _size(part), True
            offline = isinstance(broken, _UnreachableError) and not came_any
            if offline or not waits:
                raise TransferError(str(broken)) from broken
            _log.warning("warning: %s: %s; goes on", remote.url, broken)
            time.sleep(waits.pop(0))


def discard(part: Path) -> None:
    """Removes a `.part` file and what belongs to it."""
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def is_page(head: bytes) -> bool:
    """Whether a file's first bytes are those of a web page, or of a server's error."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES)


def _attempt(remote, part, title):
    """Fetches what is missing, if the server plays along."""
    start = _resumable(remote, part)
    if start == remote.size:
        return
    request = urllib.request.Request(remote.url)
    request.add_header("User-Agent", f"vidzoo/{vidzoo.__version__}")
    request.add_header("Accept-Encoding", "identity")
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version := _read_version(part):
            request.add_header("If-Range", version)
    try:
        with _open(request) as response:
            start, total = _extent(response, part, start)
            _receive(response, remote, part, start, total, title)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return _check_complete(error, part, start)
        answer = f"the server answers {error.code} {error.reason}"
        if error.code >= 500 or error.code in _TRANSIENT:
            raise _BrokenError(answer) from error
        raise TransferError(answer) from error


def _resumable(remote, part):
    """How many bytes to go on from; a `.part` file that is of no use is removed."""
    start = _size(part)
    too_long = remote.size is not None and start > remote.size
    # Nothing would tell that the rest is of another version of the file.
    unknown = not remote.digest and not _read_version(part)
    if too_long or unknown:
        discard(part)
        return 0
    return start


def _open(request):
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    try:
        return opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError:
        raise
    except ValueError as error:  # an address, of a redirect perhaps, that is none
        raise TransferError(f"leads to no valid address: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.URLError):  # while it connects
            reason = f"cannot be reached: {_words(error.reason)}"
            raise _UnreachableError(reason) from error
        raise _BrokenError(f"the connection broke: {_words(error)}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none that gives up encryption."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.type == "https" and not newurl.lower().startswith("https:"):
            reason = f"and leads from https to {newurl}, which is not followed"
            raise urllib.error.HTTPError(req.full_url, code, reason, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _extent(response, part, start):
    """Where the answer begins, and how long the whole file is, if the server says so.

    An answer of the whole file to a question for its rest means that the server knows
    no ranges, or has another version now.
    """
    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    if response.status != 206:
        raise TransferError(f"the server answers {response.status} {response.reason}")
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    ours, theirs = _read_version(part), _version(response)
    if not found or found[1] != str(start) or (ours and theirs and ours != theirs):
        discard(part)
        raise _BrokenError("the server answers with the rest of another file")
    return start, None if found[2] == "*" else int(found[2])


def _check_complete(error, part, start):
    """After 416, "range not satisfiable": at the end of the file, there is no rest."""
    found = _CONTENT_RANGE.fullmatch(error.headers.get("Content-Range", ""))
    if not found or found[2] != str(start):
        discard(part)
        raise _BrokenError("the server has no such rest of the file") from error


def _receive(response, remote, part, start, total, title):
    chunks = _chunks(response, None if total is None else total - start)
    first = next(chunks, b"")
    if start == 0 and is_page(first):
        raise TransferError("the server answers with a web page in place of the file")
    if remote.size is not None and total not in (None, remote.size):
        raise TransferError(
            f"the server's file has {total} bytes, {remote.size} were expected"
        )
    limit = next(n for n in (remote.size, total, LARGEST) if n is not None)
    if limit > LARGEST and remote.size is None:
        raise TransferError(f"the server's file has {limit} bytes, {LARGEST} at most")
    done = start
    megabytes = None if limit == LARGEST else -(-limit // _MEGABYTE)
    with (
        part.open("ab" if start else "wb") as file,
        Progress(title, megabytes, "MB") as shown,
    ):
        if not start:
            _write_version(response, part)
        for chunk in itertools.chain([first], chunks):
            file.write(chunk[: limit - done])
            file.flush()  # what a killed process has received is not lost
            done += len(chunk)
            if done > limit:
                discard(part)
                raise TransferError(f"the server sends more than {limit} bytes")
            is_all = megabytes is not None and done == limit
            shown.update(megabytes if is_all else done // _MEGABYTE)
    expected = remote.size if total is None else total
    if expected is not None and done < expected:
        raise _BrokenError(f"the connection ended at byte {done} of {expected}")
    if expected is None and not remote.digest and not response.chunked:
        discard(part)
        raise TransferError("the server does not say how long the file is")


def _chunks(response, length) -> Iterator[bytes]:
    """What arrives, up to `length` bytes in all if that is not None."""
    while length is None or length > 0:
        try:
            chunk = response.read1(_CHUNK if length is None else min(_CHUNK, length))
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(f"the connection broke: {_words(error)}") from error
        if not chunk:
            return
        length = None if length is None else length - len(chunk)
        yield chunk


def _words(error):
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT:g} s"
    return str(error) or type(error).__name__


def _size(part):
    return part.stat().st_size if part.exists() else 0


# What the server says of a file's version: an ETag, or else when it was changed.


def _version_file(part):
    return part.with_name(f"{part.name}.version")


def _version(response):
    tag = response.headers.get("ETag", "")
    # A weak tag, W/"…", does not promise equal bytes.
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _read_version(part):
    """What was kept; nothing if that is no text of one line."""
    file = _version_file(part)
    if not file.is_file():
        return ""
    text = file.read_bytes().decode("ascii", "replace").strip()
    return text if text.isprintable() and "\ufffd" not in text else ""


def _write_version(response, part):
    write_text(_version_file(part), _version(response))
