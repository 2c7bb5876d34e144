//! Random numbers from a counter: element `i` of a tensor depends on the key and on `i` alone, so that any thread may
//! compute it. Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
//!
//! Elements come in groups: [`LANES`] blocks of four 32-bit words are computed side by side, and word `w` of lane `l`
//! makes element `w · LANES + l` of its group (for f64, words `2w` and `2w + 1` do).

use super::Real;
use super::parallel::for_each_chunk;
use super::simd::per_isa;

pub type Key = [u32; 2];

const LANES: usize = 16;
const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// The golden ratio and √3 − 1, which the key grows by from round to round.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// What numbers are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// 0 included, 1 excluded.
    Uniform,
    /// Mean 0, standard deviation 1.
    Normal,
    /// Normal numbers of mean 0 and standard deviation 1, each drawn again, from its block at the next attempt, until it
    /// lies within −2..=2.
    TruncatedNormal,
}

/// The last word of the counter: one stream of numbers for each distribution.
#[derive(Clone, Copy)]
enum Stream {
    Uniform,
    Normal,
    TruncatedNormal,
    Permutation,
}

#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: Key) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[inline(always)]
fn counter(block: u64, attempt: u32, stream: Stream) -> [u32; 4] {
    [block as u32, (block >> 32) as u32, attempt, stream as u32]
}

/// The words of the blocks of a group, by word and lane.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // lanes are the inner axis
fn words(group: u64, attempt: u32, key: Key, stream: Stream) -> [[u32; LANES]; 4] {
    let mut words = [[0; LANES]; 4];
    for lane in 0..LANES {
        let block = philox(counter(group * LANES as u64 + lane as u64, attempt, stream), key);
        for word in 0..4 {
            words[word][lane] = block[word];
        }
    }
    words
}

/// A float made from random words.
pub trait Random: Real {
    /// Elements that one group of blocks makes.
    const GROUP: usize;
    /// Uniform numbers in 0..1 from the words of a group.
    fn uniform(words: &[[u32; LANES]; 4], elements: &mut [Self]);
    /// Numbers above 0 up to 1 (for a logarithm) and in 0..1 (for an angle), as many pairs as a block makes.
    fn pairs(block: [u32; 4]) -> impl Iterator<Item = (Self, Self)>;
    fn sin_cos(self) -> (Self, Self);
    /// The largest number below this one.
    fn next_down(self) -> Self;
}

impl Random for f32 {
    const GROUP: usize = 4 * LANES;

    #[inline(always)]
    fn uniform(words: &[[u32; LANES]; 4], elements: &mut [f32]) {
        let words = words.iter().flatten();
        for (element, &word) in elements.iter_mut().zip(words) {
            *element = (word >> 8) as f32 * (1.0 / (1u32 << 24) as f32);
        }
    }

    #[inline(always)]
    fn pairs(block: [u32; 4]) -> impl Iterator<Item = (f32, f32)> {
        let scale = 1.0 / (1u64 << 32) as f32;
        (0..2).map(move |pair| {
            let [a, b] = [block[2 * pair], block[2 * pair + 1]];
            ((a as f32 + 1.0) * scale, (b >> 8) as f32 * (1.0 / (1u32 << 24) as f32))
        })
    }

    fn sin_cos(self) -> (f32, f32) {
        f32::sin_cos(self)
    }

    fn next_down(self) -> f32 {
        f32::next_down(self)
    }
}

/// 53 bits of two words.
#[inline(always)]
fn bits(low: u32, high: u32) -> u64 {
    (u64::from(high) << 32 | u64::from(low)) >> 11
}

impl Random for f64 {
    const GROUP: usize = 2 * LANES;

    #[inline(always)]
    fn uniform(words: &[[u32; LANES]; 4], elements: &mut [f64]) {
        for (at, element) in elements.iter_mut().enumerate() {
            let (word, lane) = (2 * (at / LANES), at % LANES);
            *element = bits(words[word][lane], words[word + 1][lane]) as f64 * (1.0 / (1u64 << 53) as f64);
        }
    }

