"""The networks, one per file; each builder is imported when first asked for."""

import importlib

_BUILDERS = {
    "AlexNet": "alexnet",
    "BNInception": "bn_inception",
    "C3D": "c3d",
    "GoogLeNet": "googlenet",
    "I3D": "i3d",
    "ResNet18": "resnet",
    "ResNet34": "resnet",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "ResNet3D": "resnet3d",
    "TDN": "tdn",
    "TSN": "tsn",
    "VGG16": "vgg",
}
__all__ = [  # noqa: PLE0604
    "AlexNet",
    "BNInception",
    "C3D",
    "GoogLeNet",
    "I3D",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet3D",
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
