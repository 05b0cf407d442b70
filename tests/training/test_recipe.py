"""The hyperparameters: learning rates of the groups of weights."""

from torch import nn

from instseg.training.recipe import Recipe


def make_weights():
    backbone, head = nn.Linear(2, 2), nn.Linear(2, 2)
    return [*head.parameters(), *backbone.parameters()], list(backbone.parameters())


def groups(recipe):
    weights, backbone = make_weights()
    return [
        (each["lr_factor"], each["weight_decay"], [w.ndim for w in each["params"]])
        for each in recipe.optimizer_of(weights, backbone).param_groups
    ]


def test_the_backbone_has_its_own_learning_rate():
    recipe = Recipe(learning_rate=1e-3, backbone_learning_rate=2.5e-4, weight_decay=0.1)
    assert groups(recipe) == [(1, 0.1, [2]), (1, 0, [1]), (0.25, 0.1, [2]), (0.25, 0, [1])]


def test_by_default_all_weights_have_one():
    assert groups(Recipe(weight_decay=0.1)) == [(1, 0.1, [2, 2]), (1, 0, [1, 1])]
