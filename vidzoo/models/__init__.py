"""The networks, one per file; each builder is imported when first asked for."""

import importlib

_BUILDERS = {
    "ActionFlowNet": "actionflownet",
    "ActionFlowNet2F": "actionflownet",
    "AlexNet": "alexnet",
    "BNInception": "bn_inception",
    "C3D": "c3d",
    "CNNM2048": "cnn_m",
    "FeaturePooling": "feature_pooling",
    "FlowNet2F": "flownet",
    "FlowNet3D": "flownet",
    "GoogLeNet": "googlenet",
    "I3D": "i3d",
    "LSTMClassifier": "lstm_classifier",
    "ResNet18": "resnet",
    "ResNet34": "resnet",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "ResNet3D": "resnet3d",
    "SingleFrame": "single_frame",
    "SlowFusion": "slow_fusion",
    "StackedFlowClassifier": "stacked_flow",
    "TDN": "tdn",
    "TSN": "tsn",
    "TwoStream": "two_stream",
    "VGG16": "vgg",
}
__all__ = [  # noqa: PLE0604
    "ActionFlowNet",
    "ActionFlowNet2F",
    "AlexNet",
    "BNInception",
    "C3D",
    "CNNM2048",
    "FeaturePooling",
    "FlowNet2F",
    "FlowNet3D",
    "GoogLeNet",
    "I3D",
    "LSTMClassifier",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet3D",
    "SingleFrame",
    "SlowFusion",
    "StackedFlowClassifier",
    "TDN",
    "TSN",
    "TwoStream",
    "VGG16",
]


def __getattr__(name):
    if name in _BUILDERS:
        module = importlib.import_module(f"vidzoo.models.{_BUILDERS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'vidzoo.models' has no attribute '{name}'")


def __dir__():
    return __all__
