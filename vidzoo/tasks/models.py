"""`vidzoo models`: networks, their cost, and what public weights there are of them."""

from dataclasses import asdict

from vidzoo.models.catalogue import NETWORKS
from vidzoo.weights.presets import DEFAULTS, PRESETS


def run() -> list[dict]:
    """Networks with their presets, JSON-ready."""
    return [
        {
            "name": network.name,
            "is_backbone": len(network.shape) == 3,
            "builder": network.builder,
            "arguments": dict(network.arguments),
            "variant": network.variant,
            "shape": list(network.shape),
            "num_classes": network.num_classes,
            "num_parameters": network.num_parameters,
            "multiply_adds": network.multiply_adds,
            "presets": [
                asdict(preset) | {"is_imagenet": preset.name in DEFAULTS}
                for preset in PRESETS.values()
                if (preset.network, preset.variant)
                == (network.network, network.variant)
            ],
        }
        for network in NETWORKS.values()
    ]
