//! Any bytes as a picture: a clear error, or a tensor of the right shape.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netc::picture::{Channels, Fit, Options, Picture, Side};
use netc::shape::Shape;

fuzz_target!(|bytes: &[u8]| {
    let Ok(picture) = Picture::decode(bytes) else { return };
    let ways = [
        Options::default(),
        Options { fit: Fit::Crop, channels: Channels::Bgr, ..Options::default() },
        Options { fit: Fit::Crop, resize: Some(Side::Shorter(20)), ..Options::default() },
        Options { fit: Fit::Letterbox, ..Options::default() },
    ];
    for (way, dims) in ways.iter().zip([[1, 3, 8, 8], [1, 3, 9, 5], [2, 1, 16, 16], [1, 3, 13, 9]])
    {
        let shape = Shape::of(&dims);
        if let Ok(tensor) = picture.tensor(&shape, way) {
            assert_eq!((tensor.data.len(), &tensor.shape), (shape.elements(), &shape));
            assert!(tensor.data.iter().all(|it| (0.0..=1.0).contains(it)), "{tensor:?}");
        }
    }
});
