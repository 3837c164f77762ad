//! What is wrong with weights and other data.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "broken-weights",
        sentence: "the weights file cannot be read",
        explanation: "A weights file is `.safetensors` or `.npz`, told apart by its first bytes. It must be whole: a \
            file that is cut off, whose tensors overlap or leave holes, or that names a tensor twice is refused, and \
            the message names the tensor. Fetch or write the file again.",
        bad: "",
        good: "",
    },
    Code {
        name: "weights-misfit",
        sentence: "the tensors of the weights file do not fit the parameters of the net",
        explanation: "Every parameter needs a tensor of its path and its shape; the table lists those without one, and \
            the tensors that are left over. Where the file uses other names, rules say which: \
            `bind { \"backbone.*\" <- \"model.module.*\" }`. Rules that would fit are proposed, by name or else by \
            shape and order; see that they mean what you mean. `--partial --random-weights SEED` draws what the file \
            lacks.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-model",
        sentence: "the ONNX model cannot be imported",
        explanation: "The message says why: the file is no model or is cut off, it uses operators that netc does not \
            have (all are listed, with their nodes), an operator breaks a rule, or something must be given on the \
            command line: the extents of an input that the file leaves open (`--input NAME=1x3x224x224`), or the \
            value of an input that decides a shape (`--input NAME=FILE.npy`). Data outside the model's file is read \
            only from plain files inside its folder.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-input",
        sentence: "the value of an input cannot be read or does not fit the net",
        explanation: "An input's value is a picture (PNG or JPEG, for `[N, 1, H, W]` and `[N, 3, H, W]`) or a `.npy` \
            array of the input's shape. Pictures are resized, arrays are not.",
        bad: "",
        good: "",
    },
    Code {
        name: "not-utf8",
        sentence: "the file is not UTF-8 text",
        explanation: "A `.net` file is UTF-8 text. Editors call the choice \"encoding\".",
        bad: "",
        good: "",
    },
];
