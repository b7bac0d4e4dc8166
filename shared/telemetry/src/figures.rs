//! Figures that are looked at when somebody asks for them: of the process, its runtimes and its build.
//! Written by hand, since the recorder knows no counter of fractions.

use std::{
    fmt::{Display, Write},
    sync::{Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use tokio::runtime::{Handle, RuntimeMetrics};

use crate::{export, metrics::Table};

/// The most runtimes that are watched at once. A process has one, and one for each worker of its gateway.
const RUNTIMES: usize = 256;

static BEGAN: OnceLock<Began> = OnceLock::new();
static WATCHED: Mutex<Vec<(&'static str, RuntimeMetrics)>> = Mutex::new(Vec::new());

struct Began {
    service: &'static str,
    at: f64,
}

/// Takes note of what runs, and when it began. Only the first call counts.
pub(crate) fn begin(service: &'static str) {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let _ = BEGAN.set(Began {
        service,
        at: since_1970.unwrap_or_default().as_secs_f64(),
    });
}

/// Shows the figures of a tokio runtime from now on, together with those of the same name.
pub fn watch_runtime(name: &'static str, runtime: &Handle) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.len() == RUNTIMES {
        watched.remove(0);
    }
    watched.push((name, runtime.metrics()));
}

/// Appends the figures in Prometheus' text format.
pub(crate) fn render(out: &mut String) {
    let mut page = Page(out);
    if let Some(began) = BEGAN.get() {
        let version = env!("CARGO_PKG_VERSION");
        let labels = format!("service=\"{}\",version=\"{version}\"", began.service);
        page.metric("portico_build_info", &[(labels, 1.0)]);
        page.one("process_start_time_seconds", began.at);
    }
    if let Some(queued) = export::queued() {
        page.one("trace_spans_queued", count(queued));
    }
    #[cfg(target_os = "linux")]
    linux::render(&mut page);
    runtimes(&mut page);
}

fn runtimes(page: &mut Page<'_>) {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<&'static str> = watched.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let mut metric = |metric, of: &dyn Fn(&RuntimeMetrics) -> f64| {
        let sum = |name: &&'static str| {
            let ours = watched.iter().filter(|(other, _)| other == name);
            let sum = ours.map(|(_, runtime)| of(runtime)).sum();
            (format!("runtime=\"{name}\""), sum)
        };
        let samples: Vec<_> = names.iter().map(sum).collect();
        page.metric(metric, &samples);
    };
    metric("tokio_workers", &|it| count(it.num_workers()));
    metric("tokio_alive_tasks", &|it| count(it.num_alive_tasks()));
    metric("tokio_queued_tasks", &|it| count(it.global_queue_depth()));
    metric("tokio_busy_seconds_total", &|it| {
        let workers = 0..it.num_workers();
        workers
            .map(|worker| it.worker_total_busy_duration(worker).as_secs_f64())
            .sum()
    });
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

struct Page<'a>(&'a mut String);

impl Page<'_> {
    fn one(&mut self, name: &str, value: f64) {
        self.metric(name, &[(String::new(), value)]);
    }

    fn metric(&mut self, name: &str, samples: &[(String, f64)]) {
        if samples.is_empty() {
            return;
        }
        if let Some(row) = Table::get().row(name) {
            self.line(format_args!("# HELP {name} {}", row.answers));
            self.line(format_args!("# TYPE {name} {}", row.kind));
        }
        for (labels, value) in samples {
            if labels.is_empty() {
                self.line(format_args!("{name} {value}"));
            } else {
                self.line(format_args!("{name}{{{labels}}} {value}"));
            }
        }
        self.0.push('\n');
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! What Linux says of a process (proc(5)).

    use std::fs;

    use rustix::{
        param::{clock_ticks_per_second, page_size},
        process::{Resource, getrlimit},
    };

    use super::{Page, count};

    pub(super) fn render(page: &mut Page<'_>) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(parse)
        {
            page.one("process_cpu_seconds_total", stat.cpu_seconds);
            page.one("process_threads", stat.threads);
            page.one("process_virtual_memory_bytes", stat.virtual_bytes);
            page.one("process_resident_memory_bytes", stat.resident_bytes);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the reading itself.
            page.one("process_open_fds", count(open.count().saturating_sub(1)));
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            page.one(
                "process_max_fds",
                count(usize::try_from(most).unwrap_or(usize::MAX)),
            );
        }
    }

    pub(super) struct Stat {
        pub(super) cpu_seconds: f64,
        pub(super) threads: f64,
        pub(super) virtual_bytes: f64,
        pub(super) resident_bytes: f64,
    }

    /// Reads `/proc/self/stat`: what follows the name, which may itself hold a parenthesis.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a clock ticks some hundred times a second"
    )]
    pub(super) fn parse(stat: &str) -> Option<Stat> {
        let (_, after) = stat.rsplit_once(')')?;
        let fields: Vec<f64> = after
            .split_ascii_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // The first of these is field 4 of the page.
        let field = |number: usize| fields.get(number - 4).copied();
        Some(Stat {
            cpu_seconds: (field(14)? + field(15)?) / clock_ticks_per_second() as f64,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * count(page_size()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_tells_of_itself() {
        begin("test");
        watch_runtime("main", &Handle::current());
        let mut text = String::new();
        render(&mut text);
        for line in [
            "# TYPE process_cpu_seconds_total counter",
            "portico_build_info{service=\"",
            "tokio_workers{runtime=\"main\"}",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
        #[cfg(target_os = "linux")]
        for name in [
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_threads",
        ] {
            let prefix = format!("{name} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&*prefix));
            let value: f64 = value.unwrap_or_default().parse().unwrap_or_default();
            assert!(value >= 1.0, "{name} in\n{text}");
        }
    }
}
