"""Writes arrays in every format that `vidzoo.weights.read` reads.

With each format's own library where it is installed; PyTorch's two formats also by
hand, so that they are tested where PyTorch is not.
"""

import io
import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from unittest import mock

import h5py
import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"f4": "Float", "f2": "Half", "f8": "Double", "i8": "Long", "u1": "Byte"}
STORAGES |= {"i4": "Int", "i2": "Short", "i1": "Char", "b1": "Bool"}


def write_npz(path, arrays):
    with path.open("wb") as file:  # numpy would add a suffix
        np.savez(file, **arrays)


def write_safetensors(path, arrays):
    from safetensors.numpy import save_file

    save_file(arrays, path)


# HDF5


def write_legacy_h5(path, arrays, *, group=""):
    """As Keras 2 wrote weights: layers and their variables in attributes."""
    with h5py.File(path, "w") as file:
        root = file.create_group(group) if group else file
        layers = list(OrderedDict.fromkeys(name.rpartition("/")[0] for name in arrays))
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            names = [n for n in arrays if n.rpartition("/")[0] == layer]
            holder = root.create_group(layer)
            holder.attrs["weight_names"] = [f"{name}:0".encode() for name in names]
            for name in names:
                holder.create_dataset(f"{name}:0", data=arrays[name])


def write_flat_h5(path, arrays):
    with h5py.File(path, "w", track_order=True) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def write_weights_h5(path, arrays):
    """As Keras 3 writes weights, every array as the one variable of a layer."""
    with h5py.File(path, "w", track_order=True) as file:
        for i, (name, array) in enumerate(arrays.items()):
            holder = file.create_group(f"layers/layer_{i}/vars")
            holder.attrs["name"] = name.replace("/", ":")
            holder.create_dataset("0", data=array)


def weights_h5_names(arrays):
    return [f"layers/{name.replace('/', ':')}/vars/0" for name in arrays]


def write_keras(path, arrays, config=None):
    content = io.BytesIO()
    write_weights_h5(content, arrays)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config or {"class_name": "Model"}))
        archive.writestr("model.weights.h5", content.getvalue())


# PyTorch by hand


class _Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class _Tensor:
    """Pickled as `torch.save` pickles a tensor."""

    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


def _fake_torch():
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in (*STORAGES.values(), "BFloat16"):
        storage = type(f"{name}Storage", (), {"__module__": "torch"})
        setattr(torch, f"{name}Storage", storage)

    def _rebuild_tensor_v2():
        """Named in the file, never called."""

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


def _pickled(content, kinds, *identifier_end):
    file, storages = io.BytesIO(), {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, _Storage):
                return None
            storages[value.key] = value.array
            kind = kinds.get(value.key, STORAGES[value.array.dtype.str[1:]])
            storage = getattr(sys.modules["torch"], f"{kind}Storage")
            count = value.array.size
            return "storage", storage, value.key, "cpu", count, *identifier_end

    with mock.patch.dict(sys.modules, _fake_torch()):
        Pickler(file, protocol=2).dump(content)
    return file.getvalue(), storages


def hand_tensor(key, array, offset=0, shape=None, strides=None):
    """A tensor on a storage; by default all of it, in C order."""
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    return _Tensor(_Storage(key, array.reshape(-1)), offset, shape, strides)


def hand_state(arrays):
    return OrderedDict(
        (name, hand_tensor(str(i), array))
        for i, (name, array) in enumerate(arrays.items())
    )


def write_hand_zip(path, content, kinds=(), order="little"):
    data, storages = _pickled(content, dict(kinds))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", order)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")


def write_hand_stream(path, content, kinds=()):
    data, storages = _pickled(content, dict(kinds), None)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    with path.open("wb") as file:
        for part in (MAGIC, 1001, system):
            pickle.dump(part, file, protocol=2)
        file.write(data)
        pickle.dump(sorted(storages), file, protocol=2)
        for key in sorted(storages):
            file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())


def write_pth_zip(path, arrays):
    write_hand_zip(path, hand_state(arrays))


def write_pth_stream(path, arrays):
    write_hand_stream(path, hand_state(arrays))


# Caffe


