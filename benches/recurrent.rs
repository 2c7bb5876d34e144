//! Recurrent layers at the sizes of sequence models, forward and backward, next to a plain loop; "by table" without the
//! product of the table with the kernel.
//!
//! `cargo bench --bench recurrent [-- WORD]`: only rows whose name contains the word.

use std::time::Instant;

use rustnet::kernels::recurrent::{
    Activation, Backward, Cell, Forward, Gradients, Gru, Lstm, Options, Outputs, Projection,
    ProjectionGradient, SimpleRnn, Sizes, Training, Wanted, backward, backward_workspace, forward,
    forward_workspace,
};

/// Name, (batch, timesteps, features, units), and what the gradient is wanted for.
const SIZES: [(&str, [usize; 4], Wanted); 7] = [
    ("imdb 128x500x32-32", [128, 500, 32, 32], Wanted::KernelAndInputs),
    ("imdb by table 128x500x0-32", [128, 500, 0, 32], Wanted::Table(10_000)),
    ("digits 64x100x64-128", [64, 100, 64, 128], Wanted::Kernel),
    ("digits 64x100x128-128", [64, 100, 128, 128], Wanted::KernelAndInputs),
    ("one row 1x100x64-128", [1, 100, 64, 128], Wanted::KernelAndInputs),
    ("one row 1x100x128-128", [1, 100, 128, 128], Wanted::KernelAndInputs),
    ("jena 256x120x14-32", [256, 120, 14, 32], Wanted::Kernel),
];

fn random(len: usize, seed: u32, reach: f32) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * reach
        })
        .collect()
}

/// The least of several runs, in milliseconds.
fn milliseconds(mut body: impl FnMut()) -> f64 {
    body();
    (0..7)
        .map(|_| {
            let start = Instant::now();
            body();
            start.elapsed().as_secs_f64() * 1e3
        })
        .fold(f64::INFINITY, f64::min)
}

/// 64-byte aligned memory.
fn workspace(bytes: usize) -> Vec<[f64; 8]> {
    vec![[0.0; 8]; bytes.div_ceil(64) + 1]
}

fn as_bytes(memory: &mut [[f64; 8]]) -> &mut [u8] {
    // SAFETY: floats are bytes.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<u8>(), size_of_val(memory)) };
    let offset = bytes.as_ptr().align_offset(64);
    &mut bytes[offset..]
}

fn report(name: &str, pass: &str, flops: usize, milliseconds: f64) {
    println!(
        "{name:<34} {pass:<10} {milliseconds:>9.3} ms {:>8.1} GFLOP/s",
        flops as f64 / milliseconds / 1e6
    );
}

