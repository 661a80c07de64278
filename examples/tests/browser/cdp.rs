//! The DevTools protocol over the browser's WebSocket: commands, their answers, events.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// The longest that one command may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long the socket is listened to before it is written to again.
const TURN: Duration = Duration::from_millis(1);
/// Pictures are long messages.
const MESSAGE_MAX: usize = 64 * 1024 * 1024;

/// Why the browser did not do as told.
#[derive(Debug)]
pub(crate) struct CdpFault(pub(crate) String);

impl std::fmt::Display for CdpFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CdpFault {}

enum Order {
    Call {
        session: Option<String>,
        method: String,
        params: Value,
        answer: Option<Sender<Result<Value, CdpFault>>>,
    },
    Listen {
        prefix: &'static str,
        events: Sender<Event>,
    },
}

/// Something that happened in the browser.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// A connection to the browser, for many threads.
#[derive(Clone)]
pub(crate) struct Cdp {
    orders: Sender<Order>,
}

impl Cdp {
    /// Connects to `ws://HOST:PORT/PATH`. The thread ends with the connection or its last user.
    pub(crate) fn connect(url: &str) -> Result<(Self, JoinHandle<()>), CdpFault> {
        let fault = |what: &dyn std::fmt::Display| CdpFault(format!("cannot connect: {what}"));
        let host = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split('/').next());
        let host = host.ok_or_else(|| CdpFault(format!("no address: {url}")))?;
        let stream = TcpStream::connect(host).map_err(|source| fault(&source))?;
        stream.set_nodelay(true).map_err(|source| fault(&source))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let (socket, _) = tungstenite::client::client_with_config(url, stream, Some(config))
            .map_err(|source| fault(&source))?;
        socket
            .get_ref()
            .set_read_timeout(Some(TURN))
            .map_err(|source| fault(&source))?;
        let (orders, ordered) = channel();
        let thread = thread::spawn(move || Wire::new(socket).run(&ordered));
        Ok((Self { orders }, thread))
    }

    /// Has a command done, and waits for what it gives.
    pub(crate) fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, CdpFault> {
        let (answer, answered) = channel();
        self.order(session, method, params, Some(answer))?;
        answered
            .recv_timeout(ANSWER_MAX)
            .map_err(|_| CdpFault(format!("{method}: no answer")))?
    }

    /// Has a command done and waits for nothing.
    pub(crate) fn tell(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<(), CdpFault> {
        self.order(session, method, params, None)
    }

    /// Every event from now on whose name begins so.
    pub(crate) fn listen(&self, prefix: &'static str) -> Result<Receiver<Event>, CdpFault> {
        let (events, heard) = channel();
        self.orders
            .send(Order::Listen { prefix, events })
            .map_err(|_| gone())?;
        Ok(heard)
    }

    fn order(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
        answer: Option<Sender<Result<Value, CdpFault>>>,
    ) -> Result<(), CdpFault> {
        self.orders
            .send(Order::Call {
                session: session.map(str::to_owned),
                method: method.to_owned(),
                params,
                answer,
            })
            .map_err(|_| gone())
    }
}

fn gone() -> CdpFault {
    CdpFault("the browser is gone".to_owned())
}

struct Wire {
    socket: WebSocket<TcpStream>,
    number: u64,
    waiting: HashMap<u64, (String, Sender<Result<Value, CdpFault>>)>,
    listeners: Vec<(&'static str, Sender<Event>)>,
    /// What a command that nobody waits for was refused with; said once.
    complaint: Value,
}

impl Wire {
    fn new(socket: WebSocket<TcpStream>) -> Self {
        Self {
            socket,
            number: 0,
            waiting: HashMap::new(),
            listeners: Vec::new(),
            complaint: Value::Null,
        }
    }

    fn run(mut self, ordered: &Receiver<Order>) {
        loop {
            loop {
                match ordered.try_recv() {
                    Ok(order) => {
                        if self.follow(order).is_err() {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            match self.socket.read() {
                Ok(Message::Text(text)) => self.take(text.as_str()),
                Ok(_) => {}
                Err(Error::Io(fault))
                    if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    fn follow(&mut self, order: Order) -> Result<(), Error> {
        match order {
            Order::Listen { prefix, events } => {
                self.listeners.push((prefix, events));
                Ok(())
            }
            Order::Call {
                session,
                method,
                params,
                answer,
            } => {
                self.number += 1;
                let mut command = json!({"id": self.number, "method": &method, "params": params});
                if let Some(session) = session {
                    command["sessionId"] = session.into();
                }
                if let Some(answer) = answer {
                    self.waiting.insert(self.number, (method, answer));
                }
                self.socket.send(Message::text(command.to_string()))
            }
        }
    }

    fn take(&mut self, text: &str) {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if let Some(number) = message["id"].as_u64() {
            let error = message["error"].take();
            let Some((method, answer)) = self.waiting.remove(&number) else {
                if !error.is_null() && self.complaint != error {
                    eprintln!("devtools: {error}");
                    self.complaint = error;
                }
                return;
            };
            let result = if error.is_null() {
                Ok(message["result"].take())
            } else {
                Err(CdpFault(format!("{method}: {error}")))
            };
            // Who no longer waits needs no answer.
            let _ = answer.send(result);
            return;
        }
        let event = Event {
            method: message["method"].as_str().unwrap_or_default().to_owned(),
            params: message["params"].take(),
        };
        self.listeners.retain(|(prefix, events)| {
            !event.method.starts_with(prefix) || events.send(event.clone()).is_ok()
        });
    }
}
