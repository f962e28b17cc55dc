"""Every network at the size that its public weights or the source have, with its cost.

The numbers are kept rather than counted, so that listing them builds no network; a test
counts them anew.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Network:
    """A network by name.

    Attributes:
        name: what `--model` takes: of a backbone its key in
            `vidzoo.models.backbones.BACKBONES`.
        builder: in `vidzoo.models`.
        network: what its weights files call it; a feature-pooling network by its
            pooling, of which this is the first.
        variant: which of the networks of that name, or of its encoder; None for those
            on a backbone, which have its variant.
        shape: of a clip, `(T, H, W, C)`, or of an image, `(H, W, C)`.
        num_classes: that the numbers below are for; None for a network that predicts
            flow alone.
        num_parameters: trainable ones.
        multiply_adds: of one clip; see `vidzoo.models.flops`.
        arguments: of the builder, beyond the number of classes.
    """

    name: str
    builder: str
    network: str
    variant: str | None
    shape: tuple[int, ...]
    num_classes: int | None
    num_parameters: int
    multiply_adds: int
    arguments: Mapping = field(default_factory=dict)

    def build(self, num_classes: int | None = None, **changes):
        """Builds it, for as many classes as the numbers are for unless told.

        Args:
            num_classes: K.
            **changes: further arguments of the builder, e.g. `weights`.
        """
        build = getattr(importlib.import_module("vidzoo.models"), self.builder)
        if self.num_classes is None:
            return build(**self.arguments | changes)
        num_classes = num_classes or self.num_classes
        return build(num_classes, **self.arguments | changes)


def _resnet(depth, num_parameters, multiply_adds, variant="v1.5"):
    suffix = "" if variant == "v1.5" else f"_{variant}"
    return Network(
        name=f"resnet{depth}{suffix}",
        builder=f"ResNet{depth}",
        network=f"resnet{depth}",
        variant=variant,
        shape=(224, 224, 3),
        num_classes=1000,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
        arguments={} if variant == "v1.5" else {"variant": variant},
    )


def _alexnet(variant, side, num_parameters, multiply_adds):
    return Network(
        name=f"alexnet_{variant}",
        builder="AlexNet",
        network="alexnet",
        variant=variant,
        shape=(side, side, 3),
        num_classes=1000,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
        arguments={"variant": variant},
    )


def _i3d(modality, num_channels, num_parameters, multiply_adds):
    return Network(
        name=f"i3d_{modality}",
        builder="I3D",
        network="i3d",
        variant=modality,
        shape=(64, 224, 224, num_channels),
        num_classes=400,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
        arguments={"modality": modality},
    )


def _cnn_m(modality, num_channels, num_parameters, multiply_adds):
    return Network(
        name=f"cnn_m_2048_{modality}",
        builder="CNNM2048",
        network="cnn_m_2048",
        variant=modality,
        shape=(1, 224, 224, num_channels),
        num_classes=101,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
        arguments={"modality": modality},
    )


def _of_frames(name, builder, network, backbone, num_frames, *costs):
    """A network of full-length video, on the dissertation's frames and classes."""
    num_parameters, multiply_adds = costs
    return Network(
        name=name,
        builder=builder,
        network=network,
        variant=None,
        shape=(num_frames, 220, 220, 3),
        num_classes=487,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
        arguments={"backbone": backbone},
    )


def _of_flow(name, builder, num_classes, *costs):
    """A network of chapter 4, on 16 frames or two, with UCF101's classes or none."""
    num_parameters, multiply_adds = costs
    over_time = name in ("actionflownet", "flownet3d")
    return Network(
        name=name,
        builder=builder,
        network=name,
        variant="actionflownet" if over_time else "v1.5",
        shape=(16, 224, 224, 3) if over_time else (1, 224, 224, 6),
        num_classes=num_classes,
        num_parameters=num_parameters,
        multiply_adds=multiply_adds,
    )


