//! How many passwords this machine can hash in a second at the default parameters, each thread with memory of
//! its own that it keeps: `argon2 [THREADS]`, one for each processor when it is left out. The measure for a
//! storm of sign-ins.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

const FOR: Duration = Duration::from_secs(5);

fn main() {
    let threads = env::args().nth(1).map_or_else(
        || thread::available_parallelism().map_or(1, usize::from),
        |threads| threads.parse().expect("a number of threads"),
    );
    let running: Vec<_> = (0..threads)
        .map(|_| thread::spawn(hash_for_a_while))
        .collect();
    let rate: f64 = running
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .sum();
    println!("{rate:.1}");
}

/// Hashes in a second.
fn hash_for_a_while() -> f64 {
    let params = Params::new(19_456, 2, 1, Some(32)).expect("good parameters");
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = || {
        let mut output = [0; 32];
        argon2
            .hash_password_into_with_memory(b"a pass phrase", &[7; 16], &mut output, &mut memory)
            .expect("within argon2's limits");
    };
    hash();
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < FOR {
        hash();
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}
