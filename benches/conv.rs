//! Convolution throughput on the layers of a small and a VGG-like network: forward, backward by input, backward by
//! filter, directly and by Winograd's transforms, beside the plain version. `cargo bench --bench conv [-- NAME]`.

use std::time::Instant;

use rustnet::kernels::conv::Direction;
use rustnet::kernels::conv::correlate::Correlation;
use rustnet::kernels::conv::filter::Plan;
use rustnet::kernels::conv::{Geometry, Window, reference, winograd};
use rustnet::kernels::simd::isa;

struct Layer {
    name: &'static str,
    geometry: Geometry,
}

fn layer(
    name: &'static str,
    batch: usize,
    side: usize,
    channels: usize,
    filters: usize,
    same: bool,
) -> Layer {
    let pad = usize::from(same);
    let window =
        Window { size: [3, 3], strides: [1, 1], before: [pad, pad], after: [pad, pad], dilation: [1, 1] };
    let output = [window.positions(0, side); 2];
    let geometry = Geometry { batch, input: [side, side], channels, output, filters, groups: 1, window };
    Layer { name, geometry }
}

fn layers() -> Vec<Layer> {
    let strided = |mut layer: Layer| {
        layer.geometry.window.strides = [2, 2];
        layer.geometry.output = [layer.geometry.window.positions(0, layer.geometry.input[0]); 2];
        layer
    };
    let depthwise = |mut layer: Layer| {
        layer.geometry.groups = layer.geometry.channels;
        layer
    };
    vec![
        layer("mnist conv1 28x28x1-32", 64, 28, 1, 32, false),
        layer("mnist conv2 13x13x32-64", 64, 13, 32, 64, false),
        layer("mnist conv3 5x5x64-64", 64, 5, 64, 64, false),
        layer("vgg conv1 32x32x3-64", 32, 32, 3, 64, true),
        layer("vgg conv2 32x32x64-64", 32, 32, 64, 64, true),
        layer("vgg conv3 16x16x64-128", 32, 16, 64, 128, true),
        layer("vgg conv4 16x16x128-128", 32, 16, 128, 128, true),
        layer("vgg conv5 8x8x128-256", 32, 8, 128, 256, true),
        layer("vgg conv6 8x8x256-256", 32, 8, 256, 256, true),
        layer("one image 28x28x1-32", 1, 28, 1, 32, false),
        layer("one image 13x13x32-64", 1, 13, 32, 64, false),
        layer("one image 12x12x32-64", 1, 12, 32, 64, false),
        layer("one image 5x5x64-64", 1, 5, 64, 64, false),
        layer("one image 32x32x64-64", 1, 32, 64, 64, true),
        layer("one image 16x16x128-128", 1, 16, 128, 128, true),
        layer("few channels 32x32x16-16", 32, 32, 16, 16, true),
        layer("few channels 32x32x8-32", 32, 32, 8, 32, true),
        layer("small map 4x4x256-256", 32, 4, 256, 256, true),
        strided(layer("stride 2 32x32x64-64", 32, 32, 64, 64, true)),
        depthwise(layer("depthwise 32x32x64", 32, 32, 64, 64, true)),
        depthwise(layer("depthwise 112x112x32, batch 1", 1, 112, 32, 32, true)),
        depthwise(layer("depthwise 14x14x512, batch 8", 8, 14, 512, 512, true)),
        depthwise(layer("depthwise 7x7x1024, batch 8", 8, 7, 1024, 1024, true)),
    ]
}

/// The best of many runs, in seconds: what the kernel can do, not what its neighbours on the machine leave it.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    run();
    let started = Instant::now();
    let mut best = f64::INFINITY;
    while started.elapsed().as_secs_f64() < 0.3 {
        let one = Instant::now();
        run();
        best = best.min(one.elapsed().as_secs_f64());
    }
    best
}