_NETWORKS = (
    _of_flow("actionflownet", "ActionFlowNet", 101, 46_856_935, 55_978_805_760),
    _of_flow("actionflownet2f", "ActionFlowNet2F", 101, 14_677_855, 2_461_147_664),
    _alexnet("caffe", 227, 60_965_224, 724_406_816),
    _alexnet("paper", 220, 64_687_848, 1_857_660_704),
    _alexnet("torchvision", 224, 61_100_840, 714_188_480),
    Network(
        name="bn_inception",
        builder="BNInception",
        network="bn_inception",
        variant="tsn",
        shape=(224, 224, 3),
        num_classes=1000,
        num_parameters=11_295_240,
        multiply_adds=2_032_600_064,
    ),
    Network(
        name="c3d",
        builder="C3D",
        network="c3d",
        variant="sports1m",
        shape=(16, 112, 112, 3),
        num_classes=487,
        num_parameters=79_991_015,
        multiply_adds=38_548_959_232,
    ),
    _cnn_m("rgb", 3, 90_627_813, 1_663_894_560),
    _cnn_m("flow", 20, 90_707_781, 2_613_994_368),
    _of_frames(
        *("feature_pooling", "FeaturePooling", "conv_pooling"),
        *("alexnet", 30),
        62_586_087,
        53_982_070_208,
    ),
    _of_frames(
        *("feature_pooling_googlenet", "FeaturePooling", "conv_pooling"),
        *("googlenet", 30),
        29_875_199,
        42_844_243_968,
    ),
    _of_flow("flownet2f", "FlowNet2F", None, 14_626_042, 2_461_095_952),
    _of_flow("flownet3d", "FlowNet3D", None, 46_805_122, 55_978_754_048),
    Network(
        name="googlenet",
        builder="GoogLeNet",
        network="googlenet",
        variant="bvlc",
        shape=(224, 224, 3),
        num_classes=1000,
        num_parameters=6_998_552,
        multiply_adds=1_582_671_872,
    ),
    _i3d("rgb", 3, 12_689_984, 111_153_143_808),
    _i3d("flow", 2, 12_668_032, 102_341_435_392),
    _of_frames(
        *("lstm_classifier", "LSTMClassifier", "lstm_classifier"),
        *("googlenet", 30),
        18_751_487,
        43_173_411_840,
    ),
    _resnet(18, 11_689_512, 1_814_073_344),
    _resnet(34, 21_797_672, 3_663_761_408),
    _resnet(50, 25_557_032, 4_089_184_256),
    _resnet(101, 44_549_160, 7_801_405_440),
    _resnet(152, 60_192_808, 11_513_626_624),
    _resnet(50, 25_583_592, 3_857_973_248, "v1"),
    _resnet(101, 44_601_832, 7_570_194_432, "v1"),
    _resnet(152, 60_268_520, 11_282_415_616, "v1"),
    Network(
        name="resnet3d",
        builder="ResNet3D",
        network="resnet3d",
        variant="torchvision",
        shape=(16, 112, 112, 3),
        num_classes=400,
        num_parameters=33_371_472,
        multiply_adds=40_696_553_472,
    ),
    Network(
        name="resnet3d_actionflownet",
        builder="ResNet3D",
        network="resnet3d",
        variant="actionflownet",
        shape=(16, 224, 224, 3),
        num_classes=400,
        num_parameters=33_371_472,
        multiply_adds=44_945_055_744,
        arguments={"variant": "actionflownet"},
    ),
    _of_frames(
        *("single_frame", "SingleFrame", "single_frame"),
        *("alexnet", 1),
        62_586_087,
        1_855_559_456,
    ),
    Network(
        name="slow_fusion",
        builder="SlowFusion",
        network="slow_fusion",
        variant="sports1m",
        shape=(10, 170, 170, 3),
        num_classes=487,
        num_parameters=61_880_263,
        multiply_adds=4_146_821_120,
    ),
    _of_flow("stacked_flow", "StackedFlowClassifier", 101, 25_845_087, 4_157_096_464),
    Network(
        name="tdn",
        builder="TDN",
        network="tdn",
        variant=None,
        shape=(3, 224, 224, 3),
        num_classes=51,
        num_parameters=47_225_062,
        multiply_adds=20_436_203_520,
    ),
    Network(
        name="tdn_flow",
        builder="TDN",
        network="tdn",
        variant=None,
        shape=(3, 224, 224, 10),
        num_classes=51,
        num_parameters=47_268_966,
        multiply_adds=21_813_032_960,
        arguments={"modality": "flow"},
    ),
    Network(
        name="tsn",
        builder="TSN",
        network="tsn",
        variant=None,
        shape=(3, 224, 224, 3),
        num_classes=51,
        num_parameters=23_612_531,
        multiply_adds=12_261_722_112,
    ),
    Network(
        name="tsn_flow",
        builder="TSN",
        network="tsn",
        variant=None,
        shape=(3, 224, 224, 10),
        num_classes=51,
        num_parameters=23_634_483,
        multiply_adds=13_087_819_776,
        arguments={"modality": "flow"},
    ),
    Network(
        name="vgg16",
        builder="VGG16",
        network="vgg16",
        variant="D",
        shape=(224, 224, 3),
        num_classes=1000,
        num_parameters=138_357_544,
        multiply_adds=15_470_264_320,
    ),
)
NETWORKS = {network.name: network for network in _NETWORKS}
