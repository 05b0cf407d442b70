"""Photos to look at, with their annotations as they are."""

from coco_documents import SIZE_HW, sound, write_photos

from instseg.doctor.examination import Surroundings
from instseg.doctor.examine import examine_document
from instseg.doctor.examples import examples


def look(document, folder, count=10):
    seen = examine_document(document, Surroundings())
    return list(examples(seen.table, seen.findings, folder, count))


def test_objects_and_troubles_are_shown(tmp_path):
    document = sound()
    document["annotations"][4]["bbox"] = [60, 40, 500, 10]  # of image 20
    document["annotations"][6]["segmentation"] = {"size": [60, 80], "counts": [1, -1]}
    ill, *well = look(document, write_photos(tmp_path))
    assert ill.caption == "20.png: cup 2, dog 2"
    assert "box-outside" in ill.troubles and "rle-runs" in ill.troubles
    assert ill.instances.size_hw == SIZE_HW
    assert ill.instances.boxes[0].tolist() == [60, 40, 560, 50]  # as stated
    assert [each.troubles for each in well] == [(), ()]
    assert well[0].instances.masks.areas().tolist()[0] == 600


def test_few_are_chosen_and_the_unreadable_left_out(tmp_path):
    folder = write_photos(tmp_path, images=9)
    (folder / "10.png").write_bytes(b"")
    shown = look(sound(images=9), folder, count=4)
    assert len(shown) == 3


def test_a_photo_of_another_size_is_shown_bare(tmp_path):
    document = sound(images=1)
    document["images"][0]["width"] = 90
    (only,) = look(document, write_photos(tmp_path))
    assert only.instances is None
