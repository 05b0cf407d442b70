"""Makes the pictures of docs/reports.md: each report, in a browser.

    python docs/tooling/report_pictures.py

Needs playwright and a Chromium on the PATH.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo_photos import FREE, demo_photo

from instseg.cli import main as command
from instseg.files.image_writing import write_image

DOCS = Path(__file__).resolve().parents[1]
SIZE = {"width": 1280, "height": 800}
SCENES = 60


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A picture: of a report, after some steps in the browser."""

    name: str
    report: Path
    steps: Callable[[Any], None]
    theme: str = "light"


def write_reports(work: Path) -> list[Shot]:
    """Run each command, and say what is to be seen."""
    for name in FREE:
        write_image(work / "photos" / f"{name}.png", demo_photo(name))
    command(["infer", f"{work}/photos", "--weights=photos", "--report", f"--out={work}/infer"])
    command(["make-scenes", f"--out={work}/scenes", f"--images={SCENES}", "--seed=7"])
    truth, images = work / "scenes" / "annotations.json", work / "scenes" / "images"
    scenes = [f"--coco-json={truth}", f"--images={images}"]
    command(["evaluate", *scenes, "--weights=demo", "--report", f"--out={work}/evaluate"])
    command(["compare-unet", *scenes, "--weights=demo", "--report", f"--out={work}/compare"])
    mislabelled, broken = work / "mislabelled.json", work / "broken.json"
    mislabel(truth, mislabelled)
    spoil(mislabelled, broken)
    command(["doctor", f"--coco-json={broken}", scenes[1], "--report", f"--out={work}/doctor"])
    wrong = [f"--coco-json={mislabelled}", scenes[1]]
    found = f"--results={work}/evaluate/predictions.json"
    command(["evaluate", *wrong, found, "--label-errors", "--report", f"--out={work}/errors"])
    return [
        Shot(name="gallery", report=work / "infer", steps=to("#gallery")),
        Shot(name="photo", report=work / "infer", steps=opened("coffee.png")),
        Shot(name="dashboard", report=work / "evaluate", steps=lambda page: None),
        Shot(
            name="errors", report=work / "evaluate", steps=to("text=Errors >> nth=1"), theme="dark"
        ),
        Shot(name="comparison", report=work / "compare", steps=lambda page: None),
        Shot(name="doctor", report=work / "doctor", steps=lambda page: None),
        Shot(name="review", report=work / "errors", steps=reviewed),
    ]


def mislabel(truth: Path, wrong: Path) -> None:
    """Write a dataset in which classes are exchanged and annotations are left out."""
    document = json.loads(truth.read_text())
    annotations = document["annotations"]
    for each in annotations[5:60:10]:
        each["category_id"] = annotations[0]["category_id"]
    del annotations[90:100:3]
    wrong.write_text(json.dumps(document))


def spoil(sound: Path, broken: Path) -> None:
    """Write a dataset with faults that the doctor finds."""
    document = json.loads(sound.read_text())
    annotations = document["annotations"]
    for each in annotations[7:60:25]:
        each["bbox"][2] *= 1.6
    annotations += [dict(each, id=10_000 + each["id"]) for each in annotations[20:24]]
    annotations[30]["category_id"] = 999
    document["images"][3]["width"] = 777
    broken.write_text(json.dumps(document))


def to(selector: str) -> Callable[[Any], None]:
    """Scroll to an element."""
    return lambda page: page.locator(selector).first.evaluate("e => e.scrollIntoView()")


def opened(photo: str) -> Callable[[Any], None]:
    """Open a photo of the gallery."""
    return lambda page: page.get_by_text(photo).first.click()


def reviewed(page: Any) -> None:
    """Begin the review of suggestions."""
    page.get_by_role("button", name="Review").first.click()


def shoot(shots: list[Shot], out: Path) -> None:
    """Write a PNG of each, in 256 colours."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for shot in shots:
            context = browser.new_context(viewport=SIZE, color_scheme=shot.theme, offline=True)
            page = context.new_page()
            page.goto((shot.report / "report.html").resolve().as_uri())
            shot.steps(page)
            page.wait_for_timeout(1000)  # photos are decoded
            picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
            picture = picture.quantize(256, method=Image.Quantize.MEDIANCUT)
            picture.save(out / f"report_{shot.name}.png", optimize=True)
            context.close()


def main() -> None:
    """Write the reports and their pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/report_pictures"))
    parser.add_argument("--out", type=Path, default=DOCS)
    given = parser.parse_args()
    shoot(write_reports(given.work), given.out)


if __name__ == "__main__":
    main()
