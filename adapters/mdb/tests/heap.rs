//! What an exchange takes from the heap: nothing, at any level and with every option on.

use std::time::Duration;

use gettone_mdb::cashless::{Cashless, Config, Event, Host, Input, Output};
use gettone_mdb::dts::Dts;
use gettone_mdb::{
    Address, Command, Frame, Layout, Level, Mode, Options, Setup, Supply, Units, Word,
};

struct Bus {
    device: Cashless,
    now: Duration,
    settled: u32,
}

impl Bus {
    /// Says a command and acknowledges what comes back; the host approves every question.
    fn say(&mut self, command: Command, layout: Layout) {
        self.now += Duration::from_millis(117);
        let frame = Frame::from_controller(&command.print_in(Address::First, layout));
        let mut open = None;
        for word in frame.iter() {
            open = open.or(self.take(Input::Word(*word)));
        }
        if let Some(host) = open {
            self.take(Input::Host(host));
        }
        self.take(Input::Word(Word::new(Mode::Data, 0)));
    }

    fn take(&mut self, input: Input) -> Option<Host> {
        self.device.handle(self.now, input);
        let mut wish = None;
        while let Some(output) = self.device.poll() {
            if let Output::Event(Event::VendRequested { request, price, .. }) = output {
                let (amount, tag) = (price, 7);
                wish = Some(Host::Approve {
                    request,
                    amount,
                    tag,
                });
            }
            let settled = matches!(output, Output::Event(Event::VendSucceeded { .. }));
            self.settled += u32::from(settled);
        }
        wish
    }
}

#[test]
fn an_exchange_of_any_level_takes_nothing_from_the_heap() {
    let wide = Options::WIDE_MONEY.with(Options::ALWAYS_IDLE);
    for (level, options) in [(Level::Two, Options::NONE), (Level::Three, wide)] {
        let layout = Layout::new(level, options);
        let mut bus = Bus {
            device: Cashless::new(Config {
                level,
                options,
                multivend: true,
                ..Config::default()
            })
            .expect("a consistent configuration"),
            now: Duration::from_secs(1),
            settled: 0,
        };
        let taken = allocation_counter::measure(|| {
            let setup = Command::Setup(Setup {
                level,
                supply: Supply::Mains,
                columns: 16,
                rows: 2,
                display: 1,
            });
            for command in [Command::Poll, setup] {
                bus.say(command, Layout::TWO);
            }
            if level == Level::Three {
                bus.say(Command::EnableOptions(options), Layout::TWO);
            }
            bus.say(Command::Enable, layout);
            bus.take(Input::Host(Host::BeginSession { funds: 9_000 }));
            bus.say(Command::Poll, layout);
            for _ in 0..1_000 {
                let (price, item) = (Units::from_u32(120), 7);
                bus.say(Command::VendRequest { price, item }, layout);
                bus.say(Command::Poll, layout);
                bus.say(Command::VendSuccess { item }, layout);
            }
        });
        assert_eq!(bus.settled, 1_000, "{level:?}");
        assert_eq!(taken.count_total, 0, "{level:?}");
    }
    // The control: what does take something is seen.
    let taken = allocation_counter::measure(|| drop(std::hint::black_box(vec![7_u8])));
    assert_eq!(taken.count_total, 1);
}

#[test]
fn an_audit_is_read_without_the_heap() {
    let text = b"ID1*1\nCA3*1*2*3*4\nPA1*1*120\nPA2*1*120*1*120\nEA2*EJL*1*2\n";
    let taken = allocation_counter::measure(|| {
        let audit = Dts::parse(text).expect("an audit");
        assert_eq!(
            audit.drifts(|_| Some(100)).count() + audit.events().count(),
            2
        );
        assert!(audit.cash_expected().is_some());
    });
    assert_eq!(taken.count_total, 0);
}
