"""The README and docs/: links lead somewhere, and no benchmark is left out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]


def _prose(page):
    """Without blocks of code, whose comments look like headings."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def _anchors(page):
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def _links(page):
    """To pages and headings of ours: as written, the page and the heading."""
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link, target, anchor in _links(page):
        assert target.is_file(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_linked():
    linked = {
        target for page in PAGES for _, target, _ in _links(page) if target != page
    }
    assert set(PAGES) - linked <= {ROOT / "README.md"}


def test_every_benchmark_is_listed_and_its_answer_names_it():
    page = ROOT / "docs/benchmarks.md"
    row = r"^\|[^|]*\| `(\w+)[^|]*\| (?:\[[^]]*\]\(([^#)]+)|by machine)"
    answers = dict(re.findall(row, page.read_text(), re.M))
    runnable = {
        path.stem
        for path in ROOT.glob("benchmarks/*.py")
        if 'if __name__ == "__main__"' in path.read_text()
    }
    assert answers.keys() == runnable
    for name, answer in answers.items():
        if answer:
            told = " ".join((page.parent / answer).read_text().split())
            assert f"benchmarks.{name}" in told, (name, answer)