    #[inline(always)]
    fn pairs(block: [u32; 4]) -> impl Iterator<Item = (f64, f64)> {
        let scale = 1.0 / (1u64 << 53) as f64;
        let [a, b] = [bits(block[0], block[1]), bits(block[2], block[3])];
        std::iter::once(((a + 1) as f64 * scale, b as f64 * scale))
    }

    fn sin_cos(self) -> (f64, f64) {
        f64::sin_cos(self)
    }

    fn next_down(self) -> f64 {
        f64::next_down(self)
    }
}

/// Two independent normal numbers, by Box and Muller.
#[inline(always)]
fn normal_pair<T: Random>((radius, angle): (T, T)) -> [T; 2] {
    let radius = (T::from_f64(-2.0) * radius.ln()).sqrt();
    let (sin, cos) = (T::from_f64(std::f64::consts::TAU) * angle).sin_cos();
    [radius * cos, radius * sin]
}

/// Groups of one part of a parallel loop.
const GROUPS: usize = 128;

/// Numbers of a distribution.
pub fn draw<T: Random>(distribution: Distribution, output: &mut [T], key: Key) {
    draw_parts(distribution, output, key, &|_| {});
}

/// Numbers of a distribution that is moved: a uniform one to `low..high`, where these are the parameters, a normal one to
/// mean and standard deviation, where they are these.
pub fn fill<T: Random>(distribution: Distribution, output: &mut [T], key: Key, parameters: [f64; 2]) {
    let [offset, scale] = match distribution {
        Distribution::Uniform => [parameters[0], parameters[1] - parameters[0]],
        Distribution::Normal | Distribution::TruncatedNormal => parameters,
    };
    // A uniform number is not rounded up to the end of the range.
    let ends = distribution == Distribution::Uniform && parameters[0] < parameters[1];
    let last = if ends { T::from_f64(parameters[1]).next_down() } else { T::INFINITY };
    let [offset, scale] = [offset, scale].map(T::from_f64);
    draw_parts(distribution, output, key, &|numbers| {
        for number in numbers {
            let moved = offset + scale * *number;
            *number = if moved > last { last } else { moved };
        }
    });
}

/// Draws the numbers of each part of the output, and hands them to `finish` while they are in cache.
fn draw_parts<T: Random>(
    distribution: Distribution,
    output: &mut [T],
    key: Key,
    finish: &(dyn Fn(&mut [T]) + Sync),
) {
    let cost = match distribution {
        Distribution::Uniform => 1,
        Distribution::Normal => 8,
        Distribution::TruncatedNormal => 12,
    };
    let work = output.len() as u64 * cost;
    for_each_chunk(output, GROUPS * T::GROUP, work, &|part, output| {
        let first = (part * GROUPS) as u64;
        match distribution {
            Distribution::Uniform => uniform_groups(output, first, key),
            Distribution::Normal => normal_groups(output, first, key),
            Distribution::TruncatedNormal => truncated_normal_groups(output, first, key),
        }
        finish(output);
    });
}

per_isa! {
    fn uniform_groups[T: Random][T](output: &mut [T], first: u64, key: Key) {
        for (group, elements) in output.chunks_mut(T::GROUP).enumerate() {
            T::uniform(&words(first + group as u64, 0, key, Stream::Uniform), elements);
        }
    }
}

fn normal_groups<T: Random>(output: &mut [T], first: u64, key: Key) {
    for (group, elements) in output.chunks_mut(T::GROUP).enumerate() {
        normal_group(elements, first + group as u64, key, Stream::Normal);
    }
}

fn normal_group<T: Random>(elements: &mut [T], group: u64, key: Key, stream: Stream) {
    let words = words(group, 0, key, stream);
    for lane in 0..LANES {
        let block = words.map(|lanes| lanes[lane]);
        let numbers = T::pairs(block).flat_map(normal_pair);
        for (element, number) in elements.iter_mut().skip(lane).step_by(LANES).zip(numbers) {
            *element = number;
        }
    }
}

