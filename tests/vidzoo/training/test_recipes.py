"""Recipes refuse what they do not know, and change as a whole."""

import json

import pytest

from vidzoo.training import RECIPES, Phase, Recipe, epoch_length


@pytest.mark.parametrize(
    "values, message",
    [
        ({"optimizer": "lion"}, r"`optimizer` .* \('sgd', 'adam'\)\. Received: lion"),
        ({"schedule": "poly"}, r"`schedule` .* 'cosine'\)\. Received: poly"),
        ({"epochs": 0}, "`epochs` or `steps` must be >= 1, .* Received: 0, 0.1"),
        ({"learning_rate": 0.0}, "`learning_rate` > 0 .* Received: 1, 0.0"),
        ({"clip_norm": 0.0}, "`clip_norm`"),
        ({"warmup_epochs": -1.0}, "`warmup_epochs`"),
        ({"weight_decay": -0.1}, "`weight_decay` must be >= 0"),
        ({"momentum": 1.0}, r"`momentum` in \[0, 1\)\. Received: 0.0 and 1.0"),
        ({"steps": 5}, "either `epochs` or `steps`. Received: 1 and 5"),
        ({"epochs": None}, "either `epochs` or `steps`. Received: None and None"),
        ({"batch_norm": "half"}, r"`batch_norm` .* 'partial', 'frozen'\)"),
        (
            {"multipliers": {"head": 0.0}},
            "name it in `frozen`. Received: {'head': 0.0}",
        ),
    ],
)
def test_phase_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Phase(**{"epochs": 1, "learning_rate": 0.1} | values)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"batch_size": 0}, "`batch_size`"),
        ({"crop": "centre"}, "`crop`"),
        ({"loss": "hinge"}, "`loss`"),
        ({"num_segments": 0}, "`num_segments`"),
    ],
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
    with pytest.raises(ValueError, match="`epochs` or `steps` must be >= 1"):
        recipe.replacing(epochs=-1)


def test_a_list_gives_each_phase_its_own():
    recipe = Recipe(phases=(Phase(1, 0.1), Phase(2, 0.2)))
    changed = recipe.replacing(epochs=[5], learning_rate=[0.3, 0.4])
    assert changed.phases == (Phase(5, 0.3), Phase(5, 0.4))
    with pytest.raises(ValueError, match="`epochs` has 3 values, the recipe 2 phases"):
        recipe.replacing(epochs=[1, 2, 3])


def test_epochs_and_steps_are_not_mixed():
    in_steps = Recipe(phases=(Phase(None, 0.1, steps=10),))
    assert in_steps.replacing(steps=[4]).num_steps(100) == 4
    with pytest.raises(ValueError, match="counted in steps, not in epochs. Give --st"):
        in_steps.replacing(epochs=2)
    in_epochs = Recipe(phases=(Phase(2, 0.1), Phase(3, 0.1)), batch_size=8)
    assert in_epochs.num_steps(17) == 5 * 3
    with pytest.raises(ValueError, match="counted in epochs, not in steps. Give --ep"):
        in_epochs.replacing(steps=2)


def test_the_rate_falls_at_the_same_parts_of_a_phase_of_another_length():
    shorter = RECIPES["scratch"]["tsn"].replacing(epochs=9)
    assert shorter.phases[0].decay_epochs == (4, 8)  # of 45: 20 and 40
    shorter = RECIPES["hmdb51"]["tdn"].replacing(steps=[450, 10])
    assert [phase.decay_steps for phase in shorter.phases] == [(200, 400), ()]


EVERY_RECIPE = [(name, network) for name in RECIPES for network in RECIPES[name]]


@pytest.mark.parametrize("name, network", EVERY_RECIPE)
def test_recipes_are_json(name, network):
    recipe = RECIPES[name][network]
    described = json.loads(json.dumps(recipe.as_dict()))
    tuples = ("decay_epochs", "decay_steps", "frozen")
    phases = [
        Phase(**phase | {key: tuple(phase[key]) for key in tuples})
        for phase in described.pop("phases")
    ]
    described["crop_scales"] = tuple(described["crop_scales"])
    assert Recipe(phases=tuple(phases), **described) == recipe


@pytest.mark.parametrize("name", ["finetune", "hmdb51", "act", "ucf101", "fcvid"])
def test_a_tdn_has_two_phases_and_a_tsn_one(name):
    first, second = RECIPES[name]["tdn"].phases
    assert first.frozen == ("image",)  # but for its classifier
    assert second.frozen == ()
    (only,) = RECIPES[name]["tsn"].phases
    assert only.frozen == ()


def test_the_papers_settings():
    """Sections 5.4.2 and 4 of TSN: what the text states, recipe by recipe."""
    for name, num_segments in (("hmdb51", 2), ("act", 3), ("ucf101", 3), ("fcvid", 3)):
        for recipe in RECIPES[name].values():
            assert recipe.batch_size == 128
            assert recipe.num_segments == num_segments
            assert {p.optimizer for p in recipe.phases} == {"sgd"}
            assert {p.momentum for p in recipe.phases} == {0.9}
    for name in ("hmdb51", "act", "ucf101"):
        for recipe in RECIPES[name].values():
            assert recipe.dropout == 0.8
            assert recipe.crop == "corner" and recipe.color_jitter
            assert recipe.crop_scales == (256 / 256, 224 / 256, 192 / 256, 168 / 256)
            assert {p.batch_norm for p in recipe.phases} == {"partial"}
            assert {p.weight_decay for p in recipe.phases} == {5e-4}
    (phase,) = RECIPES["hmdb51"]["tsn"].phases
    assert (phase.learning_rate, phase.decay_steps) == (0.001, (2000, 4000))
    assert phase.steps == 4500
    for recipe in RECIPES["fcvid"].values():
        assert recipe.dropout == 0 and recipe.crop == "random"
        assert recipe.loss == "sigmoid" and not recipe.color_jitter
        assert {p.batch_norm for p in recipe.phases} == {"train"}
        assert {p.weight_decay for p in recipe.phases} == {1e-4}
        first = recipe.phases[0]
        assert (first.learning_rate, first.steps) == (0.01, 30_000)
        assert first.decay_steps == (10_000, 20_000)
    assert RECIPES["fcvid"]["tdn"].phases[1].steps == 10_000


@pytest.mark.parametrize("videos, steps", [(1, 1), (16, 1), (17, 2), (220, 14)])
def test_epoch_length(videos, steps):
    recipe = Recipe(phases=(Phase(1, 0.1),), batch_size=16)
    assert epoch_length(videos, recipe) == steps
