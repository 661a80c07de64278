//! What happens in front of one machine: people buy, things jam, phones disappear, power is cut.

use super::board::{Board, NOTE, PRODUCTS, money};
use super::client::{Client, StreetFault};
use super::customer::{Customer, Visit};
use super::{Stage, say};
use core::fmt;
use core::time::Duration;
use gettone_channel::{BoardState, StatusReason};
use gettone_mdb::ItemOptions;
use gettone_mdb::vmc::{self, Operator};

/// How long the motors run, before anybody hurries them.
const MOTORS: Duration = Duration::from_millis(1_500);
/// From one customer to the next.
const PAUSES_MS: [u64; 5] = [700, 1_200, 2_000, 3_000, 4_500];

/// A machine and the people who come by.
pub(super) struct Scene<'a> {
    pub(super) board: Board,
    pub(super) customers: &'a [Customer],
    pub(super) operator: &'a Client,
    pub(super) stage: &'a Stage,
    pub(super) pace: u32,
    pub(super) dice: Dice,
    pub(super) tally: Tally,
    /// What the server has not heard of yet.
    pub(super) untold: Option<Untold>,
}

/// A vend whose phone did not bring its receipt.
#[derive(Debug)]
pub(super) struct Untold {
    whose: &'static str,
    product: &'static str,
}

/// A selection, what it is called, and its price.
type Choice = (u16, &'static str, u32);

/// What happened, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    sales: u32,
    favourites: u32,
    jams: u32,
    lost_phones: u32,
    power_cuts: u32,
    /// Vends of which a later phone brought word.
    brought: u32,
    cash_sales: u32,
    cash_ins: u32,
    refused: u32,
    claims: u32,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.sales += other.sales;
        self.favourites += other.favourites;
        self.jams += other.jams;
        self.lost_phones += other.lost_phones;
        self.power_cuts += other.power_cuts;
        self.brought += other.brought;
        self.cash_sales += other.cash_sales;
        self.cash_ins += other.cash_ins;
        self.refused += other.refused;
        self.claims += other.claims;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sales {}, favourites {}, jams {}, claims {}, lost phones {}, power cuts {}, brought later {}, \
             cash sales {}, cash-ins {}, refused {}",
            self.sales,
            self.favourites,
            self.jams,
            self.claims,
            self.lost_phones,
            self.power_cuts,
            self.brought,
            self.cash_sales,
            self.cash_ins,
            self.refused,
        )
    }
}

/// Chance that is the same each time (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        let nth = usize::try_from(self.roll() % count).unwrap_or_default();
        all.get(nth).expect("something to choose from")
    }
}

/// What chance has in store; the first ones come first, so that a short play shows them all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plot {
    Sale,
    Favourite,
    Claimed,
    CashSale,
    Jam,
    CashIn,
    LostPhone,
    PowerCut,
}

const OPENING: [Plot; 8] = [
    Plot::Claimed,
    Plot::CashSale,
    Plot::Favourite,
    Plot::Sale,
    Plot::Jam,
    Plot::LostPhone,
    Plot::CashIn,
    Plot::PowerCut,
];
const LATER: [Plot; 16] = [
    Plot::Sale,
    Plot::Favourite,
    Plot::Sale,
    Plot::Sale,
    Plot::Sale,
    Plot::Sale,
    Plot::Sale,
    Plot::Claimed,
    Plot::CashSale,
    Plot::CashSale,
    Plot::CashSale,
    Plot::Jam,
    Plot::LostPhone,
    Plot::CashIn,
    Plot::CashIn,
    Plot::PowerCut,
];

