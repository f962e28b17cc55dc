"""Recipes refuse what they do not know, and change as a whole."""

import json

import pytest

from vidzoo.training import RECIPES, Phase, Recipe, epoch_length


@pytest.mark.parametrize(
    "values, message",
    [
        ({"optimizer": "lion"}, r"`optimizer` .* \('sgd', 'adam'\)\. Received: lion"),
        ({"schedule": "poly"}, r"`schedule` .* 'cosine'\)\. Received: poly"),
        ({"epochs": 0}, "`epochs` must be >= 1, .* Received: 0, 0.1"),
        ({"learning_rate": 0.0}, "`learning_rate` > 0 .* Received: 1, 0.0"),
        ({"clip_norm": 0.0}, "`clip_norm`"),
        ({"warmup_epochs": -1.0}, "`warmup_epochs`"),
    ],
)
def test_phase_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Phase(**{"epochs": 1, "learning_rate": 0.1} | values)


@pytest.mark.parametrize(
    "values, message",
    [({"batch_size": 0}, "`batch_size`"), ({"crop": "centre"}, "`crop`")],
)
def test_recipe_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Recipe(phases=(Phase(epochs=1, learning_rate=0.1),), **values)


def test_replacing_reaches_the_recipe_and_all_phases():
    recipe = Recipe(phases=(Phase(1, 0.1), Phase(2, 0.2, optimizer="adam")))
    changed = recipe.replacing(epochs=5, batch_size=3)
    assert changed.phases == (Phase(5, 0.1), Phase(5, 0.2, optimizer="adam"))
    assert changed.batch_size == 3
    assert recipe.batch_size == 16
    with pytest.raises(ValueError, match="`epochs` must be >= 1"):
        recipe.replacing(epochs=-1)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_json(name):
    described = json.loads(json.dumps(RECIPES[name].as_dict()))
    phases = [
        Phase(**phase | {"decay_epochs": tuple(phase["decay_epochs"])})
        for phase in described.pop("phases")
    ]
    described["crop_scales"] = tuple(described["crop_scales"])
    assert Recipe(phases=tuple(phases), **described) == RECIPES[name]


@pytest.mark.parametrize("videos, steps", [(1, 1), (16, 1), (17, 2), (220, 14)])
def test_epoch_length(videos, steps):
    assert epoch_length(videos, RECIPES["finetune"]) == steps
