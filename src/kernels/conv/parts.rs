//! How a convolution's destination is split over threads.

use std::ops::Range;

/// Whole images together, or blocks of lines of one image: as many parts as the work is worth, a number that depends
/// on shapes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    batch: usize,
    lines: usize,
    images_per_part: usize,
    parts_per_image: usize,
}

/// Enough to keep some tens of threads busy; more would leave fewer pixels of a kind for each tile.
const MOST: usize = 32;

/// Columns of a panel of the kernel with the widest vectors of float32: where parts take panels, what they take may not
/// depend on the machine.
pub const WIDEST_PANEL: usize = 32;

/// Nanoseconds on one core: well above the cost of handing out a part.
const WORK_PER_PART: u64 = 8_000;

impl Parts {
    /// `batch` images of `lines` lines, `work` nanoseconds on one core.
    pub fn new(batch: usize, lines: usize, work: u64) -> Self {
        let wanted = (work / WORK_PER_PART).clamp(1, MOST as u64) as usize;
        let images_per_part = batch.div_ceil(wanted).max(1);
        let parts_per_image = (wanted / batch.max(1)).clamp(1, lines.max(1));
        Self { batch, lines, images_per_part, parts_per_image }
    }

    /// Parts of about `bytes`, where an image has `image_bytes`.
    pub fn of_bytes(batch: usize, lines: usize, image_bytes: usize, bytes: usize) -> Self {
        let images_per_part = (bytes / image_bytes.max(1)).clamp(1, batch.max(1));
        let parts_per_image = image_bytes.div_ceil(bytes).clamp(1, lines.max(1));
        Self { batch, lines, images_per_part, parts_per_image }
    }

    pub fn count(&self) -> usize {
        if self.lines == 0 { 0 } else { self.batch.div_ceil(self.images_per_part) * self.parts_per_image }
    }

    /// The images of part `number`, and the lines in each.
    pub fn part(&self, number: usize) -> (Range<usize>, Range<usize>) {
        let (image, block) =
            (number / self.parts_per_image * self.images_per_part, number % self.parts_per_image);
        let line = |block: usize| self.lines * block / self.parts_per_image;
        (image..self.batch.min(image + self.images_per_part), line(block)..line(block + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_line_once() {
        for (batch, lines, work) in [
            (0, 5, 90_000),
            (1, 30, 1 << 30),
            (1, 3, 1 << 40),
            (3, 7, 200_000),
            (64, 11, 1 << 28),
            (33, 2, 1 << 40),
        ] {
            let parts = Parts::new(batch, lines, work);
            let mut covered = Vec::new();
            for part in 0..parts.count() {
                let (images, lines) = parts.part(part);
                assert!(!images.is_empty() && !lines.is_empty());
                covered.extend(images.flat_map(|image| lines.clone().map(move |line| (image, line))));
            }
            let all: Vec<_> =
                (0..batch).flat_map(|image| (0..lines).map(move |line| (image, line))).collect();
            assert_eq!(covered, all);
        }
    }
}
