"""The page of a report: content, escaping, policy."""

import base64
import hashlib
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from report_pages import EVIL, page_of_all

from instseg.core.errors import InputError
from instseg.report.components import Page, Section
from instseg.report.page import write_page
from instseg.report.rendered import json_block


class Seen(HTMLParser):
    """Tags and attributes of a page, and the texts of its inline styles and scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.inline, self.inside = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.inside = tag if tag in ("style", "script") else ""

    def handle_data(self, data):
        if self.inside:
            self.inline.append((self.inside, data))
        self.inside = ""


def written(tmp_path, page):
    return write_page(tmp_path / "report.html", page).html.read_text(encoding="utf-8")


def test_names_are_texts_and_never_markup(tmp_path):
    plain, evil = (Seen(written(tmp_path, page_of_all(name))) for name in ("cat", EVIL))
    assert evil.tags == plain.tags
    assert not [key for key, _ in evil.attributes if key.startswith("on") or key == "style"]
    assert [text for _, text in evil.inline] == [text for _, text in plain.inline]


def test_the_policy_allows_what_is_in_the_page_and_no_more(tmp_path):
    seen = Seen(written(tmp_path, page_of_all()))
    policy = next(value for key, value in seen.attributes if key == "content" and "src" in value)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    for kind, text in seen.inline:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        (sources,) = re.findall(f"{kind}-src ([^;]*)", policy)
        assert f"'sha256-{digest}'" in sources
    assert [kind for kind, _ in seen.inline] == ["script", "style", "script"]


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    text = written(tmp_path, page_of_all())
    assert "http:" not in text and "https:" not in text and "@import" not in text
    sources = [value for key, value in Seen(text).attributes if key in ("src", "href")]
    assert all(value.startswith(("#", "data:")) for value in sources)


def test_equal_pages_are_equal_files(tmp_path):
    assert written(tmp_path / "a", page_of_all()) == written(tmp_path / "b", page_of_all())


def test_headings_and_sections_are_linked(tmp_path):
    page = Page(title="T", sections=[Section(title=each, components=[]) for each in ("Ä b", "a B")])
    seen = Seen(written(tmp_path, page))
    links = [value[1:] for key, value in seen.attributes if key == "href"]
    ids = [value for key, value in seen.attributes if key == "id"]
    assert links == ["content", "section-a-b", "section-a-b-2"]
    assert len(set(ids)) == len(ids) and set(links) <= set(ids)


def test_names_of_files_may_be_no_utf8(tmp_path):
    page = Page(title=b"\xff.jpg".decode("utf-8", "surrogateescape"), sections=[])
    assert "<title>?.jpg</title>" in written(tmp_path, page)


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_page(tmp_path / "file" / "report.html", page_of_all())


def test_json_in_a_page_cannot_end_its_element():
    text = str(json_block("a", {"name": f"{EVIL}<!--&\u2028\u2029"}))
    assert text.count("<") == 2 and "&" not in text and text.isascii()
    with pytest.raises(ValueError):
        json_block("a", float("nan"))


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    script = f"""
import os, signal
from pathlib import Path
from instseg.report.components import Gallery, Page, Section

def photos():
    os.kill(os.getpid(), signal.SIGKILL)
    yield

gallery = Gallery(photos=photos(), class_names=["BG"], category_ids=[0])
page = Page(title="", sections=[Section(title="", components=[gallery])])
from instseg.report.page import write_page
write_page(Path({str(tmp_path)!r}) / "report.html", page)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".instseg-*")) and not (tmp_path / "report.html").exists()
    write_page(tmp_path / "report.html", page_of_all())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "raise OSError(28, 'full')"]
)
def test_an_earlier_page_keeps_its_photos_until_the_new_one_is_written(tmp_path, end):
    script = f"""
import os, signal
from pathlib import Path
import numpy as np
from instseg.report.components import Gallery, Page, Photo, Section
from instseg.report.page import write_page

class Last(str):
    def __html__(self):
        {end}

def write(count, title):
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    photos = (Photo(name=str(i), image=pixels) for i in range(count))
    gallery = Gallery(photos=photos, class_names=["BG"], category_ids=[0])
    page = Page(title=title, sections=[Section(title="", components=[gallery])])
    write_page(Path({str(tmp_path)!r}) / "report.html", page)

write(402, "first")
write(401, Last())
"""
    assert (
        subprocess.run(
            [sys.executable, "-c", script], check=False, stderr=subprocess.DEVNULL
        ).returncode
        != 0
    )
    assert "<title>first" in (tmp_path / "report.html").read_text(encoding="utf-8")
    counts = {
        each.name: len(list(each.iterdir())) for each in (tmp_path / "report_files").iterdir()
    }
    assert counts == {"data": 17, "photos": 402, "thumbnails": 402}
    write_page(tmp_path / "report.html", page_of_all())
    assert not list(tmp_path.glob(".instseg-*"))
