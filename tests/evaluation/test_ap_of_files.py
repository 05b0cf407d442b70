"""AP from files equals AP from records, however they are written."""

import json

import pytest

from instseg.core.errors import InputError
from instseg.evaluation.ap_of_files import ap_of_files
from instseg.evaluation.coco_ap import METRICS, measure_ap

TRIANGLE = [10, 10, 50, 10, 10, 50]
SQUARE = [10, 10, 50, 10, 50, 50, 10, 50]


def truth():
    return {
        "images": [{"id": 5, "file_name": "a.jpg", "height": 100, "width": 100}],
        "annotations": [
            {
                "id": number,
                "image_id": 5,
                "category_id": 7,
                "bbox": [10, 10, 40, 40],
                "area": 1600,
                "iscrowd": crowd,
                "segmentation": outline,
            }
            for number, (outline, crowd) in enumerate([([SQUARE], 0), ([TRIANGLE, SQUARE], 1)], 1)
        ],
        "categories": [{"id": 7, "name": "cup"}],
    }


def results():
    rle = {"size": [100, 100], "counts": [1010, 38, *[62, 38] * 38, 5152]}  # 39 columns
    common = {"image_id": 5, "category_id": 7, "segmentation": rle}
    return [
        {**common, "bbox": [10, 10, 40, 30], "score": 0.5},
        {**common, "bbox": [60, 60, 9, 9], "score": 1},
    ]


@pytest.fixture
def scores_of(tmp_path):
    def scores(kind, given_truth, given_results):
        files = tmp_path / "truth.json", tmp_path / "results.json"
        for file, document in zip(files, (given_truth, given_results), strict=True):
            file.write_text(json.dumps(document))
        return ap_of_files(*files, kind).scores

    return scores


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_golden_numbers(coco_dir, kind):
    golden = coco_dir / "golden"
    expected = json.loads((golden / "expected_pycocotools.json").read_text())[kind]
    files = golden / "instances_val2014_100.json", golden / expected["results"]
    scores = ap_of_files(*files, kind).scores
    assert [scores[name] for name in METRICS] == pytest.approx(expected["stats"], abs=1e-9)


@pytest.mark.parametrize("kind", ["bbox", "segm", "boundary"])
def test_files_score_as_their_records(scores_of, kind):
    expected = measure_ap(truth(), results(), kind).scores
    assert expected["AP"] > 0
    assert scores_of(kind, truth(), results()) == expected


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ids_and_numbers_as_text_score_the_same(scores_of, kind):
    written = truth()
    for annotation in written["annotations"]:
        annotation |= {"image_id": "5", "category_id": "7", "area": "1600"}
    written["images"][0]["id"] = "5"
    assert scores_of(kind, written, results()) == measure_ap(truth(), results(), kind).scores


def test_missing_areas_and_crowds_are_filled_in(scores_of):
    written = truth()
    del written["annotations"][1]
    expected = measure_ap(written, results(), "bbox").scores
    del written["annotations"][0]["area"], written["annotations"][0]["iscrowd"]
    assert scores_of("bbox", written, results()) == expected


def test_a_broken_outline_is_named(scores_of):
    written = truth()
    written["annotations"][0]["segmentation"] = [[10, 10, 50, 1e9, 50, 50]]
    with pytest.raises(InputError, match=r"truth\.json: annotation 1, of image 5"):
        scores_of("segm", written, results())


def test_a_broken_file_is_named(scores_of, tmp_path):
    scores_of("bbox", truth(), results())
    (tmp_path / "truth.json").write_text('{"images": [')
    with pytest.raises(InputError, match=r"truth\.json: not valid JSON"):
        ap_of_files(tmp_path / "truth.json", tmp_path / "results.json", "bbox")


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_broken_results_are_named(scores_of, kind):
    first, *others = results()
    with pytest.raises(
        InputError, match=r"\[0\]: expected image_id to be a whole number below 2\^53, got 5\.5"
    ):
        scores_of(kind, truth(), [first | {"image_id": 5.5}, *others])


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ids_as_tables_write_them(scores_of, kind):
    written = [
        each | {"image_id": float(each["image_id"]), "category_id": "7"} for each in results()
    ]
    expected = scores_of(kind, truth(), results())
    assert scores_of(kind, truth(), written) == expected


def many(records):
    """More than fit into one piece of JSON."""
    return [{**record, "score": n % 97 / 97} for n in range(500) for record in records]


@pytest.mark.parametrize("note", [None, "}, {", {"of": [{"a": 1}, {"b": 2}]}])
def test_many_results_score_as_their_records(scores_of, note):
    written = [{**record, "note": note} for record in many(results())]
    expected = measure_ap(truth(), written, "bbox").scores
    assert scores_of("bbox", truth(), written) == expected


def test_no_results_score_nothing(scores_of):
    assert scores_of("bbox", truth(), [])["AP"] == 0


@pytest.mark.parametrize("crowd", [True, 1.0])
def test_a_crowd_may_be_written_in_another_way(scores_of, crowd):
    written = truth()
    expected = measure_ap(written, results(), "bbox").scores
    written["annotations"][1]["iscrowd"] = crowd
    assert scores_of("bbox", written, results()) == expected


def test_scores_of_any_sign_rank_the_results(scores_of):
    """The last is the best one; 0 and -0 are equal, and the first of them counts first."""
    scores = [-2.5, -0.0, 0.0, 1e-300, 7.0]
    hit, miss = ([10, 10, 40, 40], [60, 60, 9, 9])
    common = {"image_id": 5, "category_id": 7}
    found = [{**common, "bbox": miss, "score": score} for score in scores]
    for place, ap in ((4, 1.0), (3, 0.5), (1, 1 / 3), (2, 0.25), (0, 0.2)):
        tried = [{**each, "bbox": hit} if i == place else each for i, each in enumerate(found)]
        assert scores_of("bbox", truth(), tried)["AP"] == pytest.approx(ap)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_a_missing_file_of_results_is_named(scores_of, tmp_path, kind):
    scores_of(kind, truth(), results())
    with pytest.raises(InputError, match=r"other\.json: cannot be read"):
        ap_of_files(tmp_path / "truth.json", tmp_path / "other.json", kind)


def test_a_class_without_objects_or_results_has_no_score(scores_of):
    written = truth() | {"annotations": []}
    assert scores_of("bbox", written, [])["AP"] == -1
