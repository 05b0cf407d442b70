"""Semantic networks for other classes."""

import pytest
import torch

from instseg.models.segmenters import fresh_segmenter
from instseg.models.semantic_heads import with_segmenter_classes

ARCHITECTURES = ("unet_small", "unet_efficientnet_lite0", "fcn_resnet50")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("names", [("BG", "mug", "cat"), ("BG", "cat", "dog", "cup")])
def test_what_is_known_stays(architecture, names):
    """Also where there are as many classes as before, in another order."""
    model = fresh_segmenter(architecture, ("BG", "cat", "cup"), (0, 17, 47))
    before = {name: values.clone() for name, values in model.network.state_dict().items()}
    sources = {"cat": "cat", "mug": "cup", "cup": "cup"}
    sources = {new: old for new, old in sources.items() if new in names}
    new = with_segmenter_classes(model, names, tuple(range(len(names))), sources)
    assert (new.card.class_names, new.card.category_ids) == (names, tuple(range(len(names))))
    image = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        ours, theirs = new.network(image)[0], model.network(image)[0]
    for name, source in {"BG": "BG", **sources}.items():
        row = model.card.class_names.index(source)
        assert torch.allclose(ours[names.index(name)], theirs[row], atol=1e-5), name
    if "dog" in names:
        assert not any(torch.allclose(ours[2], each, atol=1e-2) for each in theirs)
    assert all(torch.equal(values, before[n]) for n, values in model.network.state_dict().items())
