//! Kernels over rows and columns, on one thread: `cargo bench --bench rows [-- KERNEL]`.
//!
//! Prints the best of many runs, since other work on the machine can only slow a run down. Bytes are those of inputs
//! and outputs, each counted once.

use std::time::{Duration, Instant};

use rustnet::kernels::conv::Window;
use rustnet::kernels::normalize::{batch, layer};
use rustnet::kernels::pool::{self, Pooling};
use rustnet::kernels::reduce::{Plan, Sum, fold};
use rustnet::kernels::{arg, copy, gather, random, simd, softmax};
use rustnet::threads::set_num_threads;

fn main() {
    set_num_threads(1);
    println!("instruction set: {}", simd::isa().name());
    println!("{:<36} {:>14} {:>10} {:>8}", "kernel", "shape", "us", "GB/s");
    for (rows, columns) in [(128, 10), (64_000, 32), (128, 1000)] {
        softmaxes(rows, columns);
    }
    for (rows, columns) in [(43_264, 32), (7_744, 64), (256, 512)] {
        normalisations(rows, columns);
        sums(rows, columns);
        transposition(rows, columns);
    }
    for (side, channels) in [(26, 32), (11, 64), (32, 3)] {
        poolings(64, side, channels);
    }
    embedding(64_000, 10_000, 32);
    numbers(1 << 20);
}

fn softmaxes(rows: usize, classes: usize) {
    use softmax::reference as plain;

    let shape = [rows, classes];
    let (x, dy) = (uniform(rows * classes), uniform(rows * classes));
    let (mut y, mut loss) = (x.clone(), vec![0.0; rows]);
    let (labels, dloss) = (&vec![1; rows], &vec![1.0; rows]);
    report("softmax", shape, 2.0, || softmax::softmax(&mut y, &x, classes));
    report("softmax, plain", shape, 2.0, || plain::softmax(&mut y, &x, classes));
    report("softmax backward", shape, 3.0, || softmax::softmax_backward(&mut y, &x, &dy, classes));
    report("softmax backward, plain", shape, 3.0, || plain::softmax_backward(&mut y, &x, &dy, classes));
    report("log-softmax", shape, 2.0, || softmax::log_softmax(&mut y, &x, classes));
    report("log-softmax, plain", shape, 2.0, || plain::log_softmax(&mut y, &x, classes));
    report("log-softmax backward", shape, 3.0, || softmax::log_softmax_backward(&mut y, &x, &dy, classes));
    report("log-softmax backward, plain", shape, 3.0, || {
        plain::log_softmax_backward(&mut y, &x, &dy, classes)
    });
    report("cross-entropy", shape, 2.0, || softmax::cross_entropy(&mut loss, &x, &dy, classes));
    report("cross-entropy, plain", shape, 2.0, || plain::cross_entropy(&mut loss, &x, &dy, classes));
    report("cross-entropy backward", shape, 3.0, || {
        softmax::cross_entropy_backward(&mut y, &x, &dy, dloss, classes)
    });
    report("cross-entropy backward, plain", shape, 3.0, || {
        plain::cross_entropy_backward(&mut y, &x, &dy, dloss, classes)
    });
    report("sparse cross-entropy", shape, 1.0, || {
        softmax::sparse_cross_entropy(&mut loss, &x, labels, classes)
    });
    report("sparse cross-entropy, plain", shape, 1.0, || {
        plain::sparse_cross_entropy(&mut loss, &x, labels, classes)
    });
    report("sparse cross-entropy backward", shape, 2.0, || {
        softmax::sparse_cross_entropy_backward(&mut y, &x, labels, dloss, classes)
    });
    report("sparse cross-entropy backward, plain", shape, 2.0, || {
        plain::sparse_cross_entropy_backward(&mut y, &x, labels, dloss, classes)
    });
    let mut best = vec![0; rows];
    report("argmax", shape, 1.0, || arg::arg_best::<f32, true>(&mut best, &x, classes, 1));
}

fn normalisations(rows: usize, columns: usize) {
    let shape = [rows, columns];
    let (x, dy) = (uniform(rows * columns), uniform(rows * columns));
    let mut y = x.clone();
    let (gamma, beta) = (uniform(columns), uniform(columns));
    let [mut mean, mut variance, mut dgamma, mut dbeta] = [(); 4].map(|()| vec![0.0; columns]);
    let mut workspace = vec![0.0; batch::workspace(rows, columns).max(layer::workspace(rows, columns))];
    report("batch: moments", shape, 1.0, || batch::moments(&mut mean, &mut variance, &x, &mut workspace));
    report("batch: apply", shape, 2.0, || batch::apply(&mut y, &x, &mean, &variance, &gamma, &beta, 1e-3));
    let saved = batch::Saved { x: &x, gamma: &gamma, mean: &mean, variance: &variance, epsilon: 1e-3 };
    report("batch: backward", shape, 3.0, || {
        batch::backward(&mut y, &mut dgamma, &mut dbeta, &dy, saved, &mut workspace)
    });
    report("layer: forward", shape, 2.0, || layer::forward(&mut y, &x, &gamma, &beta, 1e-3));
    let saved = layer::Saved { x: &x, gamma: &gamma, epsilon: 1e-3 };
    report("layer: backward", shape, 3.0, || {
        layer::backward(&mut y, &mut dgamma, &mut dbeta, &dy, saved, &mut workspace)
    });
}

