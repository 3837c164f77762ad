#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into fuzz/corpus: small files of every form that the readers know.

Needs nothing but Python. The target `check` takes its seeds from tests/corpus and models.
"""

import base64
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CORPUS = ROOT / "corpus"


def save(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# Weights: what the small net of the target wants, in every form.

PARAMS = {
    "conv1.weight": [2, 2, 3, 3],
    "conv1.bias": [2],
    "bn1.weight": [2],
    "bn1.bias": [2],
    "bn1.running_mean": [2],
    "bn1.running_var": [2],
    "fc1.weight": [3, 8],
    "fc1.bias": [3],
}


def count(shape):
    total = 1
    for extent in shape:
        total *= extent
    return total


def safetensors(params, dtype="F32", width=4, metadata=None):
    header, at, data = {}, 0, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in params.items():
        size = count(shape) * width
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
        data += bytes(size)
    text = json.dumps(header).encode()
    return text, struct.pack("<Q", len(text)) + text + data


def npy(shape, descr="<f4", width=4, fortran=False, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({''.join(f'{it}, ' for it in shape)}), }}"
    text = text.ljust(53) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + bytes(count(shape) * width)


def npz(params, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, shape in params.items():
            archive.writestr(name + ".npy", npy(shape))
    return out.getvalue()


def weights():
    header, whole = safetensors(PARAMS)
    save("weights", "whole.safetensors", whole)
    save("weights", "header", header)
    save("weights", "half.safetensors", safetensors(PARAMS, "F16", 2, {"format": "pt"})[1])
    save("weights", "double.safetensors", safetensors({"fc1.bias": [3], "": []}, "F64", 8)[1])
    save("weights", "stored.npz", npz(PARAMS, zipfile.ZIP_STORED))
    save("weights", "deflated.npz", npz(PARAMS, zipfile.ZIP_DEFLATED))
    for name, array in {
        "bias": npy([2]),
        "matrix": npy([3, 8], fortran=True),
        "big": npy([2], ">i2", 2),
        "second": npy([2], "|b1", 1, version=2),
        "scalar": npy([]),
    }.items():
        save("weights", name + ".npy", array)


# Models: a protobuf writer of a few lines, and nets that use every family of operators.


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, shape, values=None):
    whole = values is not None and all(isinstance(it, int) for it in values)
    values = values if values is not None else [0.5] * count(shape)
    data = struct.pack(f"<{len(values)}{'q' if whole else 'f'}", *values)
    dims = b"".join(field(1, it) for it in shape)
    return dims + field(2, 7 if whole else 1) + field(8, name) + field(9, data)


def attribute(name, value):
    out = field(1, name)
    if isinstance(value, bytes):
        return out + field(5, value) + field(20, 4)
    if isinstance(value, float):
        return out + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return out + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return out + field(4, value) + field(20, 3)
    if value and isinstance(value[0], float):
        return out + b"".join(field(7, it) for it in value) + field(20, 6)
    return out + b"".join(field(8, it) for it in value) + field(20, 7)


def node(operator, inputs, output, **attributes):
    out = b"".join(field(1, it) for it in inputs.split(" "))
    out += b"".join(field(2, it) for it in output.split()) + field(4, operator)
    return out + b"".join(field(5, attribute(*it)) for it in attributes.items())


def value(name, shape=None):
    if shape is None:
        return field(1, name) + field(2, field(1, field(1, 1)))
    dims = b"".join(field(1, field(2, it) if isinstance(it, str) else field(1, it)) for it in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def model(name, nodes, constants=(), shape=(1, 3, 8, 8), opset=18):
    graph = b"".join(field(1, it) for it in nodes) + field(2, name)
    graph += b"".join(field(5, it) for it in constants)
    graph += field(11, value("x", shape)) + field(12, value("y"))
    save("onnx", name, field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, opset)))


def models():
    model(
        "classifier",
        [
            node("Conv", "x w b", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
            node("BatchNormalization", "a b b b b", "c", epsilon=1e-5),
            node("Relu", "c", "d"),
            node("MaxPool", "d", "e", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            node("GlobalAveragePool", "e", "f"),
            node("Flatten", "f", "g"),
            node("Gemm", "g fw fb", "h", transB=1),
            node("Softmax", "h", "y", axis=1),
        ],
        [tensor("w", [4, 3, 3, 3]), tensor("b", [4]), tensor("fw", [5, 4]), tensor("fb", [5])],
        shape=("N", 3, 8, 8),
    )
    model(
        "shapes",
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n", axis=0),
            node("Unsqueeze", "n axes", "m"),
            node("Concat", "m rest", "t", axis=0),
            node("Reshape", "x t", "r"),
            node("Transpose", "r", "u", perm=[1, 0]),
            node("Cast", "u", "v", to=1),
            node("Squeeze", "v", "y"),
        ],
        [tensor("zero", [], [0]), tensor("axes", [1], [0]), tensor("rest", [1], [-1])],
    )
    model(
        "moves",
        [
            node("Slice", "x from to axes steps", "a"),
            node("Split", "a parts", "b c", axis=1),
            node("Concat", "c b", "d", axis=1),
            node("Pad", "d pads", "e", mode="reflect"),
            node("Resize", "e  scales", "f", mode="linear"),
            node("SpaceToDepth", "f", "g", blocksize=2),
            node("DepthToSpace", "g", "h", blocksize=2, mode="CRD"),
            node("Identity", "h", "y"),
        ],
        [
            tensor("from", [2], [-1, 7]),
            tensor("to", [2], [-9, 0]),
            tensor("axes", [2], [2, 3]),
            tensor("steps", [2], [-1, -1]),
            tensor("parts", [2], [1, 2]),
            tensor("pads", [8], [0, 0, 1, 1, 0, 0, 0, 0]),
            tensor("scales", [4], [1.0, 1.0, 2.0, 2.0]),
        ],
        opset=13,
    )
    model(
        "rows",
        [
            node("MatMul", "x w", "a"),
            node("Add", "a row", "b"),
            node("Div", "b root", "c"),
            node("Erf", "c", "d"),
            node("Add", "d one", "e"),
            node("Mul", "b e", "f"),
            node("Mul", "f half", "g"),
            node("LayerNormalization", "g row row", "h m s", axis=-1, epsilon=1e-5),
            node("GroupNormalization", "h row row", "i", num_groups=2, epsilon=1e-5),
            node("Gelu", "i", "j", approximate="tanh"),
            node("SpaceToDepth", "j", "k", blocksize=2, mode="CRD"),
            node("Mod", "seven three", "l", fmod=1),
            node("Cast", "l", "n", to=1),
            node("Add", "k n", "y"),
        ],
        [
            tensor("w", [4, 4]),
            tensor("row", [4]),
            tensor("root", [], [1.4142135]),
            tensor("one", [], [1.0]),
            tensor("half", [], [0.5]),
            tensor("seven", [1], [7]),
            tensor("three", [1], [-3]),
        ],
        shape=("N", 4, 4, 4),
        opset=26,
    )
    model(
        "constants",
        [
            node("ConstantOfShape", "four", "a", value=tensor("", [1], [2])),
            node("Range", "zero n one", "b"),
            node("Less", "a b", "c"),
            node("Where", "c a b", "d"),
            node("Expand", "d six", "e"),
            node("Tile", "e two", "f"),
            node("ReduceSum", "f", "g", keepdims=0),
            node("Mod", "g n", "h"),
            node("Mul", "h one", "i"),
            node("Cast", "i", "j", to=1),
            node("Add", "x j", "y"),
        ],
        [
            tensor("four", [1], [4]),
            tensor("zero", [], [0]),
            tensor("n", [], [4]),
            tensor("one", [], [1]),
            tensor("six", [2], [6, 4]),
            tensor("two", [2], [1, 2]),
        ],
    )
    model(
        "sums",
        [
            node("ReduceMean", "x", "a", axes=[2, 3], keepdims=1),
            node("Sub", "x a", "b"),
            node("Pow", "b two", "c"),
            node("ReduceL2", "c", "d", axes=[1], keepdims=1),
            node("Div", "b d", "e"),
            node("MatMul", "e m", "f"),
            node("Clip", "f", "g", min=0.0, max=6.0),
            node("Erf", "g", "h"),
            node("LogSoftmax", "h", "y"),
        ],
        [tensor("two", [], [2.0]), tensor("m", [8, 4])],
        opset=10,
    )
    model(
        "maps",
        [
            node("ConvTranspose", "x w", "a", strides=[2, 2], output_shape=[16, 16]),
            node("InstanceNormalization", "a s s", "b", epsilon=1e-4),
            node("PRelu", "b slope", "c"),
            node("LRN", "c", "d", size=3),
            node("Dropout", "d", "e mask"),
            node("AveragePool", "e", "f", kernel_shape=[3, 3], auto_pad="SAME_LOWER"),
            node("Upsample", "f scales", "g", mode="nearest"),
            node("HardSigmoid", "g", "y", alpha=0.2),
        ],
        [tensor("w", [3, 2, 2, 2]), tensor("s", [2]), tensor("slope", [2, 1, 1]), tensor("scales", [4], [1.0, 1.0, 2.0, 2.0])],
        opset=9,
    )
    # Data that stays in its file: packed as it is, turned, cast, and whole numbers.
    model(
        "large",
        [
            node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
            node("GlobalMaxPool", "a", "b"),
            node("Flatten", "b", "c"),
            node("MatMul", "c m", "d"),
            node("Cast", "h", "k", to=1),
            node("Gemm", "d k", "e", transB=1, alpha=2.0),
            node("Gather", "e picks", "f", axis=1),
            node("Constant", "", "g", value=tensor("", [1, 256])),
            node("Add", "f g", "y"),
        ],
        [
            tensor("w", [16, 3, 3, 3]),
            tensor("m", [16, 32]),
            field(1, 32) + field(1, 32) + field(2, 10) + field(8, "h") + field(9, bytes(2048)),
            tensor("picks", [256], [0] * 256),
        ],
    )
    model(
        "picks",
        [
            node("NonMaxSuppression", "boxes x most iou score", "n"),
            node("Gather", "n ends", "at", axis=1),
            node("GatherND", "boxes at", "corners"),
            node("GatherND", "x n", "scores"),
            node("Unsqueeze", "scores one", "column"),
            node("Gather", "n start", "which", axis=1),
            node("Cast", "which", "class", to=1),
            node("Concat", "class column corners", "rows", axis=1),
            node("Pad", "rows more minus", "padded"),
            node("Slice", "padded zero five zero", "y"),
        ],
        [
            tensor("boxes", [1, 8, 4]),
            tensor("most", [1], [2]),
            tensor("iou", [1], [0.5]),
            tensor("score", [1], [0.25]),
            tensor("ends", [2], [0, 2]),
            tensor("start", [2], [0, 1]),
            tensor("one", [1], [1]),
            tensor("zero", [1], [0]),
            tensor("five", [1], [5]),
            tensor("more", [4], [0, 0, 5, 0]),
            tensor("minus", [1], [-1.0]),
        ],
        shape=(1, 3, 8),
    )
    model(
        "quantised",
        [
            node("DequantizeLinear", "q s z", "w", axis=0),
            node("Conv", "x w", "a"),
            node("LeakyRelu", "a", "b", alpha=0.1),
            node("ReduceMax", "b", "y"),
        ],
        [
            field(1, 2) + field(1, 3) + field(1, 1) + field(1, 1) + field(2, 3) + field(8, "q") + field(9, bytes(6)),
            tensor("s", [2], [0.5, 0.25]),
            field(1, 2) + field(2, 3) + field(8, "z") + field(9, bytes(2)),
        ],
    )


# Pictures: PNG of every colour type, written here, and two small JPEG files.


def png(kind, depth, channels, palette=b"", size=(9, 7), interlaced=0):
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    width, height = size
    row = (width * channels * depth + 7) // 8
    pixels = b"".join(b"\0" + bytes((17 * x + 40 * y) % 256 for x in range(row)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    body = chunk(b"IHDR", head) + (chunk(b"PLTE", palette) if palette else b"")
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


JPEG_GREY = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhl"
    "bXd7gYKBTmCNl4x9lnN+gXz/wAALCAAHAAkBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAABAb/xAAWEAEBAQAAAAAAAAAAAAAA"
    "AAAABkL/2gAIAQEAAD8AHN4WT//Z"
)
JPEG_COLOUR = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhl"
    "bXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHx8fHx8fHz/wAARCAAHAAkDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAME/8QAGxAAAQQDAAAAAAAA"
    "AAAAAAAAAAECBCEFFVH/xAAVAQEBAAAAAAAAAAAAAAAAAAAAA//EABoRAAICAwAAAAAAAAAAAAAAAAADBDECERP/2gAMAwEA"
    "AhEDEQA/AJRMO2qQ36dvEAIMfnuxDkM52f/Z"
)


def pictures():
    save("picture", "grey.png", png(0, 8, 1))
    save("picture", "bit.png", png(0, 1, 1))
    save("picture", "colour.png", png(2, 8, 3))
    save("picture", "deep.png", png(2, 16, 3))
    save("picture", "palette.png", png(3, 4, 1, bytes(range(48))))
    save("picture", "alpha.png", png(6, 8, 4))
    save("picture", "grey.jpg", base64.b64decode(JPEG_GREY))
    save("picture", "colour.jpg", base64.b64decode(JPEG_COLOUR))


# Darknet: a net for each family of sections; behind the first zero byte stand its weights.
NET = "[net]\nheight=16\nwidth=16\nchannels=3\n"
CONV = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
HEAD = "[convolutional]\nfilters=14\nsize=1\nactivation=linear\n"
DARKNET = {
    "classifier": CONV + "[maxpool]\nsize=2\nstride=2\n[dropout]\n[connected]\noutput=3\n[softmax]\n[cost]\n",
    "mean": CONV + "[avgpool]\n[convolutional]\nfilters=3\ngroups=1\nactivation=ramp\n[softmax]\ngroups=3\ntemperature=3\n",
    "residual": CONV + "[maxpool]\nsize=1\nstride=2\n[shortcut]\nfrom=-2\nactivation=relu\n[crop]\ncrop_height=2\ncrop_width=3\n",
    "route": CONV + "[upsample]\nstride=2\n[route]\nlayers=-1,-1\n[reorg]\nstride=2\n[route]\nlayers=-1\ngroups=2\ngroup_id=1\n",
    "yolo": CONV + HEAD + "[yolo]\nmask=1,2\nanchors=1,2, 3,4, 5,6\nnum=3\nclasses=2\n",
    "region": CONV + HEAD + "[region]\nanchors=1,2, 3,4\nnum=2\nclasses=2\nsoftmax=1\ncoords=4\n",
    "detection": "[connected]\noutput=44\nactivation=linear\n[detection]\nclasses=1\ncoords=4\nside=2\nnum=2\nsqrt=1\n",
    "recurrent": "[rnn]\noutput=3\nhidden=4\n[batchnorm]\n[activation]\nactivation=selu\n",
}


def darknet():
    for name, sections in DARKNET.items():
        save("darknet", name, (NET + sections).encode())
    numbers = struct.pack("<3iq", 0, 2, 0, 64) + struct.pack("<f", 0.5) * (4 * 4 + 4 * 27)
    save("darknet", "weighed", (NET + CONV).encode() + b"\0" + numbers)


if __name__ == "__main__":
    weights()
    models()
    darknet()
    pictures()
    (CORPUS / "check").mkdir(parents=True, exist_ok=True)
    for folder in sorted(CORPUS.iterdir()):
        print(f"{folder.relative_to(ROOT)}: {len(list(folder.iterdir()))} files")
