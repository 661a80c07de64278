//! One connection that asks again and again, with as little work of its own as HTTP allows.

use crate::fault::Fault;
use crate::purchases::server::Asker;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The longest that one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const ANSWER_LEN_MAX: usize = 64 * 1024;

pub(super) struct Road {
    stream: TcpStream,
    head: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Road {
    pub(super) fn to(customer: &Asker) -> Result<Self, Fault> {
        let connecting = Fault::io("connecting to the gateway");
        let stream = TcpStream::connect(customer.place()).map_err(connecting)?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(ANSWER_MAX)))
            .map_err(Fault::io("setting the connection up"))?;
        let head = format!(
            "POST /v1/app/relay HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: ",
            customer.place(),
            customer.authorization(),
        );
        Ok(Self {
            stream,
            head,
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// Asks for a grant, and gets one.
    pub(super) fn granted(&mut self, body: &str) -> Result<(), Fault> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        let rest = format!("{}\r\n\r\n{body}", body.len());
        self.request.extend_from_slice(rest.as_bytes());
        self.stream
            .write_all(&self.request)
            .map_err(Fault::io("asking the gateway"))?;
        let told = self.read()?;
        let is_granted =
            told.starts_with("HTTP/1.1 200") && told.contains(r#""outcome":"granted""#);
        is_granted
            .then_some(())
            .ok_or_else(|| Fault::call("asking for a grant")(told))
    }

    fn read(&mut self) -> Result<String, Fault> {
        self.answer.clear();
        let mut piece = [0; 4_096];
        loop {
            let len = self
                .stream
                .read(&mut piece)
                .map_err(Fault::io("reading the gateway's answer"))?;
            self.answer.extend_from_slice(&piece[..len]);
            if is_whole(&self.answer) {
                return Ok(String::from_utf8_lossy(&self.answer).into_owned());
            }
            if len == 0 || self.answer.len() > ANSWER_LEN_MAX {
                return Err(Fault::call("reading the gateway's answer")("it is cut off"));
            }
        }
    }
}

/// Whether the head has come, and as much of a body as it says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head_len) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..head_len]).to_lowercase();
    let told = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let body_len = told.and_then(|len| len.trim().parse::<usize>().ok());
    body_len.is_some_and(|len| answer.len() >= head_len + 4 + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_has_come() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for len in 0..answer.len() {
            assert!(!is_whole(&answer[..len]), "{len} bytes");
        }
        assert!(is_whole(answer));
    }
}
