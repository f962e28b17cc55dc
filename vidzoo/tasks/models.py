"""`vidzoo models`: networks, their cost, and what public weights there are of them."""

from dataclasses import asdict

from vidzoo.models.catalogue import NETWORKS
from vidzoo.weights import PRESETS


def run() -> list[dict]:
    """Networks with their presets, JSON-ready."""
    return [
        {
            "name": network.name,
            "builder": network.builder,
            "arguments": dict(network.arguments),
            "variant": network.variant,
            "shape": list(network.shape),
            "num_classes": network.num_classes,
            "num_parameters": network.num_parameters,
            "multiply_adds": network.multiply_adds,
            "presets": [
                asdict(preset)
                for preset in PRESETS.values()
                if (preset.network, preset.variant)
                == (network.network, network.variant)
            ],
        }
        for network in NETWORKS.values()
    ]
