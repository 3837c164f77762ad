//! What PyTorch, Keras and ONNX call our layers and arguments, to answer a newcomer with our word.
//!
//! Suggestions only: no file is read by this table.

use super::{Arg, Entry, Op};

/// Ours, then theirs as [`fold`] leaves them.
const LAYERS: &[(&str, &[&str])] = &[
    ("conv", &["convolution", "convolutional", "depthwiseconv"]),
    (
        "deconv",
        &[
            "convtranspose",
            "convolutiontranspose",
            "transposedconv",
            "deconvolution",
            "deconvolutional",
        ],
    ),
    ("fc", &["linear", "dense", "gemm", "fullyconnected", "innerproduct", "connected"]),
    ("bn", &["batchnorm", "batchnormalization", "batchnormalisation"]),
    ("instancenorm", &["instancenormalization", "instancenormalisation"]),
    ("lrn", &["localresponsenorm", "localresponsenormalization"]),
    ("l2norm", &["normalize", "lpnormalization", "unitnormalization"]),
    ("maxpool", &["maxpooling"]),
    ("avgpool", &["averagepool", "avgpooling", "averagepooling"]),
    ("gap", &["adaptiveavgpool", "globalavgpool", "globalaveragepool", "globalaveragepooling"]),
    ("gmp", &["adaptivemaxpool", "globalmaxpool", "globalmaxpooling"]),
    ("leaky", &["leakyrelu", "lrelu"]),
    ("silu", &["swish"]),
    ("clip", &["clamp", "hardtanh"]),
    ("concat", &["cat", "concatenate"]),
    ("sub", &["subtract"]),
    ("mul", &["multiply"]),
    ("div", &["divide"]),
    ("max", &["maximum"]),
    ("min", &["minimum"]),
    ("upsample", &["upsampling", "upsamplenearest", "upsamplingnearest", "upsamplingbilinear"]),
    ("resize", &["interpolate"]),
    ("reshape", &["view", "unflatten", "squeeze", "unsqueeze"]),
    ("permute", &["transpose"]),
    ("pad", &["padding", "zeropad", "zeropadding", "reflectionpad", "replicationpad"]),
    ("reduce", &["mean", "sum", "reducemean", "reducesum", "reducemax", "reducemin"]),
    ("take", &["gather"]),
    ("nms", &["nonmaxsuppression", "nonmaximumsuppression"]),
    ("picture", &["image", "imagedata"]),
];

/// Theirs as [`fold`] leaves them, then ours: the first that the layer has is meant.
const ARGUMENTS: &[(&[&str], &[&str])] = &[
    (&["padding", "pads"], &["pad", "rows"]),
    (
        &[
            "filters",
            "outchannels",
            "outputchannels",
            "units",
            "outfeatures",
            "outputfeatures",
            "numoutput",
            "outputs",
            "outdim",
        ],
        &["channels", "features"],
    ),
    (&["kernelsize", "poolsize", "ksize", "kernelshape", "filtersize"], &["kernel", "size"]),
    (&["strides"], &["stride"]),
    (&["dilationrate", "dilations"], &["dilation"]),
    (&["group"], &["groups"]),
    (&["usebias"], &["bias"]),
    (&["epsilon"], &["eps"]),
    (&["negativeslope", "alpha"], &["slope"]),
    (&["scalefactor", "scale", "scales"], &["factor"]),
    (&["rate", "prob", "probability", "ratio"], &["p"]),
    (&["outputpadding"], &["output_pad"]),
    (&["ceilmode"], &["ceil"]),
    (&["countincludepad"], &["count_pad"]),
    (&["dim", "dims"], &["axis", "axes", "order"]),
    (&["perm"], &["order"]),
    (&["keepdim", "keepdims"], &["keep"]),
    (&["interpolation"], &["mode"]),
    (&["iouthreshold"], &["iou"]),
    (&["scorethreshold"], &["score"]),
    (&["start", "begin"], &["from"]),
    (&["end", "stop"], &["to"]),
];

/// What others must be told about the value that comes in.
const INFERRED: &[&str] = &[
    "inchannels",
    "inputchannels",
    "infeatures",
    "inputfeatures",
    "numfeatures",
    "inputshape",
    "inputdim",
    "indim",
];

/// The longest word that is looked up.
const BYTES_MAX: usize = 40;

/// The layer that others call so, or that is called so but for capitals.
pub fn layer(name: &str) -> Option<&'static Entry> {
    let word = fold(name)?;
    let ours = LAYERS.iter().find(|it| it.1.contains(&word.as_str())).map(|it| it.0);
    Op::find(ours.unwrap_or(&word))
}

/// The argument of a layer that others call so.
pub fn argument(name: &str, known: &[Arg]) -> Option<&'static str> {
    let word = fold(name)?;
    let (_, ours) = ARGUMENTS.iter().find(|it| it.0.contains(&word.as_str()))?;
    ours.iter().find(|it| known.iter().any(|arg| arg.name == **it)).copied()
}

/// What to say of an argument that others know and this layer does not.
pub fn answer(name: &str, known: &[Arg]) -> Option<String> {
    if let Some(ours) = argument(name, known) {
        return Some(format!("`{name}` is called `{ours}` here"));
    }
    let word = fold(name)?;
    if INFERRED.contains(&word.as_str()) {
        return Some("what comes in is inferred, so leave it out".to_owned());
    }
    let is_layer = matches!(word.as_str(), "activation" | "nonlinearity");
    is_layer.then(|| "an activation is a layer of its own, as in `-> relu`".to_owned())
}

/// A word without its capitals, its `_` and its `2d`; none if it is too long to be one.
fn fold(name: &str) -> Option<String> {
    let short = (name.len() <= BYTES_MAX).then(|| name.to_lowercase().replace('_', ""))?;
    Some(["1d", "2d", "3d"].iter().fold(short, |it, rank| it.replace(rank, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_folded_and_leads_to_a_layer_or_argument() {
        for (ours, theirs) in LAYERS {
            assert!(Op::find(ours).is_some(), "{ours}");
            for it in *theirs {
                assert_eq!(fold(it).as_deref(), Some(*it));
                assert!(Op::find(it).is_none(), "{it} is ours");
            }
        }
        let known =
            |name: &str| Op::TABLE.iter().any(|it| it.args.iter().any(|it| it.name == name));
        for (theirs, ours) in ARGUMENTS {
            assert!(ours.iter().all(|it| known(it)), "{ours:?}");
            assert!(theirs.iter().all(|it| fold(it).as_deref() == Some(*it)), "{theirs:?}");
        }
    }

    #[test]
    fn words_of_other_frameworks_find_ours() {
        let found = |name| layer(name).map(|it| it.name);
        assert_eq!(found("Conv2DTranspose"), Some("deconv"));
        assert_eq!(found("GlobalAveragePooling2D"), Some("gap"));
        assert_eq!(found("ReLU"), Some("relu"));
        assert_eq!(found("LayerNorm"), None);
    }
}
