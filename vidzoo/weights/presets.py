"""Named weights, each with everything needed to use them: a table of records."""

from vidzoo.weights import preprocessing, published
from vidzoo.weights.preset import Accuracy, Answer, Preset, RemoteFile

_TORCHVISION = {
    "licence": "BSD 3-Clause (torchvision's code; none stated for the weights)",
    "citation": "TorchVision maintainers, TorchVision, 2016",
}


def _imagenet(top1, top5, source, resize="short side"):
    """A score on ImageNet, in words and in numbers."""
    return {
        "scores": f"ImageNet validation, centre crop: top-1 {top1} %, top-5 {top5} % "
        f"({source})",
        "accuracy": Accuracy(top1, top5, source, resize),
    }


def _torchvision_file(name, size=None):
    """A file of torchvision's, whose name ends in the hash."""
    digits = name.removesuffix(".pth").rpartition("-")[2]
    url = f"https://download.pytorch.org/models/{name}"
    return RemoteFile(url, f"sha256:{digits}", size)


def _torchvision(
    network, variant, file, num_parameters, top1, top5, size=None, arguments=()
):
    """One of torchvision's ImageNet weights."""
    return Preset(
        name=f"{network}_torchvision",
        network=network,
        variant=variant,
        files=(_torchvision_file(file, size),),
        converter="torchvision",
        num_parameters=num_parameters,
        arguments={"num_classes": 1000} | dict(arguments),
        preprocess=preprocessing.TORCHVISION,
        **_imagenet(top1, top5, "torchvision"),
        **_TORCHVISION,
    )


# modality: parameters, bytes of the index, bytes of the data
_I3D_SIZES = {
    "rgb": (12_689_984, 10_953, 50_818_176),
    "flow": (12_668_032, 10_968, 50_730_368),
}


def _i3d(modality, start, index_sha256, top1, top5):
    """One of DeepMind's four; `start` is what the training started from.

    No digest is stated for the data, but the index holds a checksum of every array,
    which is compared when they are read.
    """
    num_parameters, index_size, data_size = _I3D_SIZES[modality]
    checkpoint = (
        "https://raw.githubusercontent.com/google-deepmind/kinetics-i3d/master/data/"
        f"checkpoints/{modality}_{start}/model.ckpt"
    )
    return Preset(
        name=f"i3d_{modality}_{start}",
        network="i3d",
        variant=modality,
        files=(
            RemoteFile(f"{checkpoint}.index", f"sha256:{index_sha256}", index_size),
            RemoteFile(f"{checkpoint}.data-00000-of-00001", None, data_size),
        ),
        converter="kinetics_i3d",
        num_parameters=num_parameters,
        arguments={"num_classes": 400, "modality": modality},
        preprocess=preprocessing.I3D[modality],
        licence="Apache-2.0",
        citation="Carreira & Zisserman, Quo Vadis, Action Recognition?, CVPR 2017",
        scores=f"Kinetics-400 test: top-1 {top1} %, top-5 {top5} % (DeepMind)",
        clip=published.I3D[f"{modality}_{start}"],
    )


