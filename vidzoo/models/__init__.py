"""The networks, one per file; each builder is imported when first asked for."""

import importlib

_BUILDERS = {
    "AlexNet": "alexnet",
    "GoogLeNet": "googlenet",
    "ResNet18": "resnet",
    "ResNet34": "resnet",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "TDN": "tdn",
    "TSN": "tsn",
    "VGG16": "vgg",
}
__all__ = [  # noqa: PLE0604
    "AlexNet",
    "GoogLeNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "TDN",
    "TSN",
    "VGG16",
]


def __getattr__(name):
    if name in _BUILDERS:
        module = importlib.import_module(f"vidzoo.models.{_BUILDERS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'vidzoo.models' has no attribute '{name}'")


def __dir__():
    return __all__
