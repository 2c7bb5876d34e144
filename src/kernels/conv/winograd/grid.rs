//! Images cut into square tiles.

use std::ops::Range;

/// The tiles of a batch of images, numbered line by line and image by image. Those at the far edges may reach beyond.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    batch: usize,
    /// Height and width of an image, in pixels and in tiles.
    size: [usize; 2],
    tiles: [usize; 2],
    /// Pixels along a side of a tile.
    side: usize,
}

/// One tile: its image and its first pixel.
#[derive(Debug, Clone, Copy)]
pub struct Tile {
    pub image: usize,
    pub pixel: [usize; 2],
}

impl Grid {
    pub fn new(batch: usize, size: [usize; 2], side: usize) -> Self {
        Self { batch, size, tiles: size.map(|length| length.div_ceil(side)), side }
    }

    /// Without the tiles beyond the first `covered` lines and columns.
    pub fn covering(self, covered: [usize; 2]) -> Self {
        Self { tiles: covered.map(|length| length.div_ceil(self.side)), ..self }
    }

    /// Pixels from the first on, down and to the right, that the tiles of an image reach.
    pub fn covered(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].min(self.tiles[axis] * self.side))
    }

    /// Height and width of an image, in pixels.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    pub fn width(&self) -> usize {
        self.size[1]
    }

    /// Rows of tiles, over all images.
    pub fn rows(&self) -> usize {
        self.batch * self.tiles[0]
    }

    /// Tiles in a row of tiles.
    pub fn columns(&self) -> usize {
        self.tiles[1]
    }

    pub fn tiles(&self) -> usize {
        self.rows() * self.columns()
    }

    /// The first line of pixels, over all images, of a row of tiles or, one beyond the last, of its end.
    pub fn line(&self, row: usize) -> usize {
        row / self.tiles[0] * self.size[0] + row % self.tiles[0] * self.side
    }

    pub fn tile(&self, number: usize) -> Tile {
        let (row, column) = (number / self.tiles[1], number % self.tiles[1]);
        let pixel = [row % self.tiles[0] * self.side, column * self.side];
        Tile { image: row / self.tiles[0], pixel }
    }
}

/// Images (B, H, W, C) whose pixels are asked for wherever a tile lies.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a, T> {
    pub pixels: &'a [T],
    pub size: [usize; 2],
    pub channels: usize,
    /// A pixel of zeros: what lies outside.
    pub zeros: &'a [T],
}

impl<T> Images<'_, T> {
    /// Where a square of `N` × `N` pixels from `first` on lies.
    #[inline(always)]
    pub fn square<const N: usize>(&self, image: usize, first: [isize; 2]) -> [[*const T; N]; N] {
        let [height, width] = self.size;
        let mut square = [[self.zeros.as_ptr(); N]; N];
        let inside = |axis: usize| -> Range<usize> {
            let from = (-first[axis]).clamp(0, N as isize) as usize;
            from..(self.size[axis] as isize - first[axis]).clamp(from as isize, N as isize) as usize
        };
        let (lines, columns) = (inside(0), inside(1));
        let corner = ((image * height) as isize + first[0]) * width as isize + first[1];
        let corner = self.pixels.as_ptr().wrapping_offset(corner * self.channels as isize);
        for (i, line) in square.iter_mut().enumerate() {
            for (j, pixel) in line.iter_mut().enumerate() {
                if lines.contains(&i) && columns.contains(&j) {
                    *pixel = corner.wrapping_add((i * width + j) * self.channels);
                }
            }
        }
        square
    }
}
