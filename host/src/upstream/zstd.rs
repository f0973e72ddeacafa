//! Inflates answers that are compressed by zstd, with a bounded window and within the room of a call.

use super::UpstreamError;
use super::body::BodyBuffer;
use environment::with_causes;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::io::Read;

/// The largest window: as much as RFC 9659 lets an answer ask for. Beside what it has handed on, the decoder holds no more.
const MAX_WINDOW_BYTES: u64 = 8 << 20;
/// What is inflated at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Inflates all frames of an answer; `UpstreamError::Unreachable` where it is none, or asks for a larger window.
pub(super) fn inflate(mut compressed: &[u8], into: &mut BodyBuffer<'_>) -> Result<(), UpstreamError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    while !compressed.is_empty() {
        let mut frame = match StreamingDecoder::new_with_max_window_size(&mut compressed, MAX_WINDOW_BYTES) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                compressed = compressed.get(length..).ok_or_else(|| wrong("it ends within a frame"))?;
                continue;
            }
            Err(error) => return Err(wrong(&with_causes(&error))),
        };
        loop {
            match frame.read(&mut chunk).map_err(|error| wrong(&with_causes(&error)))? {
                0 => break,
                read => into.push(&chunk[..read])?,
            }
        }
    }
    Ok(())
}

fn wrong(why: &str) -> UpstreamError {
    UpstreamError::Unreachable(format!("an answer compressed by zstd cannot be inflated: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Budget;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    /// What is inflated of an answer, of at most so many bytes.
    fn inflated(compressed: &[u8], cap: usize) -> Result<Vec<u8>, UpstreamError> {
        let budget = Budget::new(1 << 24);
        let mut room = budget.reserve();
        let mut body = BodyBuffer::new(cap, &mut room);
        inflate(compressed, &mut body).map(|()| body.bytes)
    }

    #[test]
    fn all_frames_of_an_answer_are_inflated() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(|number| (number % 777).to_le_bytes()).collect();
        let frame = compress_to_vec(&text[..], CompressionLevel::Fastest);
        assert!(frame.len() < text.len() / 2);
        assert_eq!(inflated(&frame, 1 << 23).unwrap(), text);
        // A frame that is to be skipped has a length of its own.
        let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"..."].concat();
        let more = [&frame[..], &skipped, &compress_to_vec(&b"more"[..], CompressionLevel::Fastest)].concat();
        assert_eq!(inflated(&more, 1 << 23).unwrap(), [&text[..], b"more"].concat());
        assert_eq!(inflated(&[], 9).unwrap(), b"");
    }

    #[test]
    fn what_is_too_large_or_no_frame_is_refused() {
        let frame = compress_to_vec(&vec![7_u8; 100_000][..], CompressionLevel::Fastest);
        assert!(matches!(inflated(&frame, 99_999), Err(UpstreamError::TooLarge(99_999))));
        // A frame without a content size that asks for a window of 2^(10+16) bytes, and one of a block without end.
        let wide = [&0xfd2f_b528_u32.to_le_bytes()[..], &[0, 16 << 3, 1, 0, 0]].concat();
        let cut = &frame[..frame.len() - 1];
        let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &9_u32.to_le_bytes(), b"..."].concat();
        for bad in [&wide[..], cut, &skipped, b"{}", &[&frame[..], b"{}"].concat()] {
            let refused = inflated(bad, 1 << 20).unwrap_err();
            assert!(matches!(&refused, UpstreamError::Unreachable(why) if why.contains("zstd")), "{refused}");
        }
    }
}
