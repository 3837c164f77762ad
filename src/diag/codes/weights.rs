//! What is wrong with files of data: weights, models, arrays and pictures.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "weights-misfit",
        sentence: "the weights of a file do not fit the net",
        explanation: "The table has a row for each parameter that the file lacks or has in other extents, and for \
            each tensor that the net has no use for.\nNames from elsewhere are brought together by rules in the \
            `.net` file: `bind { \"backbone.*\" <- \"model.module.*\" }`; the help proposes some. A partial load \
            is refused unless `--partial` asks for it.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-weights",
        sentence: "a file is not a weights file, or it is damaged",
        explanation: "Weights are read from `.safetensors` and `.npz` files. Sizes and positions that a file states \
            are held against the file before anything is read.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-tuning",
        sentence: "a file given to `--tune` is not a file of choices, or it chooses what does not exist",
        explanation: "`--tune FILE` takes kernels as FILE says and adds what it lacks. An entry names one of the \
            candidates for what its key describes; remove an entry, or the file, to measure anew.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-model",
        sentence: "an ONNX file cannot be read or says something that netc has no layer for",
        explanation: "The message names the node and what about it is not known.",
        bad: "",
        good: "",
    },
    Code {
        name: "broken-input",
        sentence: "an array or picture given to a net cannot be read or does not fit its input",
        explanation: "Inputs are `.npy` arrays of the input's extents, and `.png` and `.jpg` pictures, which are \
            scaled to them.",
        bad: "",
        good: "",
    },
];
