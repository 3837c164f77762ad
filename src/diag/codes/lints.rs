//! What is legal and probably not meant.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "stride-unread",
        sentence: "a stride does not divide, so the last rows or columns are never read",
        explanation: "Windows are placed from the start and the number of places is rounded down, so what is left \
            over at the end never reaches the result.\nPad, or choose sizes that fit; `ceil=true` makes a pool read \
            the rest.",
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
];
