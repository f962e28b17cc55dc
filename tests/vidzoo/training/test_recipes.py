"""Recipes refuse what they do not know, and change as a whole."""

import json
from dataclasses import replace

import pytest

from vidzoo.models import TDN
from vidzoo.training import RECIPES, Phase, Recipe, epoch_length, parts


@pytest.mark.parametrize(
    "values, message",
    [
        ({"optimizer": "lion"}, r"`optimizer` .* \('sgd', 'adam'\)\. Received: lion"),
        ({"schedule": "poly"}, r"`schedule` .* 'exponential'\)\. Received: poly"),
        ({"decay_rate": 0.0}, r"`decay_rate` must be above 0, at most 1. .* 0\.0"),
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
        (
            {"snippet_length": 0},
            "`snippet_length`, .* must be >= 1 .* Received: 16, 3, 0, 30 a",
        ),
        ({"fps": 0.0}, r"`fps` must be above 0\. Received: 0\.0"),
        ({"first": 29}, "`first` must be at least `num_frames`, 30; .* Received: 29"),
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
    shorter = RECIPES["scratch"]["tsn"]["rgb"].replacing(epochs=9)
    assert shorter.phases[0].decay_epochs == (4, 8)  # of 45: 20 and 40
    shorter = RECIPES["hmdb51"]["tdn"]["rgb"].replacing(steps=[450, 10])
    assert [phase.decay_steps for phase in shorter.phases] == [(200, 400), ()]


PAPERS = ("hmdb51", "act", "ucf101", "fcvid")
EVERY_RECIPE = [
    (name, network, modality)
    for name, networks in RECIPES.items()
    for network, modalities in networks.items()
    for modality in modalities
]


def recipes_of(name):
    """A name's recipes for TSN and TDN and both modalities."""
    return [RECIPES[name][n][m] for n in ("tsn", "tdn") for m in ("rgb", "flow")]


ON_SNIPPETS = {"tsn", "tdn"}
OF_FULL_LENGTH = {"feature_pooling", "lstm_classifier", "single_frame", "slow_fusion"}
OF_FLOW = {"actionflownet", "actionflownet2f", "flownet3d", "flownet2f", "stacked_flow"}
NETWORKS = {
    **dict.fromkeys(
        ("finetune", "scratch"),
        ON_SNIPPETS | OF_FULL_LENGTH | OF_FLOW | {"cnn_m_2048"},
    ),
    **dict.fromkeys(
        ("motion-shapes", "ucf101"), ON_SNIPPETS | OF_FULL_LENGTH | OF_FLOW
    ),
    "hmdb51": ON_SNIPPETS | OF_FLOW,
    **dict.fromkeys(("act", "fcvid"), ON_SNIPPETS),
    **dict.fromkeys(("sports1m", "features"), OF_FULL_LENGTH),
    "action-flow": {"tsn"} | OF_FLOW,
    "two-stream": {"cnn_m_2048"},
}


def test_every_name_has_its_networks_and_their_modalities():
    assert {name: set(networks) for name, networks in RECIPES.items()} == NETWORKS
    for networks in RECIPES.values():
        for network, recipes in networks.items():
            rgb_alone = network == "slow_fusion" or network in OF_FLOW
            expected = {"rgb"} if rgb_alone else {"rgb", "flow"}
            if network in OF_FULL_LENGTH - {"slow_fusion"}:
                expected |= {"features"}
            assert recipes.keys() == expected


def test_sports1m_recipes_are_the_papers():
    """Sections 3.3 (dropout), 3.3.3 (optimization) and 3.4.1 (sampling)."""
    for network in ("feature_pooling", "lstm_classifier"):
        recipe = RECIPES["sports1m"][network]["rgb"]
        (phase,) = recipe.phases
        assert (recipe.num_frames, recipe.fps, recipe.first) == (30, 1.0, 300)
        assert (recipe.crop, recipe.flip, recipe.dropout) == ("random", True, 0.6)
        assert (phase.optimizer, phase.momentum) == ("sgd", 0.9)
        assert (phase.learning_rate, phase.weight_decay) == (1e-5, 5e-4)
        assert phase.schedule == "exponential"
        factor = 30 if network == "lstm_classifier" else 1
        (scaled,) = recipe.for_frames(30).phases
        assert scaled.learning_rate == pytest.approx(factor * 1e-5)
        assert recipe.for_frames(30).for_frames(30) == recipe.for_frames(30)


def test_a_rate_that_is_given_is_not_one_for_each_frame():
    recipe = RECIPES["sports1m"]["lstm_classifier"]["rgb"].replacing(learning_rate=0.1)
    assert recipe.for_frames(30).phases[0].learning_rate == 0.1


def test_two_stream_recipes_are_the_papers():
    """Simonyan & Zisserman 2014, sections 3 and 3.3."""
    for modality, num_images in (("rgb", 1), ("flow", 10)):
        recipe = RECIPES["two-stream"]["cnn_m_2048"][modality]
        (phase,) = recipe.phases
        assert (recipe.batch_size, recipe.dropout) == (256, 0.9)
        assert (recipe.num_segments, recipe.snippet_length) == (1, num_images)
        assert (phase.momentum, phase.learning_rate) == (0.9, 0.01)
        assert (phase.decay_steps, phase.steps) == ((50_000, 70_000), 80_000)


@pytest.mark.parametrize("network", sorted(OF_FLOW))
@pytest.mark.parametrize("name", ["ucf101", "hmdb51", "action-flow"])
def test_recipes_with_flow_are_the_papers(name, network):
    """Section 4.4.2."""
    recipe = RECIPES[name][network]["rgb"]
    (phase,) = recipe.phases
    assert (phase.optimizer, phase.learning_rate) == ("adam", 1e-4)
    assert (phase.schedule, phase.steps, recipe.batch_size) == ("constant", 40_000, 128)
    assert (recipe.crop, recipe.flip, recipe.dropout) == ("multi-scale", True, 0.5)
    assert recipe.color_jitter == ("flownet" not in network or network[0] == "a")
    assert phase.frozen == (("flownet",) if network == "stacked_flow" else ())
    if network in ("actionflownet", "flownet3d"):
        assert recipe.num_frames == 16
    else:
        assert (recipe.num_segments, recipe.snippet_length) == (1, 2)


@pytest.mark.parametrize("name, network, modality", EVERY_RECIPE)
def test_recipes_are_json(name, network, modality):
    recipe = RECIPES[name][network][modality]
    described = json.loads(json.dumps(recipe.as_dict()))
    tuples = ("decay_epochs", "decay_steps", "frozen")
    phases = [
        Phase(**phase | {key: tuple(phase[key]) for key in tuples})
        for phase in described.pop("phases")
    ]
    for name in ("crop_scales", "resolution_weights"):
        described[name] = tuple(described[name])
    assert Recipe(phases=tuple(phases), **described) == recipe


@pytest.mark.parametrize("modality", ["rgb", "flow"])
@pytest.mark.parametrize("name", ["finetune", *PAPERS])
def test_a_tdn_has_two_phases_and_a_tsn_one(name, modality):
    first, second = RECIPES[name]["tdn"][modality].phases
    assert "image" in first.frozen
    assert second.frozen == ()
    (only,) = RECIPES[name]["tsn"][modality].phases
    assert only.frozen == ()


@pytest.mark.parametrize("name", PAPERS)
def test_the_first_phase_of_the_papers_tdn(name):
    """Section 5.3.4: with RGB the image classifier trains, with flow it is trained."""
    network = TDN(3, backbone="toy", frame_shape=(32, 32, 3))
    trained = {}
    for modality in ("rgb", "flow"):
        phase = RECIPES[name]["tdn"][modality].phases[0]
        variables = parts.prepare(network, phase)
        trained[modality] = {v.path.split("/")[0] for v, _ in variables}
    assert {n for n in trained["rgb"] if n.startswith("image")} == {"image_head"}
    assert trained["rgb"] - trained["flow"] == {"image_head"}
    assert "difference_head" in trained["flow"]
    assert all(name.startswith("difference") for name in trained["flow"])


def test_the_papers_settings():
    """Sections 5.3.4 and 5.4.2: what the text states, recipe by recipe."""
    for name, num_segments in zip(PAPERS, (2, 3, 3, 3), strict=True):
        for recipe in recipes_of(name):
            assert recipe.batch_size == 128
            assert recipe.num_segments == num_segments
            assert {p.optimizer for p in recipe.phases} == {"sgd"}
            assert {p.momentum for p in recipe.phases} == {0.9}
        for network in ("tsn", "tdn"):
            assert RECIPES[name][network]["rgb"].snippet_length == 1
            assert RECIPES[name][network]["flow"].snippet_length == 5
    for name in ("hmdb51", "act", "ucf101"):
        for recipe in recipes_of(name):
            assert recipe.dropout == 0.8
            assert recipe.crop == "corner" and recipe.flip
            assert {p.batch_norm for p in recipe.phases} == {"partial"}
            assert {p.weight_decay for p in recipe.phases} == {5e-4}
        for network in ("tsn", "tdn"):
            rgb, flow = (RECIPES[name][network][kind] for kind in ("rgb", "flow"))
            assert rgb.color_jitter and not flow.color_jitter
            assert rgb.crop_scales == (256 / 256, 224 / 256, 192 / 256, 168 / 256)
    for recipe in recipes_of("fcvid"):
        assert recipe.dropout == 0 and recipe.crop == "random"
        assert recipe.loss == "sigmoid" and not recipe.color_jitter
        assert {p.batch_norm for p in recipe.phases} == {"train"}
        assert {p.weight_decay for p in recipe.phases} == {1e-4}
        first = recipe.phases[0]
        assert (first.learning_rate, first.steps) == (0.01, 30_000)
        assert first.decay_steps == (10_000, 20_000)
    for recipe in RECIPES["fcvid"]["tdn"].values():
        assert recipe.phases[1].steps == 10_000


@pytest.mark.parametrize("name", ["hmdb51", "act", "ucf101"])
@pytest.mark.parametrize(
    "modality, rate, decay, steps, clip_norm, scales",
    [
        ("rgb", 0.001, (2000, 4000), 4500, 40, (1, 0.875, 0.75, 0.65625)),
        ("flow", 0.005, (12_000, 18_000), 20_000, 20, (1, 0.875, 0.75)),
    ],
)
def test_the_settings_of_tsns_release(
    name, modality, rate, decay, steps, clip_norm, scales
):
    """Its solver and network files of each stream."""
    (phase,) = RECIPES[name]["tsn"][modality].phases
    assert (phase.learning_rate, phase.decay_steps) == (rate, decay)
    assert (phase.steps, phase.clip_norm) == (steps, clip_norm)
    recipe = RECIPES[name]["tdn"][modality]
    assert recipe.crop_scales == scales
    first, joint = recipe.phases
    assert replace(first, frozen=()) == phase  # "the same settings as TSN"
    assert joint.steps == round(steps / 3)
    assert joint.learning_rate == rate / 10


@pytest.mark.parametrize("network", ["tsn", "tdn"])
def test_finetuning_on_flow_differs_from_rgb_in_what_flow_asks_for(network):
    rgb, flow = (RECIPES["finetune"][network][kind] for kind in ("rgb", "flow"))
    assert not flow.color_jitter
    assert {phase.batch_norm for phase in flow.phases} == {"partial"}
    assert flow.snippet_length == 5
    alike = replace(flow, phases=rgb.phases, snippet_length=1)
    assert alike == rgb
    for ours, theirs in zip(flow.phases, rgb.phases, strict=True):
        rate = theirs.learning_rate
        same = {"batch_norm": theirs.batch_norm, "learning_rate": rate}
        assert replace(ours, **same) == theirs
        assert ours.learning_rate == (1e-3 if network == "tsn" else rate)


@pytest.mark.parametrize("videos, steps", [(1, 1), (16, 1), (17, 2), (220, 14)])
def test_epoch_length(videos, steps):
    recipe = Recipe(phases=(Phase(1, 0.1),), batch_size=16)
    assert epoch_length(videos, recipe) == steps
