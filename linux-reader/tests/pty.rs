//! A vend with the simulated controller on a pseudo-terminal: what every example uses.

mod street;

use gettone_channel::{BoardState, ReceiptKind};
use gettone_mdb::vmc::{Config, Event, Input, Operator, Output, Timing, Vmc};
use gettone_mdb::words::Pty;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};
use street::phone::Phone;
use street::{PATIENCE, Street};

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];

struct Controller {
    operators: Sender<Operator>,
    events: Receiver<Event>,
}

impl Controller {
    fn start(pty: Pty) -> Self {
        let (operators, operated) = channel();
        let (told, events) = channel();
        thread::spawn(move || run(pty, &operated, &told));
        Self { operators, events }
    }

    fn operate(&self, operator: Operator) {
        self.operators.send(operator).expect("a running controller");
    }

    fn await_event(&self, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self
                .events
                .recv_timeout(PATIENCE)
                .expect("an event in time");
            if is_it(&event) {
                return event;
            }
        }
    }
}

fn run(pty: Pty, operators: &Receiver<Operator>, events: &Sender<Event>) {
    let mut line = pty.line();
    let mut vmc = Vmc::new(Config {
        timing: Timing::patient(),
        ..Config::default()
    });
    let began = Instant::now();
    loop {
        let input = match operators.try_recv() {
            Ok(operator) => Input::Operator(operator),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => match line.read(Duration::from_millis(1)) {
                Ok(Some(word)) => Input::Word(word),
                Ok(None) => Input::Tick,
                Err(_) => return,
            },
        };
        vmc.handle(began.elapsed(), input);
        while let Some(output) = vmc.poll() {
            match output {
                Output::Event(event) => {
                    if events.send(event).is_err() {
                        return;
                    }
                }
                Output::Send(words) => line.write(&words).expect("a reader"),
                Output::Break => {}
            }
        }
    }
}

#[test]
fn the_simulated_controller_sells_through_a_pseudo_terminal() {
    let mut street = Street::new();
    let pty = Pty::open(&street.path("mdb")).expect("a pseudo-terminal");
    street.start_reader("");
    let controller = Controller::start(pty);
    controller.operate(Operator::PowerUp);
    controller.await_event(|event| matches!(event, Event::Ready));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            street.show(CODE);
            let mut phone = Phone::link(&street.air(), CODE).await;
            street.server.record(&phone.envelope().await);
            let grant = street.server.grant(500, 1);
            phone.bring(grant).await;
            phone.state(BoardState::Granted).await;
            controller.await_event(|event| matches!(event, Event::SessionBegan { .. }));
            controller.operate(Operator::Select {
                price: 120,
                item: 23,
            });
            controller.await_event(|event| matches!(event, Event::Dispense { .. }));
            controller.operate(Operator::Dispensed);
            while street.server.receipts.len() < 3 {
                street.server.record(&phone.envelope().await);
            }
        });
    use ReceiptKind::{Close, EpochStart, VendOk};
    assert_eq!(street.server.kinds(), [EpochStart, VendOk, Close]);
    assert_eq!(street.server.receipts[&2].amount, 120);
    street.stop_reader();
}