fn sums(rows: usize, columns: usize) {
    let x = uniform(rows * columns);
    for (name, axis) in [("sum of columns", 0), ("sum of rows", 1)] {
        let (shape, axes) = ([rows, columns], [axis]);
        let plan = Plan::new(&shape, &axes);
        let mut y = vec![0.0; [columns, rows][axis]];
        let mut workspace = vec![0.0; plan.workspace()];
        report(name, [rows, columns], 1.0, || fold::<f32, Sum>(&mut y, &x, &plan, &mut workspace));
    }
}

fn transposition(rows: usize, columns: usize) {
    let x = uniform(rows * columns);
    let mut y = x.clone();
    let axes = [(columns, 1), (rows, columns as isize)];
    let view = copy::Strided::new(0, axes.into_iter());
    report("transpose", [rows, columns], 2.0, || copy::copy_strided(&mut y, &x, &view));
}

/// Windows of 2×2 side by side, over squares; columns are those of x.
fn poolings(batch: usize, side: usize, channels: usize) {
    let none = [0, 0];
    let window = Window { size: [2, 2], strides: [2, 2], before: none, after: none, dilation: [1, 1] };
    let output = [window.positions(0, side); 2];
    let p = &Pooling { batch, input: [side; 2], channels, output, window };
    let shape = [batch * side * side, channels];
    let (x, isa) = (uniform(shape[0] * channels), simd::isa());
    let (mut y, mut dx) = (uniform(batch * output[0] * output[1] * channels), x.clone());
    let mut argmax = vec![0; y.len()];
    let quarter = y.len() as f64 / x.len() as f64;
    let (one, two) = (1.0 + quarter, 1.0 + 2.0 * quarter);
    report("max pool", shape, two, || pool::max_forward(isa, p, &x, &mut y, &mut argmax));
    report("max pool, plain", shape, two, || pool::reference::max_forward(p, &x, &mut y, &mut argmax));
    report("max pool backward", shape, two, || pool::max_backward(isa, p, &argmax, &y, &mut dx));
    report("max pool backward, plain", shape, two, || pool::reference::max_backward(p, &argmax, &y, &mut dx));
    report("average pool", shape, one, || pool::average_forward(isa, p, &x, &mut y));
    report("average pool, plain", shape, one, || pool::reference::average_forward(p, &x, &mut y));
    report("average pool backward", shape, one, || pool::average_backward(isa, p, &y, &mut dx));
    report("average pool backward, plain", shape, one, || pool::reference::average_backward(p, &y, &mut dx));
}

fn embedding(count: usize, length: usize, width: usize) {
    let (mut table, mut vectors) = (uniform(length * width), vec![0.0; count * width]);
    let ids: Vec<i32> = uniform(count).iter().map(|x| (x * length as f32) as i32).collect();
    report("gather", [count, width], 2.0, || gather::gather(&mut vectors, &table, &ids, length, width));
    report("scatter-add", [count, width], 2.0, || {
        gather::scatter_add(&mut table, &vectors, &ids, length, width)
    });
}

fn numbers(count: usize) {
    let mut x = vec![0.0f32; count];
    report("uniform numbers", [1, count], 1.0, || {
        random::draw(random::Distribution::Uniform, &mut x, [1, 2])
    });
    report("normal numbers", [1, count], 1.0, || random::draw(random::Distribution::Normal, &mut x, [1, 2]));
    report("truncated normal numbers", [1, count], 1.0, || {
        random::draw(random::Distribution::TruncatedNormal, &mut x, [1, 2])
    });
}

fn uniform(count: usize) -> Vec<f32> {
    let mut x = vec![0.0; count];
    random::draw(random::Distribution::Uniform, &mut x, [3, 4]);
    x
}

/// Times runs for a fifth of a second; `tensors` of the shape are read or written.
fn report(kernel: &str, [rows, columns]: [usize; 2], tensors: f64, mut run: impl FnMut()) {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if !kernel.contains(&wanted) {
        return;
    }
    let (mut best, start) = (Duration::MAX, Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        let before = Instant::now();
        run();
        best = best.min(before.elapsed());
    }
    let nanoseconds = best.as_nanos() as f64;
    let bytes = 4.0 * tensors * (rows * columns) as f64;
    let shape = format!("{rows}x{columns}");
    println!("{kernel:<36} {shape:>14} {:>10.2} {:>8.1}", nanoseconds / 1e3, bytes / nanoseconds);
}
