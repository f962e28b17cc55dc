"""A web server on loopback that behaves well, or as it is told to."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """One file at `url`.

    Attributes:
        content: the file.
        etag: of its version; None to state none.
        script: what each next request meets: a function of this module, called with the
            request. Once it is used up, requests meet `serve`.
        ranges: of every request so far: the header `Range`, or None.
        released: what `stall` and `wait` wait for.
        arrived: set at the first request.
    """

    def __init__(self, content, url):
        self.content, self.url = content, url
        self.etag = '"1"'
        self.script, self.ranges = [], []
        self.released, self.arrived = threading.Event(), threading.Event()


@contextlib.contextmanager
def serving(content, name="weights.npz"):
    """Yields a `Site`."""

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.site = site
            self.close_connection = True
            site.ranges.append(self.headers.get("Range"))
            site.arrived.set()
            with contextlib.suppress(ConnectionError):
                (site.script.pop(0) if site.script else serve)(self)

        def log_message(self, *args):
            pass

        def head(self, status=200, **headers):
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header.replace("_", "-"), str(value))
            if site.etag:
                self.send_header("ETag", site.etag)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    site = Site(content, f"http://127.0.0.1:{server.server_port}/files/{name}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _start(request):
    """Begins the answer; returns the bytes it is of, whole or a range."""
    content, site = request.site.content, request.site
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if wanted and request.headers.get("If-Range", site.etag) == site.etag:
        first, last = int(wanted[1]), len(content) - 1
        if first > last:
            request.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
            return b""
        content = content[first:]
        request.head(
            206,
            Content_Range=f"bytes {first}-{last}/{last + 1}",
            Content_Length=len(content),
        )
    else:
        request.head(Content_Length=len(content))
    return content


def serve(request):
    request.wfile.write(_start(request))


def cut(request):
    """Half of what is asked for, then the end."""
    content = _start(request)
    request.wfile.write(content[: len(content) // 2])


def stall(request):
    cut(request)
    request.site.released.wait()


def wait(request):
    """Half of it; the rest once released."""
    content = _start(request)
    request.wfile.write(content[: len(content) // 2])
    request.site.released.wait()
    request.wfile.write(content[len(content) // 2 :])


def ignore_range(request):
    request.head(Content_Length=len(request.site.content))
    request.wfile.write(request.site.content)


def corrupt(request):
    content = bytearray(_start(request))
    content[len(content) // 2] ^= 1
    request.wfile.write(content)


def wrong_range(request):
    request.head(206, Content_Range="bytes 1-2/3", Content_Length=2)
    request.wfile.write(b"xx")


def ignore_if_range(request):
    del request.headers["If-Range"]
    serve(request)


def page(request):
    html = b"\n<!DOCTYPE html>\n<html><body>Please log in</body></html>"
    request.head(Content_Length=len(html), Content_Type="text/html")
    request.wfile.write(html)


def without_length(request):
    """As old servers do: the file ends where the connection does."""
    request.head()
    request.wfile.write(request.site.content)


def cut_without_length(request):
    request.head()
    request.wfile.write(request.site.content[: len(request.site.content) // 2])


def endless(request):
    request.head()
    while True:  # until the other side has enough
        request.wfile.write(bytes(2**16))


def longer(request):
    """More than the header says, and than was asked for."""
    request.head(Content_Length=len(request.site.content))
    request.wfile.write(request.site.content + b"more")


def declares_more(request):
    request.head(Content_Length=2 * len(request.site.content))
    request.wfile.write(2 * request.site.content)


def hang_up(request):
    """Not a word."""


def status(code):
    def answer(request):
        request.head(code, Content_Length=4)
        request.wfile.write(b"oops")

    return answer


def redirect(to):
    def answer(request):
        request.head(302, Location=to, Content_Length=0)

    return answer
