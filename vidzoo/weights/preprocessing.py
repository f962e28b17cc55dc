"""What public weights expect of pixels: arguments of `vidzoo.layers.Preprocess`."""

# torchvision's: RGB in 0..1, then ImageNet's mean and standard deviation.
TORCHVISION = {
    "channel_order": "rgb",
    "scale": 1 / 255,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
# Caffe's: blue first, ImageNet's mean colour subtracted, not scaled.
CAFFE = {
    "channel_order": "bgr",
    "scale": 1.0,
    "mean": (104.0, 117.0, 123.0),
    "std": (1.0, 1.0, 1.0),
}
# The same with the mean to three decimals: VGG's, Caffe's ResNet's, and what
# keras.applications calls "caffe".
CAFFE_PRECISE = CAFFE | {"mean": (103.939, 116.779, 123.68)}
