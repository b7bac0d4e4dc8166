//! `portico-breached`: makes the file of breached passwords from a published list.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read},
    path::PathBuf,
};

use anyhow::Context;
use clap::Parser;

/// Makes the file for `AUTH__BREACHED_PASSWORDS` from a list of SHA-1 hashes that is ordered by hash, such
/// as the Pwned Passwords downloader writes: 40 hexadecimal digits and `:count` to a line.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The list; standard input when it is left out or `-`.
    list: Option<PathBuf>,
    /// The file to make.
    #[arg(short, long)]
    output: PathBuf,
    /// How many bytes of each hash are kept, 6 to 20. With 8, one password in ten thousand million is
    /// refused that is not on a list of two thousand million.
    #[arg(long, default_value_t = 8)]
    bytes: usize,
    /// How often a password must have been seen to be kept.
    #[arg(long, default_value_t = 1)]
    least: u64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let list: Box<dyn Read> = match options.list {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(&path);
            Box::new(file.with_context(|| path.display().to_string())?)
        }
        _ => Box::new(std::io::stdin()),
    };
    let name = options.output.display().to_string();
    // Under its name it is whole, or not there: a service may be about to open it.
    let draft = options.output.with_extension("draft");
    let file = File::create(&draft).with_context(|| draft.display().to_string())?;
    let writer = BufWriter::with_capacity(1 << 20, &file);
    let list = BufReader::with_capacity(1 << 20, list);
    let built = portico_auth::build_breached(list, writer, options.bytes, options.least)?;
    file.sync_all()?;
    std::fs::rename(&draft, &options.output).with_context(|| name.clone())?;
    println!("{name}: {} records of {} lines", built.records, built.lines);
    Ok(())
}