_PRESETS = (
    Preset(
        name="googlenet_bvlc",
        network="googlenet",
        variant="bvlc",
        files=(
            RemoteFile(
                "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
                "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204",
                53_533_754,
            ),
        ),
        converter="bvlc_googlenet",
        num_parameters=6_998_552,
        arguments={"num_classes": 1000},
        preprocess=preprocessing.CAFFE,
        licence="unrestricted use (BVLC)",
        citation="Szegedy et al., Going Deeper with Convolutions, CVPR 2015",
        **_imagenet(68.7, 88.9, "BVLC", "warp"),
        expected=Answer(label=455, logit=8.7030, norm=88.2971),
    ),
    Preset(
        name="alexnet_bvlc",
        network="alexnet",
        variant="caffe",
        files=(
            RemoteFile(
                "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
                "sha1:9116a64c0fbe4459d18f4bb6b56d647b63920377",
            ),
        ),
        converter="bvlc_alexnet",
        num_parameters=60_965_224,
        arguments={"num_classes": 1000, "variant": "caffe"},
        preprocess=preprocessing.CAFFE,
        licence="unrestricted use (BVLC)",
        citation="Krizhevsky et al., ImageNet Classification with Deep Convolutional "
        "Neural Networks, NIPS 2012",
        **_imagenet(57.1, 80.2, "BVLC", "warp"),
    ),
    Preset(
        name="vgg16_vgg",
        network="vgg16",
        variant="D",
        files=(
            RemoteFile(
                "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/"
                "VGG_ILSVRC_16_layers.caffemodel",
                "sha1:9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24",
                553_432_081,
            ),
        ),
        converter="vgg_ilsvrc",
        num_parameters=138_357_544,
        arguments={"num_classes": 1000},
        preprocess=preprocessing.CAFFE_PRECISE,
        licence="CC BY 4.0",
        citation="Simonyan & Zisserman, Very Deep Convolutional Networks for "
        "Large-Scale Image Recognition, ICLR 2015",
        scores="ImageNet validation, dense, multi-scale: top-5 92.5 % (VGG)",
        # VGG states none of one crop; Keras does, of these very weights.
        accuracy=Accuracy(71.3, 90.1, "Keras, of its port"),
    ),
    Preset(
        name="resnet50_keras",
        network="resnet50",
        variant="v1",
        files=(
            RemoteFile(
                "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
                "resnet50_weights_tf_dim_ordering_tf_kernels.h5",
                "md5:2cb95161c43110f7111970584f804107",
                102_967_424,
            ),
        ),
        converter="keras_applications",
        num_parameters=25_583_592,
        arguments={"num_classes": 1000, "variant": "v1"},
        preprocess=preprocessing.CAFFE_PRECISE,
        licence="MIT (Kaiming He's; ported by Keras)",
        citation="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        **_imagenet(74.9, 92.1, "Keras"),
    ),
    Preset(
        name="vgg16_keras",
        network="vgg16",
        variant="D",
        files=(
            RemoteFile(
                "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
                "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
                "md5:64373286793e3c8b2b4e3219cbf3544b",
                553_467_096,
            ),
        ),
        converter="keras_applications",
        num_parameters=138_357_544,
        arguments={"num_classes": 1000},
        preprocess=preprocessing.CAFFE_PRECISE,
        licence="CC BY 4.0 (VGG's; ported by Keras)",
        citation="Simonyan & Zisserman, Very Deep Convolutional Networks for "
        "Large-Scale Image Recognition, ICLR 2015",
        **_imagenet(71.3, 90.1, "Keras"),
    ),
    _torchvision(
        "resnet18",
        "v1.5",
        "resnet18-f37072fd.pth",
        11_689_512,
        69.758,
        89.078,
        size=46_830_571,
    ),
    _torchvision(
        "resnet34", "v1.5", "resnet34-b627a593.pth", 21_797_672, 73.314, 91.42
    ),
    _torchvision(
        "resnet50",
        "v1.5",
        "resnet50-0676ba61.pth",
        25_557_032,
        76.13,
        92.862,
        size=102_530_333,
    ),
    _torchvision(
        "resnet101", "v1.5", "resnet101-63fe2227.pth", 44_549_160, 77.374, 93.546
    ),
    _torchvision(
        "resnet152", "v1.5", "resnet152-394f9c45.pth", 60_192_808, 78.312, 94.046
    ),
    _torchvision(
        "vgg16",
        "D",
        "vgg16-397923af.pth",
        138_357_544,
        71.592,
        90.382,
        size=553_433_881,
    ),
    _torchvision(
        "alexnet",
        "torchvision",
        "alexnet-owt-7be5be79.pth",
        61_100_840,
        56.522,
        79.066,
        size=244_408_911,
        arguments={"variant": "torchvision"},
    ),
    Preset(
        name="resnet3d_torchvision",
        network="resnet3d",
        variant="torchvision",
        files=(_torchvision_file("r3d_18-b3b3357e.pth"),),
        converter="torchvision",
        num_parameters=33_371_472,
        arguments={"num_classes": 400, "variant": "torchvision"},
        preprocess=preprocessing.TORCHVISION_KINETICS,
        scores="Kinetics-400 validation, 5 clips of 16 frames at 15 a second: top-1 "
        "63.2 %, top-5 83.479 % (torchvision)",
        **_TORCHVISION,
    ),
    Preset(
        name="bn_inception_tsn",
        network="bn_inception",
        variant="tsn",
        files=(
            RemoteFile(
                "https://yjxiong.blob.core.windows.net/tsn-init/"
                "bn_inception_rgb_init.caffemodel"
            ),
        ),
        converter="tsn_bn_inception",
        num_parameters=11_295_240,
        arguments={"num_classes": 1000},
        preprocess=preprocessing.CAFFE,
        licence="none stated for the weights (TSN's code: BSD 2-Clause)",
        citation="Wang et al., Temporal Segment Networks, ECCV 2016",
        scores="ImageNet validation, centre crop: top-5 92.1 % (the author, of their "
        "translation to PyTorch)",
        accuracy=Accuracy(None, 92.1, "the author, of their translation to PyTorch"),
    ),
    _i3d(
        "rgb",
        "imagenet",
        "f4bfd6f4af485f276c68333d3eca3697b691bb647f0167a03fe021147ca7f8eb",
        71.1,
        89.3,
    ),
    _i3d(
        "rgb",
        "scratch",
        "4fcd08b3e140f0267730e462295054c6a38f6cfd9991c310ee3d37bbdfd7030c",
        68.4,
        88.0,
    ),
    _i3d(
        "flow",
        "imagenet",
        "71594ac5f63cb0eb58512a13b56097dc0368d09e5959dffcc6e7a45b19832366",
        63.4,
        84.9,
    ),
    _i3d(
        "flow",
        "scratch",
        "81fccedbe8352f8509b05ca9f2959f5aac13552dc680c808acd4f39be82620e6",
        61.5,
        83.4,
    ),
    Preset(
        name="c3d_sports1m",
        network="c3d",
        variant="sports1m",
        files=(
            RemoteFile(
                "http://vlg.cs.dartmouth.edu/c3d/conv3d_deepnetA_sport1m_iter_1900000"
            ),
        ),
        converter="c3d_sports1m",
        num_parameters=79_991_015,
        arguments={"num_classes": 487},
        preprocess=preprocessing.C3D,
        licence="CC BY-NC 3.0 (C3D's software; none stated for the weights)",
        non_commercial=True,
        citation="Tran et al., Learning Spatiotemporal Features with 3D Convolutional "
        "Networks, ICCV 2015",
        scores="Sports-1M test, 10 clips: video Hit@1 61.1 %, Hit@5 85.2 % (the paper, "
        "of the model fine-tuned from I380K)",
    ),
)
PRESETS = {preset.name: preset for preset in _PRESETS}
# What `weights="imagenet"` stands for, at most one of each network and variant. Of
# VGG-16's three, the authors' own.
DEFAULTS = (
    *("alexnet_bvlc", "alexnet_torchvision", "bn_inception_tsn", "googlenet_bvlc"),
    *("resnet18_torchvision", "resnet34_torchvision", "resnet50_torchvision"),
    *("resnet101_torchvision", "resnet152_torchvision", "resnet50_keras"),
    "vgg16_vgg",
)