fn truncated_normal_groups<T: Random>(output: &mut [T], first: u64, key: Key) {
    let (stream, bound) = (Stream::TruncatedNormal, T::from_f64(2.0));
    for (group, elements) in output.chunks_mut(T::GROUP).enumerate() {
        let group = first + group as u64;
        normal_group(elements, group, key, stream);
        for (at, element) in elements.iter_mut().enumerate() {
            let block = group * LANES as u64 + (at % LANES) as u64;
            let mut attempt = 0;
            while element.abs() > bound {
                attempt += 1;
                let mut numbers =
                    T::pairs(philox(counter(block, attempt, stream), key)).flat_map(normal_pair);
                *element = numbers.nth(at / LANES).expect("a block makes a number for each of its elements");
            }
        }
    }
}

per_isa! {
    /// The numbers from 0 on, in an order that depends on the key and the round alone. By Fisher and Yates; what a number
    /// of 64 bits prefers some places by is less than anyone could measure.
    pub fn permutation[][](order: &mut [usize], key: Key, round: u32) {
        for (index, place) in order.iter_mut().enumerate() {
            *place = index;
        }
        const NUMBERS: usize = 2 * LANES;
        let mut left = order.len();
        let mut group = 0;
        while left > 1 {
            let words = words(group, round, key, Stream::Permutation);
            for number in 0..NUMBERS.min(left - 1) {
                let (pair, lane) = (number / LANES * 2, number % LANES);
                let random = u64::from(words[pair][lane]) << 32 | u64::from(words[pair + 1][lane]);
                let chosen = (u128::from(random) * left as u128) >> 64;
                left -= 1;
                order.swap(left, chosen as usize);
            }
            group += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::set_num_threads;

    #[test]
    fn philox_gives_the_known_answers_of_its_authors() {
        let ones = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
        assert_eq!(
            philox([0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344], [0xA409_3822, 0x299F_31D0]),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
        );
    }

    /// Mean, variance, skewness and kurtosis.
    fn moments<T: Random>(x: &[T]) -> [f64; 4] {
        let n = x.len() as f64;
        let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / n;
        let central = |power| x.iter().map(|x| (x.to_f64() - mean).powi(power)).sum::<f64>() / n;
        let variance = central(2);
        [mean, variance, central(3) / variance.powf(1.5), central(4) / variance.powi(2)]
    }

    /// Numbers of one distribution, its moments, and the largest distance of its distribution function.
    fn check<T: Random>(distribution: Distribution, expected: [f64; 4], cumulative: fn(f64) -> f64) {
        let n = 200_000;
        let mut x = vec![T::ZERO; n];
        draw(distribution, &mut x, [1, 2]);
        // Five standard errors of the four moments of a normal sample, or more.
        let tolerance = [5.0, 7.1, 12.3, 24.5].map(|error| error / (n as f64).sqrt());
        for (moment, (found, expected)) in moments(&x).into_iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < tolerance[moment], "moment {}: {found}", moment + 1);
        }
        // Neighbours and far elements do not correlate.
        let variance = expected[1];
        for lag in [1, LANES, T::GROUP, 4 * T::GROUP] {
            let pairs = x.iter().zip(&x[lag..]);
            let product =
                pairs.map(|(a, b)| (a.to_f64() - expected[0]) * (b.to_f64() - expected[0])).sum::<f64>();
            assert!((product / n as f64 / variance).abs() < 5.0 / (n as f64).sqrt(), "lag {lag}");
        }
        // Kolmogorov and Smirnov: a distance of 2 / √n has a probability of 0.07 %.
        let mut sorted: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
        sorted.sort_by(f64::total_cmp);
        let distance = sorted
            .iter()
            .enumerate()
            .map(|(at, &x)| (cumulative(x) - at as f64 / n as f64).abs())
            .fold(0.0, f64::max);
        assert!(distance < 2.0 / (n as f64).sqrt(), "distance {distance}");
    }

    /// The normal distribution function, by the trapezoidal rule.
    fn normal_cumulative(x: f64) -> f64 {
        let steps = 200;
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let width = x / steps as f64;
        let inner: f64 = (1..steps).map(|step| density(step as f64 * width)).sum();
        0.5 + width * (inner + 0.5 * (density(0.0) + density(x)))
    }

    #[test]
    fn distributions_are_what_they_should_be() {
        let moments = [0.5, 1.0 / 12.0, 0.0, 1.8];
        check::<f32>(Distribution::Uniform, moments, |x| x);
        check::<f64>(Distribution::Uniform, moments, |x| x);
        check::<f32>(Distribution::Normal, [0.0, 1.0, 0.0, 3.0], normal_cumulative);
        check::<f64>(Distribution::Normal, [0.0, 1.0, 0.0, 3.0], normal_cumulative);
        // Of a normal distribution cut at ±2, by integration.
        let truncated = [0.0, 0.773_741_304, 0.0, 2.365_537];
        let cumulative = |x| (normal_cumulative(x) - normal_cumulative(-2.0)) / 0.954_499_736;
        check::<f32>(Distribution::TruncatedNormal, truncated, cumulative);
        check::<f64>(Distribution::TruncatedNormal, truncated, cumulative);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut x = vec![0.0f32; 1_000_000];
        draw(Distribution::Uniform, &mut x, [3, 4]);
        assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
        draw(Distribution::TruncatedNormal, &mut x[..100_000], [3, 4]);
        assert!(x[..100_000].iter().all(|x| x.abs() <= 2.0));
        assert_eq!(
            f32::pairs([0, u32::MAX, u32::MAX, 0]).collect::<Vec<_>>(),
            [(1.0 / (1u64 << 32) as f32, 1.0 - 1.0 / (1 << 24) as f32), (1.0, 0.0)]
        );
    }

    #[test]
    fn permutations_are_uniform() {
        // Each number in each place: 40,000 / 5 times, with a standard deviation of 80.
        let mut counts = [[0; 5]; 5];
        for round in 0..40_000 {
            let mut order = [9; 5];
            permutation(&mut order, [7, 8], round);
            for (place, &number) in order.iter().enumerate() {
                counts[place][number] += 1;
            }
        }
        assert!(counts.as_flattened().iter().all(|&count| (count - 8000i32).abs() < 400), "{counts:?}");
        for n in [0, 1, 2, 33, 1000] {
            let mut order = vec![0; n];
            permutation(&mut order, [1, 2], 3);
            let mut again = vec![0; n];
            permutation(&mut again, [1, 2], 3);
            assert_eq!(order, again);
            again.sort_unstable();
            assert!(again.into_iter().eq(0..n), "{n}: {order:?}");
        }
    }

    const ALL: [Distribution; 3] =
        [Distribution::Uniform, Distribution::Normal, Distribution::TruncatedNormal];

    #[test]
    fn an_element_depends_on_key_and_index_alone() {
        for distribution in ALL {
            let (mut long, mut short) = (vec![0.0f32; 40_000], vec![0.0; 1_001]);
            draw(distribution, &mut long, [5, 6]);
            draw(distribution, &mut short, [5, 6]);
            assert_eq!(long[..1_001], short);
            draw(distribution, &mut short, [5, 7]);
            assert_ne!(long[..1_001], short);
        }
    }

    #[test]
    fn moved_numbers_are_the_same_bits_at_any_number_of_threads() {
        for distribution in ALL {
            let fill_with = |threads| {
                set_num_threads(threads);
                let mut x = vec![0.0f32; 300_001];
                fill(distribution, &mut x, [5, 6], [-3.0, 7.0]);
                x
            };
            let x = fill_with(1);
            assert_eq!(x, fill_with(3));
            let mut z = vec![0.0; x.len()];
            draw(distribution, &mut z, [5, 6]);
            let scale = if distribution == Distribution::Uniform { 10.0 } else { 7.0 };
            assert!(x.iter().zip(z).all(|(&x, z)| x == -3.0 + scale * z), "{distribution:?}");
        }
    }

    #[test]
    fn a_uniform_number_is_below_the_end_of_its_range() {
        // Neighbours are 1/8 apart, so that one number in sixteen is rounded up to the end.
        let mut x = vec![0.0f32; 1 << 20];
        let end = (1 << 20) as f64 + 1.0;
        fill(Distribution::Uniform, &mut x, [3, 4], [end - 1.0, end]);
        assert!(x.iter().all(|&x| (end - 1.0..end).contains(&f64::from(x))));
        assert!(x.contains(&((end - 0.125) as f32)));
    }
}
