//! The command `healthcheck`, for images that hold no other program to ask with.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

/// How long connecting, and each read and write, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `/health` on the ops port of a process on this machine: exit code 0 when it answers 200,
/// otherwise 1 and a line on standard error.
pub fn healthcheck(listen: SocketAddr) -> ExitCode {
    match ask(reachable(listen)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not healthy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where to connect for what listens there: every address means this machine.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    match &head {
        b"HTTP/1.1 200" => Ok(()),
        other => Err(io::Error::other(format!(
            "answered {:?}",
            String::from_utf8_lossy(other)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_healthy() {
        assert!(ask(answering(b"HTTP/1.1 200 OK\r\n\r\nok")).is_ok());
        assert!(ask(answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")).is_err());
        assert!(ask(answering(b"")).is_err());
    }

    #[test]
    fn nobody_there_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(ask(address).is_err());
    }

    #[test]
    fn every_address_means_this_machine() {
        let to = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(to("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(to("[::]:9090"), "[::1]:9090");
        assert_eq!(to("10.0.0.7:9090"), "10.0.0.7:9090");
    }
}
