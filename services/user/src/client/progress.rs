//! How far a command is, for who waits for it: a bar on a terminal, a line now and then elsewhere.

use std::{
    fmt::Display,
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

const BAR: &str = "{prefix} {wide_bar} {human_pos} of {human_len} accounts, {msg}, {eta} left";
const WITHOUT_TOTAL: &str = "{prefix} {spinner} {human_pos} accounts, {msg}";
/// How often there is a line where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How often the bar is told.
const TELL_EVERY: Duration = Duration::from_millis(100);

pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    total: Option<u64>,
    /// How many there were before this run: they say nothing of its speed.
    before: u64,
    done: u64,
    begun: Instant,
    told: Instant,
    lined: Option<Instant>,
}

impl Progress {
    /// Of `total` accounts, if that is known, `before` are done already.
    pub fn new(what: &'static str, total: Option<u64>, before: u64) -> Self {
        let bar = ProgressBar::new(total.unwrap_or_default());
        let style = ProgressStyle::with_template(if total.is_some() { BAR } else { WITHOUT_TOTAL });
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what);
        bar.set_position(before);
        bar.reset_eta();
        let now = Instant::now();
        Self {
            bar,
            what,
            total,
            before,
            done: before,
            begun: now,
            told: now,
            lined: (!stderr().is_terminal()).then_some(now),
        }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.done += count;
        let now = Instant::now();
        if now.duration_since(self.told) < TELL_EVERY {
            return;
        }
        self.told = now;
        // A total that was only estimated grows with what is found.
        if self.total.is_some_and(|total| total < self.done) {
            self.bar.set_length(self.done);
        }
        self.bar.set_message(format!("{:.0}/s", self.rate()));
        self.bar.set_position(self.done);
        if self
            .lined
            .is_some_and(|last| now.duration_since(last) >= LINE_EVERY)
        {
            self.lined = Some(now);
            eprintln!("{}", self.line());
        }
    }

    /// Says something, without getting into the bar's way.
    pub fn tell(&self, line: impl Display) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// The last word.
    pub fn end(&self, line: impl Display) {
        self.bar.finish_and_clear();
        eprintln!("{line}");
    }

    /// Accounts in a second since this run began.
    pub fn rate(&self) -> f64 {
        per_second(self.done - self.before, self.begun.elapsed())
    }

    fn line(&self) -> String {
        let (what, done, rate) = (self.what, self.done, self.rate());
        match self.total {
            Some(total) if total >= done && rate > 0.0 => {
                let left = per_second(total - done, Duration::from_secs(1)) / rate;
                let left = HumanDuration(Duration::from_secs_f64(left));
                format!("{what}: {done} of {total} accounts, {rate:.0}/s, {left} left")
            }
            _ => format!("{what}: {done} accounts, {rate:.0}/s"),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is shown without digits behind the point"
)]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(0.001)
}
