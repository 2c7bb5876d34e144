//! Matrix products of the shapes of common models, as GFLOP/s and as a share of what the fused multiply-adds of the
//! machine can do at all: `cargo bench --bench gemm`. A number argument sets the threads, others filter by name.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustnet::kernels::gemm::{Addend, Matrix, MatrixMut, gemm, gemm_workspace};
use rustnet::kernels::sparse::ColumnProduct;
use rustnet::kernels::{peak, simd};
use rustnet::runtime::Buffer;
use rustnet::threads;

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// a (M, K) · b (K, N): a layer's output.
    Nn,
    /// a (M, K) · b (N, K)ᵀ: the gradient of its input.
    Nt,
    /// a (K, M)ᵀ · b (K, N): the gradient of its weights.
    Tn,
}

use Layout::{Nn, Nt, Tn};

/// (name, m, k, n, layout)
const SHAPES: &[(&str, usize, usize, usize, Layout)] = &[
    ("square 64", 64, 64, 64, Nn),
    ("square 128", 128, 128, 128, Nn),
    ("square 256", 256, 256, 256, Nn),
    ("square 512", 512, 512, 512, Nn),
    ("square 512 nt", 512, 512, 512, Nt),
    ("square 512 tn", 512, 512, 512, Tn),
    ("square 1024", 1024, 1024, 1024, Nn),
    ("square 2048", 2048, 2048, 2048, Nn),
    ("dense 1024", 64, 1024, 1024, Nn),
    ("dense 512 dX of 16", 16, 512, 512, Nt),
    ("dense 512 dX of 32", 32, 512, 512, Nt),
    ("dense 512 dX of 64", 64, 512, 512, Nt),
    ("dense 512 dX of 128", 128, 512, 512, Nt),
    ("mnist dense1", 128, 784, 512, Nn),
    ("mnist dense1 of 256", 256, 784, 512, Nn),
    ("mnist dense1 dW", 784, 128, 512, Tn),
    ("mnist dense2", 128, 512, 10, Nn),
    ("mnist dense2 of 256", 256, 512, 10, Nn),
    ("mnist dense2 dX", 128, 10, 512, Nt),
    ("mnist dense2 dW", 512, 128, 10, Tn),
    ("imdb dense1", 512, 10000, 16, Nn),
    ("imdb dense1 dW", 10000, 512, 16, Tn),
    ("imdb dense3", 512, 16, 1, Nn),
    ("housing dense1", 16, 13, 64, Nn),
    ("housing dense2", 16, 64, 64, Nn),
    ("housing dense2 dX", 16, 64, 64, Nt),
    ("housing dense2 dW", 64, 16, 64, Tn),
    ("housing dense3 dW", 64, 16, 1, Tn),
    ("one row", 1, 784, 512, Nn),
    ("one row nt", 1, 784, 512, Nt),
    ("one column", 512, 784, 1, Nn),
    ("conv1 columns", 43264, 9, 32, Nn),
    ("conv2 columns", 7744, 288, 64, Nn),
    ("conv2 dW", 288, 7744, 64, Tn),
    ("conv3 columns", 576, 576, 64, Nn),
    ("conv dense", 64, 576, 64, Nn),
    ("vgg columns", 2048, 2304, 256, Nn),
    ("lstm32 step", 128, 32, 128, Nn),
    ("lstm32 inputs", 64000, 32, 128, Nn),
    ("lstm32 dW", 32, 64000, 128, Tn),
    ("lstm128 step", 64, 128, 512, Nn),
    ("lstm128 inputs", 6400, 64, 512, Nn),
];

/// The fastest time of one call over about half a second, by `clock`: other programs on the machine only add to it.
fn time(clock: fn() -> Duration, mut call: impl FnMut()) -> Duration {
    let start = clock();
    call();
    let once = (clock() - start).max(Duration::from_nanos(50));
    // Samples of about 200 µs, so that reading the clock does not count.
    let calls = (Duration::from_micros(200).as_nanos() / once.as_nanos()).clamp(1, 10_000) as u32;
    let mut fastest = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(400) {
        let sample = clock();
        (0..calls).for_each(|_| call());
        fastest = fastest.min((clock() - sample) / calls);
    }
    fastest
}

fn wall() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The processor time of this thread: on a busy machine the one measure of work on one thread that holds still.
#[cfg(unix)]
fn processor() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(unix))]
use wall as processor;

/// GFLOP/s of `parts` threads together with nothing but multiply-adds.
fn peak(parts: usize) -> f64 {
    const ROUNDS: usize = 100_000;
    let time = time(if parts == 1 { processor } else { wall }, || {
        threads::for_each_part(parts, u64::MAX, &|_| {
            peak::multiply_adds(ROUNDS);
        });
    });
    parts as f64 * peak::multiply_adds(ROUNDS) / time.as_secs_f64() / 1e9
}

/// All that a buffer holds, as numbers or bytes.
fn elements<T>(buffer: &mut Buffer) -> &mut [T] {
    // SAFETY: the buffer is borrowed; it is aligned for numbers, and any bytes are numbers.
    unsafe { std::slice::from_raw_parts_mut(buffer.as_ptr().cast(), buffer.bytes() / size_of::<T>()) }
}