impl Scene<'_> {
    /// Plays until the stage is closed.
    pub(super) fn play(mut self) -> Result<Tally, StreetFault> {
        let mut opening = OPENING.into_iter();
        while !self.stage.is_closed() {
            let plot = opening.next().unwrap_or_else(|| *self.dice.one_of(&LATER));
            self.scene(plot)?;
            let pause = *self.dice.one_of(&PAUSES_MS);
            self.wait(Duration::from_millis(pause));
        }
        Ok(self.tally)
    }

    fn scene(&mut self, plot: Plot) -> Result<(), StreetFault> {
        let choice = *self.dice.one_of(&PRODUCTS);
        if plot == Plot::CashSale {
            return self.cash_sale(choice);
        }
        let customers = self.customers;
        let customer = self.dice.one_of(customers);
        if plot == Plot::Favourite {
            return self.favourite(customer, choice);
        }
        let Some(visit) = self.begin(customer)? else {
            return Ok(());
        };
        if plot == Plot::CashIn {
            return self.cash_in(customer, visit);
        }
        let Some(visit) = self.choose(customer, visit, choice)? else {
            return Ok(());
        };
        match plot {
            Plot::Sale | Plot::Favourite | Plot::CashSale | Plot::CashIn => {
                self.sale(customer, visit, choice)
            }
            Plot::Claimed => {
                self.sale(customer, visit, choice)?;
                self.claim(customer, choice)
            }
            Plot::Jam => self.jam(customer, visit, choice),
            Plot::LostPhone => self.lost_phone(customer, visit, choice),
            Plot::PowerCut => self.power_cut(customer, visit, choice),
        }
    }

    /// From the light code to the machine's session; none when the server grants nothing.
    fn begin<'c>(&mut self, customer: &'c Customer) -> Result<Option<Visit<'c>>, StreetFault> {
        let seed = self.dice.roll();
        let mut visit = customer.tap(&mut self.board, seed)?;
        visit.carry(&mut self.board)?;
        self.bring(customer);
        let refusal = match &visit.status {
            Some(status) if status.state == BoardState::Granted => None,
            Some(status) => Some((status.reason, status.line.clone())),
            None => return Err(StreetFault::Silence("the board to say where it stands")),
        };
        let Some((reason, line)) = refusal else {
            self.board.wait("BEGIN SESSION", |event| {
                matches!(event, vmc::Event::SessionBegan { .. })
            })?;
            return Ok(Some(visit));
        };
        self.tally.refused += 1;
        self.tell(format_args!("{} is refused: {line}", customer.name()));
        self.leave(visit)?;
        if reason == StatusReason::Funds {
            self.give(customer)?;
        }
        Ok(None)
    }

    /// Whoever has spent nearly everything is given some more.
    fn give(&self, customer: &Customer) -> Result<(), StreetFault> {
        customer.credit(self.operator)?;
        self.tell(format_args!("{} is given some more", customer.name()));
        Ok(())
    }

    /// What a phone before this one could not bring is at the server.
    fn bring(&mut self, customer: &Customer) {
        if self.board.receipts_kept() > 0 {
            return;
        }
        let Some(Untold { whose, product }) = self.untold.take() else {
            return;
        };
        self.tally.brought += 1;
        self.tell(format_args!(
            "{}'s phone brings what became of {whose}'s {product}",
            customer.name()
        ));
    }

    /// From the button to the motors; none when the machine is not let vend.
    fn choose<'c>(
        &mut self,
        customer: &Customer,
        mut visit: Visit<'c>,
        (item, product, price): Choice,
    ) -> Result<Option<Visit<'c>>, StreetFault> {
        self.board.operate(Operator::Select { price, item })?;
        let decided = self.board.wait("the machine to decide", |event| {
            matches!(
                event,
                vmc::Event::Dispense { .. } | vmc::Event::Denied { .. }
            )
        })?;
        if matches!(decided, vmc::Event::Denied { .. }) {
            self.tally.refused += 1;
            self.tell(format_args!("{} is denied {product}", customer.name()));
            self.leave(visit)?;
            self.give(customer)?;
            return Ok(None);
        }
        visit.carry(&mut self.board)?;
        self.wait(MOTORS);
        self.board.spend(MOTORS)?;
        Ok(Some(visit))
    }

    fn cash_sale(&mut self, (item, product, price): Choice) -> Result<(), StreetFault> {
        self.board.operate(Operator::SellForCash { price, item })?;
        self.board.wait("the cash sale to be reported", |event| {
            matches!(event, vmc::Event::CashSaleReported)
        })?;
        self.tally.cash_sales += 1;
        self.tell(format_args!("{product}, {} in cash", money(price)));
        Ok(())
    }

    fn sale(
        &mut self,
        customer: &Customer,
        visit: Visit<'_>,
        (_, product, price): Choice,
    ) -> Result<(), StreetFault> {
        self.end(Operator::Dispensed)?;
        self.leave(visit)?;
        self.tally.sales += 1;
        self.tell(format_args!(
            "{} buys {product}, {}",
            customer.name(),
            money(price)
        ));
        Ok(())
    }

    /// What the customer has set on the phone is made as soon as they are there.
    fn favourite(
        &mut self,
        customer: &Customer,
        (item, product, price): Choice,
    ) -> Result<(), StreetFault> {
        let machine = self.board.number;
        customer.favour(machine, Some(item))?;
        let visit = self.begin(customer);
        // What comes later is chosen at the machine again.
        customer.favour(machine, None)?;
        let Some(mut visit) = visit? else {
            return Ok(());
        };
        let wish = ItemOptions::DEFAULT.sugar(1).and_then(|it| it.cup(1));
        let wish = wish.expect("1 is not too much");
        self.board
            .wait("the favourite to reach the machine", |event| {
                matches!(event, vmc::Event::SelectionAsked { item: asked, options, .. }
                if *asked == item && *options == wish)
            })?;
        self.board.operate(Operator::Select { price, item })?;
        let decided = self.board.wait("the machine to decide", |event| {
            matches!(
                event,
                vmc::Event::Dispense { .. } | vmc::Event::Denied { .. }
            )
        })?;
        if matches!(decided, vmc::Event::Denied { .. }) {
            self.tally.refused += 1;
            self.leave(visit)?;
            return self.give(customer);
        }
        visit.carry(&mut self.board)?;
        self.wait(MOTORS);
        self.board.spend(MOTORS)?;
        self.end(Operator::Dispensed)?;
        self.leave(visit)?;
        let sold = self.board.last_sale();
        let sold = sold.ok_or(StreetFault::Silence("a sale"))?;
        customer.receipt(machine, sold)?;
        self.tally.favourites += 1;
        self.tell(format_args!(
            "{product} is made for {} at once, {wish}, {}",
            customer.name(),
            money(price)
        ));
        Ok(())
    }

    fn jam(
        &mut self,
        customer: &Customer,
        visit: Visit<'_>,
        (_, product, _): Choice,
    ) -> Result<(), StreetFault> {
        self.end(Operator::Jammed)?;
        self.leave(visit)?;
        self.tally.jams += 1;
        self.tell(format_args!(
            "{product} is stuck; {} pays nothing",
            customer.name()
        ));
        Ok(())
    }

    fn lost_phone(
        &mut self,
        customer: &Customer,
        visit: Visit<'_>,
        (_, product, _): Choice,
    ) -> Result<(), StreetFault> {
        visit.vanish(&mut self.board)?;
        self.end(Operator::Dispensed)?;
        self.board.rest()?;
        self.tally.lost_phones += 1;
        self.untold = Some(Untold {
            whose: customer.name(),
            product,
        });
        self.tell(format_args!(
            "{product} falls, but {}'s phone is gone; the next one brings the receipt",
            customer.name()
        ));
        Ok(())
    }

    fn power_cut(
        &mut self,
        customer: &Customer,
        visit: Visit<'_>,
        (_, product, _): Choice,
    ) -> Result<(), StreetFault> {
        visit.vanish(&mut self.board)?;
        self.board.cut_power()?;
        self.board.rest()?;
        self.tally.power_cuts += 1;
        self.untold = Some(Untold {
            whose: customer.name(),
            product,
        });
        self.tell(format_args!(
            "power is cut while {product} falls; nobody has seen it"
        ));
        Ok(())
    }

    fn cash_in(&mut self, customer: &Customer, visit: Visit<'_>) -> Result<(), StreetFault> {
        self.board.operate(Operator::Revalue { amount: NOTE })?;
        let done = self
            .board
            .wait("the cash to be taken or given back", |event| {
                matches!(
                    event,
                    vmc::Event::RevalueTaken { .. }
                        | vmc::Event::RevalueRefused { .. }
                        | vmc::Event::SelectionRefused(_)
                )
            })?;
        self.board.operate(Operator::Return)?;
        self.leave(visit)?;
        if matches!(done, vmc::Event::RevalueTaken { .. }) {
            self.tally.cash_ins += 1;
            self.tell(format_args!("{} pays in {}", customer.name(), money(NOTE)));
        } else {
            self.tally.refused += 1;
            self.tell(format_args!("{}'s note is given back", customer.name()));
        }
        Ok(())
    }

    /// What was just sold becomes a case for the operator.
    fn claim(&mut self, customer: &Customer, (_, product, _): Choice) -> Result<(), StreetFault> {
        let sold = self.board.last_sale();
        let sold = sold.ok_or(StreetFault::Silence("a sale"))?;
        let receipt = customer.receipt(self.board.number, sold)?;
        customer.claim(&receipt)?;
        self.tally.claims += 1;
        self.tell(format_args!(
            "{} says that no {product} fell",
            customer.name()
        ));
        Ok(())
    }

    /// The motors stop, and the machine reports it.
    fn end(&mut self, result: Operator) -> Result<(), StreetFault> {
        self.board.operate(result)?;
        self.board.wait("the result to be taken", |event| {
            matches!(event, vmc::Event::Reported)
        })?;
        Ok(())
    }

    fn leave(&mut self, mut visit: Visit<'_>) -> Result<(), StreetFault> {
        self.board.settle()?;
        visit.carry(&mut self.board)?;
        visit.leave(&mut self.board)?;
        self.board.rest()
    }

    /// Lets real time pass, for people who watch.
    fn wait(&self, span: Duration) {
        self.stage.wait(span / self.pace.max(1));
    }

    fn tell(&self, what: fmt::Arguments<'_>) {
        say(format_args!("machine {}  {what}", self.board.number));
    }
}
