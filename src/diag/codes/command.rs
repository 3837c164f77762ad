//! What the options of the command ask for and the file does not have.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "several-nets",
        sentence: "the file has several nets and none was chosen",
        explanation: "Choose one with `--net NAME`.",
        bad: "net A {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\nnet B {\n  input x: f32[N, 8]\n  fc(3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 8]\n  fc(2)\n  output y\n}\n",
    },
    Code {
        name: "unknown-net",
        sentence: "the file has no net of the name given",
        explanation: "`--net` names a net of the file itself; the message lists them.",
        bad: "",
        good: "",
    },
    Code {
        name: "unknown-parameter",
        sentence: "the net has no parameter of the name given by `--set`",
        explanation: "`--set` gives the net's own parameters, those in parentheses after its name.",
        bad: "",
        good: "",
    },
    Code {
        name: "input-option",
        sentence: "a shape given by `--input` does not fit the net",
        explanation: "`--input NAME=SHAPE` names an input of the net and gives every extent, the batch first, as in \
            `image=1x3x224x224`.",
        bad: "",
        good: "",
    },
];
