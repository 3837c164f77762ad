"""Writes operators.json and tests/corpus/ops/*.net: one small, awkward case after another, with what PyTorch
(in float64) says of it. Run it again after adding a case:

    python tests/data/operators.py        # needs torch
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
OUT = []


def tensor(shape, seed, low=-2.0, high=2.0, special=False):
    """Multiples of 1/64, exact in f32."""
    g = torch.Generator().manual_seed(seed)
    steps = int((high - low) * 64)
    x = torch.randint(0, steps + 1, shape, generator=g).double() / 64 + low
    if special:
        flat = x.view(-1)
        for i, it in enumerate([math.nan, math.inf, -math.inf, -0.0, 0.0]):
            flat[(i * 7 + 3) % flat.numel()] = it
    return x


def numbers(x):
    def number(v):
        if math.isnan(v):
            return "nan"
        if math.isinf(v):
            return "inf" if v > 0 else "-inf"
        return int(v) if v == int(v) and (v != 0 or math.copysign(1, v) > 0) else float(f"{v:.9g}")

    return {"shape": list(x.shape), "data": [number(v) for v in x.reshape(-1).tolist()]}


def case(op, args, shapes, compute, params=(), special=False, low=-2.0, high=2.0):
    """`params` are shapes, or (shape, low, high); `compute` takes inputs and parameters."""
    seed = 1000 + 17 * len(OUT)
    inputs = [tensor(s, seed + i, low, high, special) for i, s in enumerate(shapes)]
    given = []
    for i, it in enumerate(params):
        shape, lo, hi = it if isinstance(it[0], list) else (it, -1.0, 1.0)
        given.append(tensor(shape, seed + 7 + i, lo, hi))
    output = compute(*inputs, *given)
    OUT.append({
        "op": op, "args": args, "inputs": [numbers(x) for x in inputs],
        "params": [numbers(p) for p in given], "output": numbers(output),
    })


# Convolution.
def conv(args, shape, weight, bias=True, special=False):
    axes = len(shape) - 2
    f = [F.conv1d, F.conv2d, F.conv3d][axes - 1]

    def compute(x, w, b=None):
        if args.get("flip"):
            w = w.flip(list(range(2, 2 + axes)))
        pads, stride = padding(args, shape), args.get("stride", 1)
        return f(F.pad(x, pads), w, b, stride, 0, args.get("dilation", 1), args.get("groups", 1))

    params = [weight] + ([[weight[0]]] if bias else [])
    case("conv", args, [shape], compute, params, special)


def listed(value, axes):
    return value if isinstance(value, list) else [value] * axes


def padding(args, shape):
    """The rows of padding as F.pad wants them: last axis first."""
    axes = len(shape) - 2
    kernel, stride = listed(args["kernel"], axes), listed(args.get("stride", 1), axes)
    dilation, pad = listed(args.get("dilation", 1), axes), args.get("pad", 0)
    pairs = []
    for i, extent in enumerate(shape[2:]):
        reach = dilation[i] * (kernel[i] - 1) + 1
        if pad == "half":
            pairs.append([(reach - 1) // 2] * 2)
        elif pad in ("same", "same_lower"):
            total = max((math.ceil(extent / stride[i]) - 1) * stride[i] + reach - extent, 0)
            pair = [total // 2, total - total // 2]
            pairs.append(pair if pad == "same" else pair[::-1])
        elif pad == "valid":
            pairs.append([0, 0])
        else:
            it = listed(pad, axes)[i]
            pairs.append(it if isinstance(it, list) else [it, it])
    return [it for pair in reversed(pairs) for it in pair]


conv({"channels": 4, "kernel": 3}, [2, 3, 7, 5], [4, 3, 3, 3])
conv({"channels": 5, "kernel": 3, "stride": 2, "pad": 1}, [1, 3, 8, 7], [5, 3, 3, 3])
conv({"channels": 4, "kernel": 1}, [1, 6, 5, 3], [4, 6, 1, 1])
conv({"channels": 4, "kernel": 1, "stride": 2, "bias": False}, [1, 6, 5, 4], [4, 6, 1, 1], bias=False)
conv({"channels": 3, "kernel": [3, 5], "stride": [2, 1], "pad": [[0, 1], [2, 3]]}, [1, 2, 6, 5], [3, 2, 3, 5])
conv({"channels": 4, "kernel": 3, "pad": "half", "dilation": 2}, [1, 3, 9, 7], [4, 3, 3, 3])
conv({"channels": 2, "kernel": 4, "pad": "half"}, [1, 2, 6, 6], [2, 2, 4, 4])
conv({"channels": 3, "kernel": 3, "stride": 2, "pad": "same"}, [1, 2, 6, 7], [3, 2, 3, 3])
conv({"channels": 3, "kernel": 3, "stride": 2, "pad": "same_lower"}, [1, 2, 6, 7], [3, 2, 3, 3])
conv({"channels": 3, "kernel": 2, "stride": 3, "pad": "valid"}, [1, 2, 7, 9], [3, 2, 2, 2])
conv({"channels": 6, "kernel": 3, "pad": 1, "groups": 3}, [2, 6, 5, 5], [6, 2, 3, 3])
conv({"channels": 6, "kernel": 3, "pad": 1, "groups": 6, "bias": False}, [1, 6, 5, 4], [6, 1, 3, 3], bias=False)
conv({"channels": 6, "kernel": 3, "pad": 1, "groups": 3, "stride": 2}, [1, 3, 5, 5], [6, 1, 3, 3])
conv({"channels": 4, "kernel": 3, "pad": 2, "stride": 2}, [1, 3, 10], [4, 3, 3])
conv({"channels": 2, "kernel": [2, 3, 1], "pad": [1, 1, 0]}, [1, 2, 3, 4, 5], [2, 2, 2, 3, 1])
conv({"channels": 2, "kernel": 3, "flip": True, "pad": 1}, [1, 2, 4, 5], [2, 2, 3, 3])
conv({"channels": 9, "kernel": 5, "pad": 4}, [1, 1, 3, 3], [9, 1, 5, 5])
conv({"channels": 3, "kernel": 3, "pad": 1}, [1, 2, 5, 6], [3, 2, 3, 3], special=True)

sobel = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
case("conv", {"channels": 1, "kernel": 3, "weight": sobel}, [[1, 3, 5, 5]],
     lambda x: F.conv2d(x, torch.tensor(sobel).double().expand(1, 3, 3, 3)))
case("conv", {"channels": 2, "kernel": 1, "weight": [[[[1]], [[-1]]], [[[0.5]], [[2]]]], "bias": [1, -1]},
     [[1, 2, 2, 3]],
     lambda x: F.conv2d(x, torch.tensor([[1, -1], [0.5, 2]]).double()[..., None, None],
                        torch.tensor([1, -1]).double()))


# Transposed convolution.
def deconv(args, shape, weight, bias=True, pad=0, special=False):
    f = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][len(shape) - 3]

    def compute(x, w, b=None):
        return f(x, w, b, args.get("stride", 1), pad, args.get("output_pad", 0), args.get("groups", 1),
                 args.get("dilation", 1))

    groups = args.get("groups", 1)
    case("deconv", args, [shape], compute, [weight] + ([[weight[1] * groups]] if bias else []), special)


deconv({"channels": 3, "kernel": 3}, [2, 2, 3, 4], [2, 3, 3, 3])
deconv({"channels": 3, "kernel": 4, "stride": 2, "pad": 1}, [1, 2, 3, 5], [2, 3, 4, 4], pad=1)
deconv({"channels": 2, "kernel": 3, "stride": 2, "pad": 1, "output_pad": 1}, [1, 3, 4, 3], [3, 2, 3, 3], pad=1)
deconv({"channels": 4, "kernel": 3, "stride": [3, 2], "groups": 2}, [1, 4, 2, 3], [4, 2, 3, 3])
deconv({"channels": 3, "kernel": 2, "stride": 3, "groups": 3, "bias": False}, [1, 3, 2, 2], [3, 1, 2, 2], False)
deconv({"channels": 2, "kernel": 3, "dilation": 2, "stride": 2}, [1, 2, 3, 3], [2, 2, 3, 3])
deconv({"channels": 2, "kernel": 4, "stride": 2, "pad": "same"}, [1, 2, 3, 3], [2, 2, 4, 4], pad=1)
deconv({"channels": 2, "kernel": 5, "stride": 2, "pad": "half"}, [1, 2, 5], [2, 2, 5], pad=2)
deconv({"channels": 2, "kernel": 2, "stride": 2}, [1, 2, 2, 2, 3], [2, 2, 2, 2, 2])
deconv({"channels": 2, "kernel": 3, "stride": 2}, [1, 2, 3, 3], [2, 2, 3, 3], special=True)
case("deconv", {"channels": 2, "kernel": 3, "stride": 2, "pad": [[0, 1], [1, 2]]}, [[1, 2, 3, 4]],
     lambda x, w, b: F.conv_transpose2d(x, w, b, 2)[:, :, 0:-1, 1:-2], [[2, 2, 3, 3], [2]])

# Pools.
for args, shape in [
    ({"kernel": 2}, [2, 2, 5, 6]),
    ({"kernel": 3, "stride": 2, "pad": 1}, [1, 3, 7, 8]),
    ({"kernel": 3, "stride": 2, "ceil": True}, [1, 2, 6, 8]),
    ({"kernel": 3, "stride": 2, "pad": 1, "ceil": True}, [1, 2, 6, 7]),
    ({"kernel": 2, "stride": 3, "ceil": True, "pad": 1}, [1, 2, 5, 5]),
    ({"kernel": [3, 2], "stride": [1, 2], "pad": [1, 0]}, [1, 2, 5, 5]),
    ({"kernel": 3, "stride": 1, "pad": 1}, [1, 2, 9]),
    ({"kernel": 2}, [1, 2, 4, 5, 3]),
]:
    axes = len(shape) - 2
    largest = [F.max_pool1d, F.max_pool2d, F.max_pool3d][axes - 1]
    mean = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][axes - 1]
    a = (args["kernel"], args.get("stride", args["kernel"]), args.get("pad", 0))
    ceil = args.get("ceil", False)
    case("maxpool", args, [shape], lambda x: largest(x, *a, ceil_mode=ceil))
    case("avgpool", args, [shape], lambda x: mean(x, *a, ceil_mode=ceil))
    case("avgpool", args | {"count_pad": False}, [shape],
         lambda x: mean(x, *a, ceil_mode=ceil, count_include_pad=False))
case("maxpool", {"kernel": 3, "stride": 2, "pad": 1}, [[1, 2, 6, 6]],
     lambda x: F.max_pool2d(x, 3, 2, 1), special=True)
case("avgpool", {"kernel": 3, "stride": 2, "pad": 1}, [[1, 2, 6, 6]],
     lambda x: F.avg_pool2d(x, 3, 2, 1), special=True)
case("maxpool", {"kernel": 3, "stride": 2, "pad": "same"}, [[1, 2, 6, 7]],
     lambda x: F.max_pool2d(F.pad(x, (1, 1, 0, 1), value=-math.inf), 3, 2))
for special in (False, True):
    case("gap", {}, [[2, 3, 3, 5]], lambda x: x.mean((2, 3)), special=special)
    case("gmp", {}, [[2, 3, 3, 5]], lambda x: x.amax((2, 3)), special=special)
case("gap", {"keep": True}, [[1, 3, 7]], lambda x: x.mean(2, keepdim=True))
case("gmp", {"keep": True}, [[1, 3, 2, 3, 2]], lambda x: x.amax((2, 3, 4), keepdim=True))

# Vectors.
case("fc", {"features": 5}, [[2, 7]], F.linear, [[5, 7], [5]])
case("fc", {"features": 3, "bias": False}, [[1, 4]], F.linear, [[3, 4]])
case("fc", {"features": 3}, [[1, 9]], F.linear, [[3, 9], [3]], special=True)
case("fc", {"features": 2, "bias": [0.5, -1]}, [[1, 3]],
     lambda x, w: F.linear(x, w, torch.tensor([0.5, -1]).double()), [[2, 3]])

# Normalisation.
def norm(x, w, b, m, v, eps=1e-5):
    return F.batch_norm(x, m, v, w, b, eps=eps)


def statistics(c):
    return [[c], [c], [c], ([c], 0.25, 2.0)]


case("bn", {}, [[2, 3, 3, 2]], norm, statistics(3))
case("bn", {"eps": 0.001}, [[2, 4]], lambda *a: norm(*a, eps=0.001), statistics(4))
case("bn", {}, [[1, 3, 5]], norm, statistics(3), special=True)
case("lrn", {"size": 5}, [[1, 7, 3, 2]], lambda x: F.local_response_norm(x, 5))
case("lrn", {"size": 3, "alpha": 0.5, "beta": 0.5, "k": 2}, [[2, 2, 3]],
     lambda x: F.local_response_norm(x, 3, 0.5, 0.5, 2.0))
case("lrn", {"size": 1, "alpha": 1}, [[1, 4, 2, 2]], lambda x: F.local_response_norm(x, 1, 1.0))
case("l2norm", {}, [[2, 5]], lambda x: F.normalize(x))
case("l2norm", {"axis": -1, "eps": 4}, [[1, 2, 3, 4]], lambda x: F.normalize(x, dim=-1, eps=4.0))
case("normalise", {"mean": [0.5, 0.25, -1], "std": [0.25, 2, -0.5]}, [[2, 3, 2, 3]],
     lambda x: (x - torch.tensor([0.5, 0.25, -1]).double().view(3, 1, 1))
     / torch.tensor([0.25, 2, -0.5]).double().view(3, 1, 1))
case("normalise", {"std": 0.5}, [[1, 2, 3]], lambda x: x / 0.5)

# Every element on its own.
for op, args, f in [
    ("relu", {}, F.relu), ("relu6", {}, F.relu6), ("leaky", {"slope": 0.125}, lambda x: F.leaky_relu(x, 0.125)),
    ("elu", {}, F.elu), ("elu", {"alpha": 0.5}, lambda x: F.elu(x, 0.5)), ("tanh", {}, torch.tanh),
    ("sigmoid", {}, torch.sigmoid), ("hardswish", {}, F.hardswish), ("hardsigmoid", {}, F.hardsigmoid),
    ("hardsigmoid", {"alpha": 0.25, "beta": 0.5}, lambda x: (x * 0.25 + 0.5).clamp(0, 1)),
    ("silu", {}, F.silu), ("gelu", {}, F.gelu), ("dropout", {"p": 0.25}, lambda x: x), ("abs", {}, torch.abs),
    ("exp", {}, torch.exp), ("log", {}, torch.log), ("sqrt", {}, torch.sqrt), ("softplus", {}, F.softplus),
    ("mish", {}, F.mish), ("affine", {"scale": 2, "shift": -0.5}, lambda x: 2 * x - 0.5),
    ("clip", {"min": -1, "max": 0.5}, lambda x: x.clamp(-1, 0.5)), ("clip", {"max": 1}, lambda x: x.clamp(max=1)),
]:
    case(op, args, [[2, 3, 2, 3]], f, low=-8.0, high=8.0)
    case(op, args, [[1, 2, 7]], f, low=-8.0, high=8.0, special=op not in ("gelu", "mish", "softplus", "silu", "hardswish"))
case("prelu", {}, [[2, 3, 2, 2]], F.prelu, [[3]])
case("prelu", {"shared": True}, [[2, 3, 4]], F.prelu, [[1]])
case("prelu", {}, [[1, 3, 5]], F.prelu, [[3]], special=True)

# Along an axis.
for args, shape in [({}, [2, 5]), ({"axis": 2}, [1, 2, 3, 4]), ({"axis": -1}, [1, 2, 3, 4]), ({}, [1, 6, 2, 2])]:
    axis = args.get("axis", 1)
    case("softmax", args, [shape], lambda x: F.softmax(x, axis), low=-8.0, high=8.0)
    case("logsoftmax", args, [shape], lambda x: F.log_softmax(x, axis), low=-8.0, high=8.0)
case("softmax", {}, [[5, 4]], lambda x: F.softmax(x, 1), special=True)
case("logsoftmax", {}, [[5, 4]], lambda x: F.log_softmax(x, 1), special=True)

# Several values.
PAIRS = [[[2, 3, 2, 3]] * 2, [[1, 4]] * 2, [[1, 3, 2, 2], [1, 3, 1, 1]], [[1, 1, 2, 3], [1, 4, 1, 3]]]
for op, f in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div),
              ("max", torch.maximum), ("min", torch.minimum)]:
    for shapes in PAIRS:
        case(op, {}, shapes, f)
    case(op, {}, [[1, 3, 5], [1, 3, 5]], f, special=True)
case("add", {}, [[1, 3, 4]] * 3, lambda a, b, c: a + b + c)
case("mul", {}, [[1, 3, 4], [1, 3, 1], [1, 1, 4]], lambda a, b, c: a * b * c)
case("max", {}, [[1, 3, 4]] * 3, lambda a, b, c: a.maximum(b).maximum(c))
case("min", {}, [[1, 3, 4]] * 3, lambda a, b, c: a.minimum(b).minimum(c))
case("concat", {}, [[2, 3, 2, 3], [2, 1, 2, 3], [2, 2, 2, 3]], lambda *a: torch.cat(a, 1))
case("concat", {"axis": -1}, [[1, 2, 3, 2], [1, 2, 3, 5]], lambda *a: torch.cat(a, -1))
case("concat", {}, [[2, 3], [2, 9]], lambda *a: torch.cat(a, 1), special=True)

# Other extents, another order.
case("flatten", {}, [[2, 3, 2, 4]], lambda x: x.flatten(1))
case("flatten", {}, [[2, 5]], lambda x: x.flatten(1), special=True)
case("reshape", {"shape": [4, -1, 3]}, [[2, 3, 4, 2]], lambda x: x.reshape(2, 4, -1, 3))
case("reshape", {"shape": [12]}, [[1, 3, 4]], lambda x: x.reshape(1, 12))
case("reshape", {"shape": [2, 3, 2, 1]}, [[2, 12]], lambda x: x.reshape(2, 2, 3, 2, 1))
case("permute", {"order": [0, 2, 3, 1]}, [[2, 3, 4, 5]], lambda x: x.permute(0, 2, 3, 1))
case("permute", {"order": [0, 2, 1]}, [[2, 3, 4]], lambda x: x.permute(0, 2, 1), special=True)
case("slice", {"axis": 1, "from": 1, "to": 3}, [[2, 4, 2, 3]], lambda x: x[:, 1:3])
case("slice", {"axis": -1, "from": -4, "step": 2}, [[1, 2, 2, 7]], lambda x: x[..., -4::2])
case("slice", {"axis": 2, "to": -1, "step": 3}, [[1, 2, 8]], lambda x: x[:, :, :-1:3])
case("pad", {"rows": 1}, [[1, 2, 3, 4]], lambda x: F.pad(x, (1,) * 4))
case("pad", {"rows": [[0, 2], [1, 0]], "value": -1.5}, [[2, 1, 2, 3]], lambda x: F.pad(x, (1, 0, 0, 2), value=-1.5))
case("pad", {"rows": [2, 1], "mode": "reflect"}, [[1, 2, 3, 4]], lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"))
case("pad", {"rows": [[3, 1]], "mode": "edge"}, [[1, 2, 3]], lambda x: F.pad(x, (3, 1), mode="replicate"))
case("pad", {"rows": 0, "channels": [1, 2]}, [[1, 2, 3, 2]], lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)))
case("upsample", {"factor": 2}, [[2, 2, 3, 2]], lambda x: F.interpolate(x, scale_factor=2))
case("upsample", {"factor": [3, 1]}, [[1, 2, 2, 3]], lambda x: F.interpolate(x, scale_factor=(3, 1)), special=True)
for corners in (False, True):
    more = {"mode": "bilinear"} | ({"align_corners": True} if corners else {})
    for shape, factor, mode in [([1, 2, 3, 4], 2, "bilinear"), ([1, 1, 2, 3], [3, 4], "bilinear"),
                                ([1, 2, 5], 2, "linear"), ([1, 1, 2, 1, 3], 2, "trilinear")]:
        scale = tuple(factor) if isinstance(factor, list) else factor
        case("upsample", {"factor": factor} | more, [shape],
             lambda x: F.interpolate(x, scale_factor=scale, mode=mode, align_corners=corners))


def reorg(s):
    """Darknet's loops."""
    def compute(x):
        n, c, h, w = x.shape
        flat, out = x.reshape(n, -1), torch.empty(n, c * h * w).double()
        d = c // (s * s)
        for k in range(c):
            for j in range(h):
                for i in range(w):
                    row, column = j * s + k // d // s, i * s + k // d % s
                    out[:, (k * h + j) * w + i] = flat[:, (k % d * h * s + row) * w * s + column]
        return out.reshape(n, c * s * s, h // s, w // s)
    return compute


case("reorg", {"stride": 2}, [[2, 8, 4, 6]], reorg(2))
case("reorg", {"stride": 2}, [[1, 4, 2, 2]], reorg(2))
case("reorg", {"stride": 3}, [[1, 18, 6, 3]], reorg(3))
case("reorg", {"stride": 1}, [[1, 2, 3, 3]], reorg(1), special=True)

# Operators that models from elsewhere need.
for name, f in [("erf", torch.erf), ("floor", torch.floor), ("ceil", torch.ceil), ("round", torch.round)]:
    case(name, {}, [[2, 3, 4]], f)
    case(name, {}, [[1, 4, 3, 5]], f, special=True)
case("sign", {}, [[2, 3, 4]], torch.sign)
case("pow", {}, [[2, 3, 4], [2, 3, 4]], torch.pow, low=0.5, high=2.0)
case("pow", {}, [[2, 3, 4, 2], [1, 3, 1, 1]], torch.pow, low=0.25, high=3.0)
case("matmul", {}, [[3, 5], [5, 4]], torch.matmul)
case("matmul", {}, [[2, 3, 4, 5], [2, 3, 5, 2]], torch.matmul)
case("matmul", {}, [[1, 3, 4, 7], [2, 1, 7, 3]], torch.matmul)
case("matmul", {}, [[2, 3, 1], [2, 1, 3]], torch.matmul, special=True)
case("reduce", {"op": "sum", "axes": [1]}, [[2, 5, 3]], lambda x: x.sum(1))
case("reduce", {"op": "mean", "axes": [-1, 1], "keep": True}, [[2, 5, 3, 4]], lambda x: x.mean([1, 3], keepdim=True))
case("reduce", {"op": "max", "axes": [0, 2]}, [[2, 5, 3]], lambda x: x.amax([0, 2]))
case("reduce", {"op": "min", "axes": [2], "keep": True}, [[2, 5, 3]], lambda x: x.amin(2, keepdim=True), special=True)
case("reduce", {"op": "product", "axes": [1, 2]}, [[2, 3, 3]], lambda x: x.prod(1).prod(1))
case("reduce", {"op": "sum", "axes": [0, 1, 2]}, [[2, 3, 3]], lambda x: x.sum().reshape(1))
case("take", {"axis": 1, "at": [2, 0, -1, 2]}, [[2, 4, 3]], lambda x: x[:, [2, 0, 3, 2]])
case("take", {"axis": -1, "at": [4, 3, 2]}, [[1, 2, 2, 5]], lambda x: x[..., [4, 3, 2]], special=True)
case("expand", {"shape": [3, 4, 5]}, [[2, 3, 1, 1]], lambda x: x.expand(2, 3, 4, 5))
case("expand", {"shape": [4, 2], "batch": 3}, [[1, 1, 2]], lambda x: x.expand(3, 4, 2))
case("param", {"shape": [3, 2]}, [], lambda w: w, params=[[1, 3, 2]])
case("param", {"shape": [2], "batch": 3}, [], lambda w: w, params=[[3, 2]])
case("param", {"shape": [2, 2], "weight": [[1, 2], [3, 0.5]]}, [], lambda: torch.tensor([[[1, 2], [3, 0.5]]]).double())
for args in [{}, {"eps": 0.001}]:
    case("instancenorm", args, [[2, 3, 4, 5]],
         lambda x, w, b, e=args.get("eps", 1e-5): F.instance_norm(x, weight=w, bias=b, eps=e), params=[[3], [3]])
case("instancenorm", {}, [[1, 2, 9]], lambda x, w, b: F.instance_norm(x, weight=w, bias=b), params=[[2], [2]])


def resize(args, shape, mode, **more):
    case("resize", args, [shape], lambda x: F.interpolate(x, size=tuple(args["size"]), mode=mode, **more))


resize({"size": [7, 3], "round": "prefer_ceil"}, [1, 2, 5, 4], "nearest-exact")
resize({"size": [5, 8], "at": "asymmetric", "round": "floor"}, [2, 1, 3, 4], "nearest")
resize({"size": [7, 9], "mode": "linear"}, [1, 2, 4, 5], "bilinear", align_corners=False)
resize({"size": [3, 9], "mode": "linear", "at": "align_corners"}, [1, 2, 7, 4], "bilinear", align_corners=True)
resize({"size": [9], "mode": "linear"}, [2, 2, 4], "linear", align_corners=False)
resize({"size": [7, 6], "mode": "cubic"}, [1, 1, 5, 5], "bicubic", align_corners=False)
resize({"size": [5, 3], "mode": "cubic", "at": "align_corners"}, [1, 2, 7, 7], "bicubic", align_corners=True)
resize({"size": [3, 4], "mode": "linear", "antialias": True, "exclude_outside": True}, [1, 1, 9, 7], "bilinear",
       align_corners=False, antialias=True)
case("maxpool", {"kernel": 2, "dilation": 2, "stride": 1}, [[1, 2, 6, 5]], lambda x: F.max_pool2d(x, 2, 1, 0, 2))
case("maxpool", {"kernel": [3], "dilation": 3, "stride": 2, "pad": 1}, [[2, 2, 11]],
     lambda x: F.max_pool1d(x, 3, 2, 1, 3))
case("pad", {"rows": [[1, 2], [3, 0]], "mode": "wrap"}, [[1, 2, 3, 4]], lambda x: F.pad(x, (3, 0, 1, 2), mode="circular"))
case("reshape", {"shape": [6], "batch": 4}, [[2, 3, 4]], lambda x: x.reshape(4, 6))
case("reshape", {"shape": [-1, 2], "batch": 1}, [[2, 3, 4]], lambda x: x.reshape(1, 12, 2))
case("permute", {"order": [2, 0, 1]}, [[2, 3, 4]], lambda x: x.permute(2, 0, 1))
case("concat", {"axis": 0}, [[2, 3], [1, 3]], lambda *a: torch.cat(a, 0))
case("softmax", {"axis": 0}, [[3, 4]], lambda x: F.softmax(x, 0))

def nms(args, boxes, scores, special=False):
    """Every pair of boxes first, then greedily down each class."""
    def compute(boxes, scores):
        if args.get("form") == "centre":
            half = boxes[..., 2:] / 2
            low, high = boxes[..., :2] - half, boxes[..., :2] + half
        else:
            a, b = boxes[..., :2], boxes[..., 2:]
            low, high = torch.where(a < b, a, b), torch.where(a > b, a, b)
        area = (high - low).prod(-1)
        rows = []
        for n in range(scores.shape[0]):
            a, b = high[n][:, None], high[n][None]
            c, d = low[n][:, None], low[n][None]
            side = torch.where(a < b, a, b) - torch.where(c > d, c, d)
            both = torch.where((side > 0).all(-1), side.prod(-1), 0.0)
            iou = both / (area[n][:, None] + area[n][None] - both)
            for c in range(scores.shape[1]):
                least = args.get("score", -math.inf)
                counts = [i for i, s in enumerate(scores[n, c].tolist()) if s > least or ("score" not in args and s == s)]
                counts.sort(key=lambda i: -scores[n, c, i].item())
                kept = []
                for i in counts:
                    if len(kept) < args.get("most", 10**9) and all(not iou[k, i] > args.get("iou", 0.5) for k in kept):
                        kept.append(i)
                rows += [[n, c, i] for i in kept]
        capacity = args.get("capacity", scores.shape[0] * scores.shape[1] * min(scores.shape[2], args.get("most", 10**9)))
        if args.get("with_boxes"):
            rows = [[n, c, scores[n, c, i].item(), *boxes[n, i].tolist()] for n, c, i in rows]
        width = 7 if args.get("with_boxes") else 3
        rows = (rows + [[-1] * width] * capacity)[:capacity]
        return torch.tensor(rows).double()

    case("nms", args, [boxes, scores], compute, special=special)


nms({}, [1, 9, 4], [1, 2, 9])
nms({"iou": 0.25, "score": 0.125, "most": 3}, [2, 30, 4], [2, 3, 30])
nms({"iou": 0.4, "score": -1, "form": "centre", "capacity": 11}, [1, 21, 4], [1, 5, 21])
nms({"iou": 0.75, "capacity": 100}, [3, 17, 4], [3, 1, 17], special=True)
nms({"iou": 0.0, "score": 1.5}, [1, 1, 4], [1, 1, 1])
nms({"iou": 0.3, "score": 0.5, "form": "centre", "capacity": 13, "with_boxes": True}, [2, 12, 4], [2, 3, 12])
nms({"with_boxes": True}, [1, 5, 4], [1, 2, 5], special=True)
case("filled", {}, [[9, 3]], lambda x: (x[:, 0] >= 0).sum().double().reshape(1))
case("filled", {}, [[2, 1]], lambda x: (x[:, 0] >= 0).sum().double().reshape(1))

# Detection.
def head(args, shape, special=False, region=False):
    """Boxes and scores of a head, cell by cell."""
    anchors, classes = torch.tensor(args["anchors"]).double(), args["classes"]
    stride = args["stride"] * 2 if isinstance(args["stride"], list) else [args["stride"]] * 2

    def compute(x):
        n, _, h, w = x.shape
        t = x.reshape(n, len(anchors), 5 + classes, h, w)
        rows, columns = torch.arange(h).double().reshape(h, 1), torch.arange(w).double()
        unit = [stride[1], stride[0]] if region else [1, 1]
        size = [t[:, :, 2 + i].exp() * (anchors[:, i] * unit[i]).reshape(-1, 1, 1) for i in range(2)]
        box = [(t[:, :, 0].sigmoid() + columns) * stride[1], (t[:, :, 1].sigmoid() + rows) * stride[0], *size]
        share = t[:, :, 5:].softmax(2) if region else t[:, :, 5:].sigmoid()
        found = torch.cat([torch.stack(box, 2), t[:, :, 4:5].sigmoid() * share], 2)
        return found.permute(0, 2, 1, 3, 4).reshape(n, 4 + classes, -1)

    case("region" if region else "yolo", args, [shape], compute, special=special, low=-4.0, high=4.0)


head({"anchors": [[10, 14], [23.5, 27]], "classes": 3, "stride": 8}, [2, 16, 3, 4])
head({"anchors": [[344, 319]], "classes": 1, "stride": [32, 30.5]}, [1, 6, 5, 3])
head({"anchors": [[1, 2], [3, 4], [5, 6]], "classes": 2, "stride": [16]}, [1, 21, 2, 2], special=True)
head({"anchors": [[0.5, 1.25], [2, 3]], "classes": 3, "stride": 8}, [2, 16, 3, 4], region=True)
head({"anchors": [[9.75, 9.25]], "classes": 5, "stride": [32, 30.5]}, [1, 10, 5, 3], region=True)
head({"anchors": [[1, 2]], "classes": 1, "stride": 32}, [1, 6, 2, 2], region=True, special=True)
for args in [{}, {"fit": "letterbox", "channels": "bgr", "scale": 255}, {"fit": "crop", "resize": [5, 6]}]:
    case("picture", args, [[2, 3, 4, 5]], lambda x: x)


def argmaxpool(args, shape):
    """PyTorch counts within a channel."""
    def compute(x):
        axes = len(shape) - 2
        f = [F.max_pool1d, F.max_pool2d, F.max_pool3d][axes - 1]
        pads = args.get("pad", 0)
        _, at = f(x, args["kernel"], args.get("stride", args["kernel"]), pads, args.get("dilation", 1),
                  args.get("ceil", False), return_indices=True)
        if args.get("order") == "columns":
            height, width = shape[2:]
            at = at % width * height + at // width
        planes = torch.arange(shape[0] * shape[1]).view(shape[:2] + [1] * axes)
        return (at + planes * math.prod(shape[2:])).double()

    case("argmaxpool", args, [shape], compute)


argmaxpool({"kernel": 2}, [2, 3, 5, 4])
argmaxpool({"kernel": 3, "stride": 2, "pad": 1}, [1, 9, 8, 7])
argmaxpool({"kernel": 3, "stride": 1, "dilation": 2, "ceil": True}, [1, 2, 7, 9])
argmaxpool({"kernel": [3], "stride": [2]}, [2, 2, 11])
argmaxpool({"kernel": 2, "order": "columns"}, [2, 3, 5, 4])

with open(HERE / "operators.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(it) for it in OUT) + "\n]\n")


# The same layers as nets, for the suites that begin with text.
def literal(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value in ("half", "same", "same_lower", "valid") else f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(literal(it) for it in value) + "]"
    return repr(value)


def layer(it):
    args = []
    for name, value in it["args"].items():
        if name in ("pad", "rows") and isinstance(value, list):
            pairs = ["(" + ", ".join(map(str, p)) + ")" if isinstance(p, list) else str(p) for p in value]
            args.append(f"{name}=[{', '.join(pairs)}]")
        elif name == "channels" and isinstance(value, list):
            args.append(f"{name}=({value[0]}, {value[1]})")
        else:
            args.append(f"{name}={literal(value)}")
    operands = [chr(ord("a") + i) for i in range(len(it["inputs"]))] if len(it["inputs"]) > 1 else []
    inside = ", ".join(operands + args)
    return f"{it['op']}({inside})" if inside else it["op"]


corpus = HERE.parent / "corpus" / "ops"
corpus.mkdir(parents=True, exist_ok=True)
by_op = {}
for it in OUT:
    by_op.setdefault(it["op"], []).append(it)
for op, cases in by_op.items():
    nets, seen = [], set()
    for it in cases:
        names = [chr(ord("a") + i) for i in range(len(it["inputs"]))]
        key = (layer(it), str([x["shape"] for x in it["inputs"]]))
        if key in seen:
            continue
        seen.add(key)
        lines = [f"  input {n}: f32[{', '.join(map(str, x['shape']))}]" for n, x in zip(names, it["inputs"])]
        note = "[" + ", ".join(map(str, it["output"]["shape"][1:])) + "]"
        body = "\n".join(lines + [f"  {layer(it)} => {note}", "  output y"])
        nets.append(f"net {op.capitalize()}{len(nets) + 1} {{\n{body}\n}}\n")
    (corpus / f"{op}.net").write_text("\n".join(nets))
print(len(OUT), "cases")
