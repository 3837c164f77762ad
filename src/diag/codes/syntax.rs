//! The form of a file.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        name: "syntax",
        sentence: "the text is not of the form of the language",
        explanation: "The message says what was expected and the help how the form is written. A file with such a mistake is not looked at further.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(4 3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "nesting",
        sentence: "brackets or operators stand more than 64 deep inside one another",
        explanation: "Give an inner part a name: a `const`, a value or a block.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((4))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))), 3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "name-length",
        sentence: "a name has more than 128 bytes, or a string more than 4,096",
        explanation: "Names appear in weight paths, reports and messages.",
        bad: "net A {\n  input x: f32[N, 3, 8, 8]\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = conv(4, 3)\n  output y\n}\n",
        good: "net A {\n  input x: f32[N, 3, 8, 8]\n  features = conv(4, 3)\n  output y\n}\n",
    },
    Code {
        name: "source-size",
        sentence: "a file has more than 1 MiB",
        explanation: "Split it and bring the parts in by `use`.",
        bad: "",
        good: "",
    },
    Code {
        name: "not-utf8",
        sentence: "a file is not UTF-8 text",
        explanation: "Editors call it UTF-8; save the file so.",
        bad: "",
        good: "",
    },
];
