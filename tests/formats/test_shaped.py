from instseg.formats.notes import Notes
from instseg.formats.shaped import shaped


def test_objects_that_can_be_drawn_and_what_is_told_of_others():
    def shape_of(annotation):
        if annotation["id"] == 3:
            raise ValueError("a broken RLE")
        return [] if annotation["id"] == 4 else ["ring"]

    notes = Notes()
    crowd = {"id": 2, "iscrowd": 1}
    given = [{"id": 1}, crowd, {"id": 3}, {"id": 4}]
    assert list(shaped(given, shape_of, notes)) == [({"id": 1}, ["ring"])]
    assert notes.lines() == (
        "objects with a broken RLE: left out (1; first: id 3)",
        "objects with an empty mask: left out (1; first: id 4)",
    )
