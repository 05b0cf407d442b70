"""GeoJSON of instances: on a map where the photo lies on one, in pixels otherwise."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from instseg.core.errors import InputError
from instseg.core.events import Event, Warned
from instseg.core.instances import Instances, Masks
from instseg.core.rle import polygons_to_rle
from instseg.files.geojson import polygons_of, write_geojson
from instseg.files.georeference import Georeference, read_georeference
from instseg.predict.geojson_files import GeojsonFiles
from instseg.predict.photos import NamedPhoto

SIZE_HW = (60, 80)
UTM = "EPSG:32633"  # 15 degrees east in the middle
CORNER_XY, PIXEL_M = (500_000.0, 5_400_000.0), 10.0


def instances() -> Instances:
    """A ring with an island in it, and a square."""
    dense = np.zeros((2, *SIZE_HW), dtype=bool)
    dense[0, 10:40, 10:50] = True
    dense[0, 15:35, 15:45] = False
    dense[0, 20:30, 20:40] = True
    dense[0, 24:26, 24:26] = False
    dense[1, 50:60, 70:80] = True
    masks = Masks.from_dense(dense)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1, 2],
        scores=[0.75, 0.5],
        masks=masks,
        class_names=("BG", "cat", "dog"),
    )


def features(path: Path) -> list[dict]:
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    return document["features"]


def turn(ring: list) -> float:
    """Positive for rings that go counterclockwise."""
    x, y = np.array(ring).T - np.array(ring[0])[:, None]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


def test_holes_and_parts_in_pixels(tmp_path: Path) -> None:
    found = instances()
    assert write_geojson(tmp_path / "a" / "photo.geojson", found) is None
    ring, square = features(tmp_path / "a" / "photo.geojson")
    assert ring["properties"] == {"class": "cat", "score": 0.75, "area_px": 796}
    assert ring["geometry"]["type"] == "MultiPolygon"
    assert [len(part) for part in ring["geometry"]["coordinates"]] == [2, 2]
    assert square["geometry"]["type"] == "Polygon"
    for part in [*ring["geometry"]["coordinates"], square["geometry"]["coordinates"]]:
        outer, *holes = part
        assert outer[0] == outer[-1]
        assert turn(outer) > 0
        assert all(turn(hole) < 0 for hole in holes)
    filled = np.zeros(SIZE_HW, dtype=bool)
    for part in ring["geometry"]["coordinates"]:
        for loop in part:  # even-odd
            flat = [float(number) for point in loop[:-1] for number in point]
            filled ^= Masks.from_rle([polygons_to_rle([flat], SIZE_HW)]).dense(0)
    np.testing.assert_array_equal(filled, found.masks.dense(0))


def test_each_hole_belongs_to_the_part_around_it() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        crop = rng.random((14, 17)) > 0.4
        total = 0.0
        for outer, *holes in polygons_of(crop, (0, 0)):
            area = abs(turn([*outer, outer[0]])) / 2 - sum(
                abs(turn([*hole, hole[0]])) / 2 for hole in holes
            )
            assert area > 0
            total += area
        assert total == crop.sum()


def test_empty_masks_are_left_out(tmp_path: Path) -> None:
    nothing = Masks.from_dense(np.zeros((1, *SIZE_HW), dtype=bool))
    found = Instances(
        boxes=[[0, 0, 1, 1]], class_ids=[1], scores=[1], masks=nothing, class_names=("BG", "cat")
    )
    write_geojson(tmp_path / "photo.geojson", found)
    assert features(tmp_path / "photo.geojson") == []


def write_geotiff(path: Path, crs: str = UTM, transform: tuple | None = None) -> Path:
    rasterio = pytest.importorskip("rasterio", reason="needs the extra slides")
    from rasterio.transform import Affine

    place = transform or (PIXEL_M, 0.0, CORNER_XY[0], 0.0, -PIXEL_M, CORNER_XY[1])
    options = {"driver": "GTiff", "dtype": "uint8", "count": 3, "crs": crs}
    height, width = SIZE_HW
    with rasterio.open(
        path, "w", height=height, width=width, transform=Affine(*place), **options
    ) as file:
        file.write(np.zeros((3, height, width), np.uint8))
    return path


def test_a_geotiff_gives_longitude_latitude_and_square_metres(tmp_path: Path) -> None:
    photo = write_geotiff(tmp_path / "map.tif")
    place = write_geojson(tmp_path / "map.geojson", instances(), photo=photo)
    assert place is not None
    assert place.crs == UTM
    about = json.loads((tmp_path / "map.geojson").read_text())["instseg"]
    assert about["crs"] == UTM
    assert about["transform"] == [10, 0, 500_000, 0, -10, 5_400_000]
    ring, square = features(tmp_path / "map.geojson")
    assert square["properties"]["area_m2"] == pytest.approx(100 * 100, rel=2e-3)
    points = np.array(square["geometry"]["coordinates"][0])
    assert points[:, 0] == pytest.approx(15.01, abs=0.01)  # 700 to 800 m east of the middle
    assert points[:, 1] == pytest.approx(48.75, abs=0.01)
    for outer, *holes in ring["geometry"]["coordinates"]:
        assert turn(outer) > 0
        assert all(turn(hole) < 0 for hole in holes)
    from rasterio.warp import transform

    xs, ys = transform("EPSG:4326", UTM, *points.T)
    columns, rows = (np.array(xs) - CORNER_XY[0]) / 10, (CORNER_XY[1] - np.array(ys)) / 10
    corners = sorted(set(zip(columns.round(3).tolist(), rows.round(3).tolist(), strict=True)))
    assert corners == [(70, 50), (70, 60), (80, 50), (80, 60)]


def test_areas_are_those_of_the_ground_in_any_projection(tmp_path: Path) -> None:
    """Web Mercator stretches areas fourfold at 60 degrees north; degrees are no metres at all."""
    mercator = (10.0, 0.0, 0.0, 0.0, -10.0, 8_399_738.0)
    place = read_georeference(write_geotiff(tmp_path / "a.tif", "EPSG:3857", mercator))
    degrees = (1e-4, 0.0, 15.0, 0.0, -1e-4, 60.0)
    other = read_georeference(write_geotiff(tmp_path / "b.tif", "EPSG:4326", degrees))
    assert place is not None
    assert other is not None
    origin = np.zeros((1, 2))
    assert place.pixel_areas_m2(origin)[0] == pytest.approx(100 / 4, rel=0.01)
    assert other.pixel_areas_m2(origin)[0] == pytest.approx(111_412 * 55_800 * 1e-8, rel=0.001)


def test_other_images_have_no_place(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((9, 9, 3), np.uint8), photometric="rgb")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for path in (tmp_path / "photo.tif", tmp_path / "photo.jpg", tmp_path / "missing.tif"):
        assert read_georeference(path) is None


def test_without_rasterio_a_line_names_the_extra(tmp_path: Path) -> None:
    photo = write_geotiff(tmp_path / "map.tif")
    program = (
        "import sys; sys.modules['rasterio'] = None\n"
        "from instseg.files.georeference import read_georeference\n"
        f"read_georeference({str(photo)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip().endswith("pip install 'instseg[slides]'")


@pytest.mark.parametrize(
    ("crs", "corner_xy"),
    [(UTM, (1e30, 5e9)), ('LOCAL_CS["unknown",UNIT["metre",1]]', CORNER_XY)],
)
def test_coordinates_that_are_not_on_the_earth_are_one_line(crs, corner_xy, tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    place = Georeference(crs=crs, transform=(1, 0, corner_xy[0], 0, -1, corner_xy[1]))
    with pytest.raises(InputError, match=r"^its map coordinates are no places on the earth$"):
        write_geojson(tmp_path / "a.geojson", instances(), photo=place)
    assert not list(tmp_path.iterdir())


def test_a_photo_whose_coordinates_are_broken_is_written_in_pixels(tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    photo = write_geotiff(tmp_path / "far.tif", transform=(1, 0, 1e30, 0, -1, 5e9))
    told: list[Event] = []
    named = NamedPhoto(path=photo, name="far.tif", picture="far")
    GeojsonFiles(tmp_path, told.append).write(named, instances())
    assert told == [
        Warned(
            text=f"{photo}: its map coordinates are no places on the earth; "
            "GeoJSON is written in pixels"
        )
    ]
    assert features(tmp_path / "far.geojson")[0]["properties"]["area_px"] == 796