/// Numbers in memory such as a program's.
fn numbers(count: usize) -> Buffer {
    let mut buffer = Buffer::new(4 * count).expect("memory");
    elements::<f32>(&mut buffer)
        .iter_mut()
        .enumerate()
        .for_each(|(i, number)| *number = (i % 251) as f32 / 251.0 - 0.5);
    buffer
}

/// The plain triple loop, in the order that the compiler vectorises best.
fn plain(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for l in 0..k {
            let factor = a[i * k + l];
            for (c, b) in c[i * n..][..n].iter_mut().zip(&b[l * n..][..n]) {
                *c += factor * b;
            }
        }
    }
}

/// Gradients of kernels with gradients of outputs of which so many percent are not zero.
const ZEROS: &[(&str, usize, usize, usize)] =
    &[("mnist dense1", 784, 128, 512), ("dense 512", 512, 128, 512), ("batch 32", 784, 32, 512)];
const PERCENT: &[usize] = &[10, 30, 50, 70];

/// The product that skips zeros beside the dense one.
fn zeros() {
    println!("\n| gradient of a kernel | m × k × n | not zero | dense, µs | skipping zeros, µs | speed-up |");
    println!("|---|---|---:|---:|---:|---:|");
    for &(name, m, k, n) in ZEROS {
        for &percent in PERCENT {
            let numbers = |count: usize, percent: usize| -> Vec<f32> {
                let number = |i: usize| (i * 7919 % 10_007) % 100;
                (0..count).map(|i| if number(i) < percent { number(i) as f32 + 1.0 } else { 0.0 }).collect()
            };
            let (a, b, mut c) = (numbers(k * m, 100), numbers(k * n, percent), vec![0.0; m * n]);
            let product = ColumnProduct::new(k, m, n).expect("large enough");
            let bytes = product.workspace_bytes().max(gemm_workspace::<f32>(m, k, n));
            let mut workspace = vec![0.0f32; bytes / 4 + 1];
            // SAFETY: floats seen as bytes.
            let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
            let dense = time(wall, || {
                let left = Matrix::row_major(&a, k, m).transposed();
                let c = MatrixMut::row_major(&mut c, m, n);
                gemm(left, Matrix::row_major(&b, k, n), c, Addend::Nothing, None, workspace);
            });
            let skipping = time(wall, || {
                assert!(product.run(&a, &b, &mut c, None, workspace));
            });
            let [dense, skipping] = [dense, skipping].map(|time| 1e6 * time.as_secs_f64());
            let speed_up = dense / skipping;
            println!("| {name} | {m}×{k}×{n} | {percent} % | {dense:.0} | {skipping:.0} | {speed_up:.2} |");
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(threads) = arguments.iter().find_map(|argument| argument.parse().ok()) {
        threads::set_num_threads(threads);
    }
    let filters: Vec<&String> =
        arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let threads = threads::num_threads();
    let _flush = threads::FlushDenormals::new();
    let (one, all) = (peak(1), peak(threads));
    println!(
        "{}: multiply-adds alone {one:.1} GFLOP/s on one thread, {all:.1} on {threads}",
        simd::isa().name()
    );
    println!("\n| product | m × k × n | 1 thread | of peak | {threads} threads | of peak | plain loop |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for &(name, m, k, n, layout) in SHAPES {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let mut buffers = [m * k, k * n, m * n].map(numbers);
        let [a, b, c] = buffers.each_mut().map(elements::<f32>);
        let (a, b) = (&*a, &*b);
        let left = match layout {
            Tn => Matrix::row_major(a, k, m).transposed(),
            _ => Matrix::row_major(a, m, k),
        };
        let right = match layout {
            Nt => Matrix::row_major(b, n, k).transposed(),
            _ => Matrix::row_major(b, k, n),
        };
        let mut workspace = Buffer::new(gemm_workspace::<f32>(m, k, n)).expect("memory");
        let workspace = elements::<u8>(&mut workspace);
        let flops = 2.0 * (m * k * n) as f64;
        let rate = |time: Duration| flops / time.as_secs_f64() / 1e9;
        let mut product = |count: usize, clock: fn() -> Duration| {
            threads::set_num_threads(count);
            rate(time(clock, || {
                gemm(left, right, MatrixMut::row_major(c, m, n), Addend::Nothing, None, workspace);
            }))
        };
        let (serial, parallel) = (product(1, processor), product(threads, wall));
        let reference = match layout {
            Nn if flops < 1e9 => format!("{:.1}", rate(time(processor, || plain(m, k, n, a, b, c)))),
            _ => "–".to_owned(),
        };
        let (share, both) = (100.0 * serial / one, 100.0 * parallel / all);
        println!(
            "| {name} | {m}×{k}×{n} | {serial:.1} | {share:.0} % | {parallel:.1} | {both:.0} % | {reference} |"
        );
    }
    if filters.is_empty() || filters.iter().any(|filter| *filter == "zeros") {
        zeros();
    }
}