fn bench(name: &str, cell: &dyn Cell<f32>, has_carry: bool, bias: usize, sizes: Sizes, wanted: Wanted) {
    let Sizes { batch, steps, inputs, units } = sizes;
    let columns = cell.gates() * units;
    let x = random(batch * steps * inputs, 1, 1.0);
    let kernel = random(inputs * columns, 2, 0.2);
    let table = random(if let Wanted::Table(rows) = wanted { rows * columns } else { 0 }, 4, 0.2);
    let id = |number: f32| (number * (table.len() / columns) as f32) as i32;
    let ids: Vec<i32> = random(batch * steps, 5, 0.5).into_iter().map(|number| id(number + 0.5)).collect();
    let projection = match wanted {
        Wanted::Table(_) => Projection::Rows { table: &table, ids: &ids },
        _ => Projection::Product { x: &x, kernel: &kernel },
    };
    let recurrent_kernel = random(units * columns, 3, 0.15);
    let zeros = vec![0.0; batch * units];
    let c0 = if has_carry { &zeros[..] } else { &[] };
    let mut sequence = vec![0.0; batch * steps * units];
    let (mut last_h, mut last_c) = (zeros.clone(), c0.to_vec());
    let mut gates = vec![0.0; batch * steps * columns];
    let mut saved = vec![0.0; batch * steps * units * cell.saved()];
    let options = Options::default();
    let layer = Forward {
        sizes,
        options,
        projection,
        recurrent_kernel: &recurrent_kernel,
        bias: &vec![0.1; columns],
        h0: &zeros,
        c0,
    };
    let flops = 2 * batch * steps * columns * (inputs + units);
    for (pass, training) in [("predict", false), ("forward", true)] {
        let mut memory = workspace(forward_workspace(cell, sizes, false, training));
        let memory = as_bytes(&mut memory);
        let time = milliseconds(|| {
            let training = training.then_some(Training { gates: &mut gates, saved: &mut saved });
            let outputs =
                Outputs { sequence: &mut sequence, last_h: &mut last_h, last_c: &mut last_c, training };
            forward(cell, layer, outputs, memory);
        });
        report(name, pass, flops, time);
    }

    let problem = Backward {
        sizes,
        options,
        projection,
        recurrent_kernel: &recurrent_kernel,
        h0: &zeros,
        c0,
        sequence: &sequence,
        gates: &gates,
        saved: &saved,
        dsequence: None,
        dlast_h: Some(&vec![1.0; batch * units]),
        dlast_c: None,
    };
    let (mut dkernel, mut drecurrent_kernel) = (kernel.clone(), recurrent_kernel.clone());
    let (mut dbias, mut dh0, mut dc0) = (vec![0.0; bias], zeros.clone(), c0.to_vec());
    let mut dtable = table.clone();
    let mut dx = (wanted == Wanted::KernelAndInputs).then(|| x.clone());
    let mut memory = workspace(backward_workspace(cell, sizes, false, wanted));
    let memory = as_bytes(&mut memory);
    let time = milliseconds(|| {
        let projection = match wanted {
            Wanted::Table(_) => ProjectionGradient::Rows { dtable: &mut dtable },
            _ => ProjectionGradient::Product { dkernel: &mut dkernel, dx: dx.as_deref_mut() },
        };
        let gradients = Gradients {
            projection,
            drecurrent_kernel: &mut drecurrent_kernel,
            dbias: &mut dbias,
            dh0: &mut dh0,
            dc0: &mut dc0,
        };
        backward(cell, problem, gradients, memory);
    });
    let products = if wanted == Wanted::KernelAndInputs { 2 } else { 1 };
    report(name, "backward", 2 * batch * steps * columns * (products * inputs + 2 * units), time);
}

/// The forward pass of an LSTM as a plain loop over rows, timesteps and units.
fn plain(name: &str, sizes: Sizes) {
    let Sizes { batch, steps, inputs, units } = sizes;
    let columns = 4 * units;
    let x = random(batch * steps * inputs, 1, 1.0);
    let kernel = random(inputs * columns, 2, 0.2);
    let recurrent_kernel = random(units * columns, 3, 0.15);
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let mut z = vec![0.0; columns];
    let mut total = 0.0;
    let time = milliseconds(|| {
        for row in 0..batch {
            let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
            for step in 0..steps {
                z.fill(0.1);
                let x = &x[(row * steps + step) * inputs..][..inputs];
                for (x, weights) in x.iter().zip(kernel.chunks_exact(columns)) {
                    z.iter_mut().zip(weights).for_each(|(z, weight)| *z += x * weight);
                }
                for (h, weights) in h.iter().zip(recurrent_kernel.chunks_exact(columns)) {
                    z.iter_mut().zip(weights).for_each(|(z, weight)| *z += h * weight);
                }
                for unit in 0..units {
                    let gate = |gate: usize| z[gate * units + unit];
                    c[unit] = sigmoid(gate(1)) * c[unit] + sigmoid(gate(0)) * gate(2).tanh();
                    h[unit] = sigmoid(gate(3)) * c[unit].tanh();
                }
            }
            total += h[0];
        }
    });
    std::hint::black_box(total);
    report(name, "plain", 2 * batch * steps * columns * (inputs + units), time);
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, [batch, steps, inputs, units], wanted_gradient) in SIZES {
        let sizes = Sizes { batch, steps, inputs, units };
        let (activation, recurrent_activation) = (Activation::Tanh, Activation::Sigmoid);
        let recurrent_bias = vec![0.1; 3 * units];
        let lstm = Lstm { activation, recurrent_activation };
        let gru = Gru { activation, recurrent_activation, reset_after: Some(&recurrent_bias) };
        let cells: [(&str, &dyn Cell<f32>, bool, usize); 3] = [
            ("lstm", &lstm, true, 4 * units),
            ("gru", &gru, false, 6 * units),
            ("simple_rnn", &SimpleRnn { activation }, false, units),
        ];
        for (cell_name, cell, has_carry, bias) in cells {
            let name = format!("{cell_name} {name}");
            if name.contains(&wanted) {
                bench(&name, cell, has_carry, bias, sizes, wanted_gradient);
                if cell_name == "lstm" && inputs > 0 {
                    plain(&name, sizes);
                }
            }
        }
    }
}
