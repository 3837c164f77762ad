#!/bin/sh
# Runs the backend cases of ONNX through compiled code: fetches the package `onnx` once, then runs those cases of
# it that tests/data/onnx_cases.txt names. Needs Python with pip. The folder for the cases may be given.
set -eu
cd "$(dirname "$0")/.."
data=${1:-target/onnx}
if [ ! -d "$data/node" ]; then
    mkdir -p "$data"
    fetched=$(mktemp -d)
    trap 'rm -rf "$fetched"' EXIT
    # Later packages come without the cases of single nodes.
    python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$fetched" onnx==1.22.0
    python3 -m zipfile -e "$fetched"/onnx-*.whl "$fetched/package"
    mv "$fetched"/package/onnx/backend/test/data/* "$data"
fi
cargo run --quiet --release --locked --example onnx_cases -- \
    "$data" tests/data/onnx_cases.txt tests/data/onnx_exceptions.txt
