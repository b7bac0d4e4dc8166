//! Ends a server when the test process has ended, even by `kill -9`.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result};

/// Reads the server's process id, line by line the latest one, until the pipe's other end is gone
/// together with the test process. An empty line says that no server is running. A server that nobody
/// reaps looks alive for ever, so the wait is bounded.
const SCRIPT: &str = r#"
server=
while read -r line; do server=$line; done
if [ -n "$server" ]; then
  kill -s "$1" "$server"
  tries=0
  while kill -s 0 "$server" && [ "$tries" -lt 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -s KILL "$server"
fi
rm -rf "$2" || { sleep 1; rm -rf "$2"; }
"#;

/// A shell that outlives the test process for a moment.
pub(crate) struct Watchdog {
    child: Child,
    /// Held open for as long as the server may live; the system closes it with this process.
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Sends `signal` to the server and removes `folder` when this process or the value ends.
    pub(crate) fn start(signal: &str, folder: &Path) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog", signal])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Away from Ctrl-C, which goes to the whole group.
            .process_group(0)
            .current_dir("/")
            .spawn()
            .context("no `sh` to watch over the server")?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Says which process is to be ended.
    pub(crate) fn watch(&mut self, server: Option<u32>) -> Result<()> {
        let line = server.map_or_else(|| "\n".to_owned(), |id| format!("{id}\n"));
        self.pipe
            .as_mut()
            .context("the watchdog was dismissed")?
            .write_all(line.as_bytes())
            .context("the watchdog is gone")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends by itself within seconds; waiting leaves no zombie and no folder behind.
        let _ = self.child.wait();
    }
}