def caffe_messages():
    """NetParameter and what is in it, for protobuf's own library."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="caffe_for_tests.proto", package="caffe_for_tests", syntax="proto2"
    )

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for label, kind, field_name, number in fields:
            repeated = label != "optional"
            added = made.field.add(
                name=field_name,
                number=number,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
            )
            if kind[0].isupper():
                added.type = field.TYPE_MESSAGE
                added.type_name = f".caffe_for_tests.{kind}"
            else:
                added.type = getattr(field, f"TYPE_{kind.upper()}")
            if label == "packed":
                added.options.packed = True

    message("BlobShape", ("packed", "int64", "dim", 1))
    sizes = [
        ("optional", "int32", name, i + 1)
        for i, name in enumerate(("num", "channels", "height", "width"))
    ]
    blob = [
        *sizes,
        ("optional", "BlobShape", "shape", 7),
        ("packed", "double", "double_data", 8),
        ("packed", "float", "diff", 6),
    ]
    message("BlobProto", *blob, ("packed", "float", "data", 5))
    message("LooseBlob", *blob, ("repeated", "float", "data", 5))
    message(
        "C3DBlob",
        *[
            ("optional", "int32", name, i + 1)
            for i, name in enumerate(("num", "channels", "length", "height", "width"))
        ],
        ("packed", "float", "data", 6),
        ("packed", "float", "diff", 7),
    )
    for blob_name, prefix in (
        ("BlobProto", ""),
        ("LooseBlob", "Loose"),
        ("C3DBlob", "C3D"),
    ):
        message(
            f"{prefix}V1Layer",
            ("repeated", "string", "bottom", 2),
            ("repeated", "string", "top", 3),
            ("optional", "string", "name", 4),
            ("optional", "int32", "type", 5),
            ("repeated", blob_name, "blobs", 6),
        )
        message(
            f"{prefix}Layer",
            ("optional", "string", "name", 1),
            ("optional", "string", "type", 2),
            ("repeated", "string", "bottom", 3),
            ("repeated", "string", "top", 4),
            ("repeated", blob_name, "blobs", 7),
        )
        message(
            f"{prefix}Net",
            ("optional", "string", "name", 1),
            ("repeated", f"{prefix}V1Layer", "layers", 2),
            ("repeated", "string", "input", 3),
            ("repeated", "int32", "input_dim", 4),
            ("repeated", f"{prefix}Layer", "layer", 100),
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return lambda name: message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"caffe_for_tests.{name}")
    )


def _caffe_layers(arrays):
    layers = {}
    for name, array in arrays.items():
        layers.setdefault(name.rpartition("/")[0], []).append(array)
    return layers


def write_caffemodel_v1(path, arrays, prefix=""):
    """Layers in field 2, every shape as four numbers (C3D's Caffe: five)."""
    net = caffe_messages()(f"{prefix}Net")(name="net", input=["data"], input_dim=[1, 3])
    rank = 5 if prefix == "C3D" else 4
    names = ("num", "channels", "length", "height", "width")
    names = names if rank == 5 else names[:2] + names[3:]
    net.layers.add(name="data", type=5, top=["data"])
    for name, blobs in _caffe_layers(arrays).items():
        kind = {2: 14, 4: 4, 5: 30}.get(blobs[0].ndim, 0)
        layer = net.layers.add(name=name, type=kind, bottom=["data"])
        for array in blobs:
            blob = layer.blobs.add()
            shape = (1,) * (rank - array.ndim) + array.shape
            for size, value in zip(names, shape, strict=True):
                setattr(blob, size, value)
            blob.data.extend(array.reshape(-1).tolist())
    path.write_bytes(net.SerializeToString())


def write_caffemodel_v2(path, arrays, prefix=""):
    """Layers in field 100, shapes as `BlobShape`."""
    net = caffe_messages()(f"{prefix}Net")(name="net")
    net.layer.add(name="data", type="Input", top=["data"])
    for name, blobs in _caffe_layers(arrays).items():
        layer = net.layer.add(name=name, type="Convolution", bottom=["data"])
        for array in blobs:
            blob = layer.blobs.add()
            blob.shape.dim.extend(array.shape)
            doubles = array.dtype == np.float64
            (blob.double_data if doubles else blob.data).extend(
                array.reshape(-1).tolist()
            )
    path.write_bytes(net.SerializeToString())


# TensorFlow


def write_tf1_checkpoint(path, arrays):
    """As TF 1's Saver writes it, which is how kinetics-i3d's are."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.get_variable(name, initializer=tf.constant(0, array.dtype))
            if array.ndim == 0
            else tf.compat.v1.get_variable(name, array.shape, array.dtype)
            for name, array in arrays.items()
        ]
        for variable, array in zip(variables, arrays.values(), strict=True):
            variable.load(array, session)
        tf.compat.v1.train.Saver(variables).save(
            session, str(path), write_meta_graph=False
        )


def write_tf2_checkpoint(path, arrays):
    """As `tf.train.Checkpoint` writes it, with an object graph and a save counter."""
    import tensorflow as tf

    holder = tf.Module()
    holder.weights = {name: tf.Variable(array) for name, array in arrays.items()}
    tf.train.Checkpoint(net=holder).write(str(path))


def tf2_names(arrays):
    """TF 2 names a variable by the attributes on the way to it; a slash is `.S`."""
    return [f"net/weights/{name.replace('/', '.S')}" for name in arrays]
