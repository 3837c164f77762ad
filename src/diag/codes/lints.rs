//! What is legal and probably not meant.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "stride-unread",
        sentence: "a stride does not divide, so the last rows or columns are never read",
        explanation: "Windows are placed from the start and the number of places is rounded down, so what is left \
            over at the end never reaches the result.\nPad, or choose sizes that fit; `ceil=true` makes a pool read \
            the rest. Where the net was published so, a comment `# allow: stride-unread` on the line says that it is \
            meant.",
        bad: "net A {\n  input x: f32[N, 3, 7, 7]\n  maxpool(2)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 3, 7, 7]\n  maxpool(2, ceil=true)\n  output y\n}\n",
    },
    Code {
        name: "unused-value",
        sentence: "a value has a name and nobody reads it",
        explanation: "Its layers reach no result through this name.\nRemove it, or make it an output.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  a = conv(4, 3)\n  b = x -> conv(4, 3)\n  output b\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  a = conv(4, 3)\n  b = x -> conv(4, 3)\n  output a\n  output b\n}\n",
    },
    Code {
        name: "unused-layer",
        sentence: "layers reach no result of the net",
        explanation: "What nobody reads is left out of the net, with its weights.\nRemove the layers, or make their \
            value an output.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(4, 3)\n  output y\n  conv(4, 3)\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(4, 3)\n  conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "unused-input",
        sentence: "no result depends on an input",
        explanation: "The input must still be given on every run.\nRemove it, or use it.",
        bad: "net A {\n  input a, b: f32[N, 8]\n  a -> fc(2)\n  output y\n}\n",
        good: "net A {\n  input a, b: f32[N, 8]\n  add(a, b) -> fc(2)\n  output y\n}\n",
    },
    Code {
        name: "unused-parameter",
        sentence: "a parameter of a net or block is never read",
        explanation: "Whoever sets it would expect an effect.\nRemove it, or start its name with `_`.",
        bad: "net A(classes = 10) {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\n",
        good: "net A(classes = 10) {\n  input x: f32[N, 8]\n  fc(classes)\n  output y\n}\n",
    },
    Code {
        name: "unused-shared",
        sentence: "a shared instance is never applied",
        explanation: "Its weights would belong to no layer.\nRemove it, or apply it.",
        bad: "net A {\n  input x: f32[N, 8]\n  shared f: fc(2)\n  fc(3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 8]\n  shared f: fc(2)\n  f\n  output y\n}\n",
    },
    Code {
        name: "unused-block",
        sentence: "a block is never applied",
        explanation: "No net and no block of the file names it.\nRemove it, apply it, or start its name with `_`. A \
            file without a net is a library, where nothing need be used.",
        bad: "block unit { relu }\n\nnet A {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\n",
        good: "block unit { relu }\n\nnet A {\n  input x: f32[N, 8]\n  fc(2) -> unit\n  output y\n}\n",
    },
    Code {
        name: "unused-const",
        sentence: "a constant is never read",
        explanation: "Nothing in the file names it.\nRemove it, read it, or start its name with `_`. A file without a \
            net is a library, where nothing need be used.",
        bad: "const width = 4\n\nnet A {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\n",
        good: "const width = 4\n\nnet A {\n  input x: f32[N, 8]\n  fc(width)\n  output y\n}\n",
    },
    Code {
        name: "batch-missing",
        sentence: "an input looks like one picture, so its channels are taken for the batch",
        explanation: "The first extent of an input is the batch: `f32[3, 32, 32]` is a batch of 3 values `[32, 32]`, \
            each 32 channels of 32 numbers.\nWrite `N` before the channels. If a batch of 3 is meant, a comment \
            `# allow: batch-missing` on the line says so.",
        bad: "net A {\n  input x: f32[3, 32, 32]\n  conv(4, 3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 3, 32, 32]\n  conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "output-is-input",
        sentence: "an output has an input's name and so is that input",
        explanation: "`output x` gives the value `x` where there is one, the current value otherwise. What stands \
            between input and output is then left out.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  stem: conv(4, 3)\n  output x\n  output y = it\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  stem: conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "note-skipped",
        sentence: "shape notes are not checked, because the input has another size than declared",
        explanation: "A note such as `=> [64, 56, 56]` holds at the sizes that the file declares. With other sizes \
            from `--input` it is skipped.",
        bad: "",
        good: "",
    },
    Code {
        name: "same-padding",
        sentence: "a model pads as TensorFlow does, one row more on one side",
        explanation: "`SAME` in ONNX and TensorFlow gives ceil(n / stride) places and, where the rows that are \
            missing are odd in number, puts the odd one at the end (`SAME_LOWER`: at the start). PyTorch pads both \
            sides alike, which netc calls `half`.\nThe two differ by one row under every window: replacing one by \
            the other shifts the map by a row and costs accuracy without any message, so netc keeps what the model \
            says.",
        bad: "",
        good: "",
    },
    Code {
        name: "pool-ceil",
        sentence: "a model has pools that round the number of their places up",
        explanation: "Caffe and models that come from it (GoogLeNet, SqueezeNet) count a last place that lies partly \
            outside; others round down.\nThe remark names both extents. What follows the pool has other extents \
            too, so weights of a fully connected layer fit only one of them.",
        bad: "",
        good: "",
    },
    Code {
        name: "bn-epsilon",
        sentence: "batch normalisation of a model adds another epsilon than 1e-5",
        explanation: "The output is (x - mean) / sqrt(variance + eps): where a variance is small, epsilon decides the \
            scale. TensorFlow's default is 1e-3, that of PyTorch, ONNX and netc 1e-5.\nThe remark says by how much \
            the layer's output would scale with 1e-5, at the channel where it matters most.",
        bad: "",
        good: "",
    },
    Code {
        name: "resnet-v1",
        sentence: "a model strides in the 1x1 convolution of its residual blocks",
        explanation: "The first version of ResNet (the paper, Keras) halves the map in the first 1x1 convolution of a \
            block, which so reads one position in four. torchvision's, called v1.5, halves it in the 3x3.\nBoth have \
            the same weights by name and shape, so weights of one load into the other and give wrong results \
            without a message. `models/resnet.net` has a parameter for it: `--set v1=true`.",
        bad: "",
        good: "",
    },
];