/// Multiply-adds on 24 independent vectors, in GFLOP/s of one thread: the roof of every kernel here.
fn peak_gflops() -> f64 {
    use rustnet::kernels::simd::{self, Kernel, Vector};

    const ROUNDS: usize = 1 << 16;
    struct Peak<'a>(&'a mut [f32]);

    impl Kernel for Peak<'_> {
        type Element = f32;

        #[inline(always)]
        unsafe fn run<V: Vector<Element = f32>>(self) {
            // SAFETY: the processor has the vectors; the slice is longer than any.
            unsafe {
                let factor = V::load(self.0.as_ptr());
                let mut sums = [factor; 12];
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = sum.multiply_add(factor, factor);
                    }
                }
                let total = sums.into_iter().reduce(|a, b| a.add(b)).unwrap_or(factor);
                total.store(self.0.as_mut_ptr());
            }
        }
    }

    let lanes = match isa().name() {
        "avx512" => 16,
        "avx2" => 8,
        _ => 4,
    };
    let mut numbers = [0.5f32; 64];
    let seconds = best_seconds(|| {
        numbers[0] = std::hint::black_box(0.5);
        simd::run(isa(), Peak(&mut numbers));
        std::hint::black_box(&numbers);
    });
    (2 * 12 * lanes * ROUNDS) as f64 / seconds / 1e9
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let peak = peak_gflops();
    println!(
        "{}, {peak:.0} GFLOP/s of multiply-adds a thread; each cell: GFLOP/s directly, then by Winograd's transforms \
         in as many of the direct multiply-adds, * where they are chosen",
        isa().name()
    );
    println!("| layer | forward | by input | by filter | plain forward |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for Layer { name, geometry: g } in layers().iter().filter(|layer| layer.name.contains(&wanted)) {
        let x: Vec<f32> = (0..g.input_pixels() * g.channels).map(|i| (i % 13) as f32 - 6.0).collect();
        let kernel: Vec<f32> = (0..g.kernel_len()).map(|i| (i % 11) as f32 - 5.0).collect();
        let mut y = vec![1.0f32; g.output_pixels() * g.filters];
        let dy = y.clone();
        let (mut dx, mut dkernel) = (x.clone(), kernel.clone());

        let forward = correlate(g, Direction::Forward, &x, &kernel, &mut y);
        let by_input = correlate(g, Direction::Backward, &dy, &kernel, &mut dx);
        let by_filter = by_filter(g, &x, &dy, &mut dkernel);
        let one = Instant::now();
        reference::forward(g, &x, &kernel, &mut y);
        let plain = g.flops() as f64 / one.elapsed().as_secs_f64() / 1e9;
        println!("| {name} | {forward} | {by_input} | {by_filter} | {plain:.1} |");
    }
}

/// The rates of the direct kernel and of the transforms, where they are possible.
fn correlate(
    g: &Geometry,
    direction: Direction,
    source: &[f32],
    kernel: &[f32],
    destination: &mut [f32],
) -> String {
    let direct = Correlation::new(g, direction);
    let mut workspace = vec![0.0; direct.workspace::<f32>() / 4];
    let seconds = best_seconds(|| direct.run(isa(), source, kernel, destination, None, &mut workspace));
    let transformed = winograd::is_possible(g).then(|| {
        let correlation = winograd::Correlation::new(g, direction);
        let mut workspace = vec![0.0; correlation.workspace::<f32>() / 4];
        best_seconds(|| correlation.run(isa(), source, kernel, destination, None, &mut workspace))
    });
    cell(g, seconds, transformed, direction.destination(g))
}

/// As [`correlate`], backward by filter.
fn by_filter(g: &Geometry, x: &[f32], dy: &[f32], dkernel: &mut [f32]) -> String {
    let direct = Plan::new(g);
    let mut workspace = vec![0.0; direct.workspace_len()];
    let seconds = best_seconds(|| direct.run(isa(), x, dy, dkernel, None, &mut workspace));
    let transformed = winograd::is_possible(g).then(|| {
        let gradient = winograd::FilterGradient::new(g);
        let mut workspace = vec![0.0; gradient.workspace_len()];
        best_seconds(|| gradient.run(isa(), x, dy, dkernel, None, &mut workspace))
    });
    cell(g, seconds, transformed, g.output)
}

fn cell(g: &Geometry, direct: f64, transformed: Option<f64>, tiled: [usize; 2]) -> String {
    let rate = |seconds: f64| g.flops() as f64 / seconds / 1e9;
    let chosen = if winograd::is_faster::<f32>(g, tiled) { "*" } else { "" };
    let transformed = transformed.map_or(String::new(), |seconds| format!(", {:.0}{chosen}", rate(seconds)));
    format!("{:.0}{transformed}", rate(direct))
}
