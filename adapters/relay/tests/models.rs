//! Machines as they are built: one that completes its session after each vend, one that never does,
//! one that resets upon approvals, one that falls silent (protocol section 12.9). Whatever they do,
//! no grant is exceeded, and every INTENT ends in one receipt.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a machine looks at what it is about"
)]

mod street;

use core::time::Duration;
use gettone_channel::ReceiptKind;
use gettone_core::board::{Approval, Ask, Life, Machine, Record};
use gettone_core::id::{Item, Rseq, VendId};
use gettone_relay::{Order, Verdict};
use std::collections::BTreeMap;
use street::{Book, Phone, Street};

const CAP: i64 = 500;
const VENDS_MAX: u8 = 3;
/// What things cost, one after another: some fit, some do not.
const PRICES: [u32; 9] = [120, 250, 90, 501, 200, 300, 10, 500, 130];
const AFTER: Duration = Duration::from_millis(1_500);
/// Grants of one machine.
const GRANTS: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Model {
    /// SESSION COMPLETE after each vend, as the standard has it.
    Completes,
    /// It stays in its session until it is told to end it.
    Stays,
    /// RESET as soon as it has the approval, and sometimes before it has taken it.
    Resets,
    /// Nothing more comes after the approval, until its power is switched.
    Silent,
}

/// A machine of one model, which asks for everything that it can.
struct Vmc {
    model: Model,
    has_session: bool,
    asked: Option<Ask>,
    asks: u32,
    approved: Vec<(Rseq, u32)>,
    /// Whether somebody still wants something: they go when they were refused everything.
    wishes: usize,
}

impl Vmc {
    const fn new(model: Model) -> Self {
        Self {
            model,
            has_session: false,
            asked: None,
            asks: 0,
            approved: Vec::new(),
            wishes: 0,
        }
    }

    /// Does one thing; false when nothing is left to be done.
    fn step(&mut self, street: &mut Street) -> bool {
        street.sync();
        let Some(order) = street.order() else {
            if !self.has_session || self.asked.is_some() || self.wishes == 0 {
                return false;
            }
            self.wishes -= 1;
            self.asks += 1;
            let ask = Ask::new(self.asks);
            self.asked = Some(ask);
            let price = PRICES[usize::try_from(self.asks).expect("small") % PRICES.len()];
            street.machine(Machine::Asked {
                ask,
                price,
                item: Item::new(3),
            });
            return true;
        };
        match order {
            Order::BeginSession { .. } => {
                self.has_session = true;
                street.machine(Machine::SessionBegan);
            }
            Order::Approve { rseq, amount, .. } => self.approve(rseq, amount, street),
            Order::Deny { .. } => self.asked = None,
            Order::CancelSession => street.machine(Machine::SessionCompleted),
            Order::EndSession => {
                self.has_session = false;
                street.machine(Machine::Enabled);
            }
            other => panic!("no machine here is told {other:?}"),
        }
        true
    }

    fn approve(&mut self, rseq: Rseq, amount: u32, street: &mut Street) {
        self.asked = None;
        match self.model {
            Model::Completes => {
                self.approved.push((rseq, amount));
                street.machine(Machine::Succeeded { rseq, after: AFTER });
                street.sync();
                street.machine(Machine::SessionCompleted);
            }
            Model::Stays => {
                self.approved.push((rseq, amount));
                street.machine(Machine::Succeeded { rseq, after: AFTER });
            }
            Model::Resets => {
                let is_taken = rseq.number().is_multiple_of(2);
                let approval = match is_taken {
                    true => Approval::Delivered { rseq, after: AFTER },
                    false => Approval::NotDelivered,
                };
                if is_taken {
                    self.approved.push((rseq, amount));
                }
                self.reset(approval, street);
            }
            Model::Silent => {
                self.approved.push((rseq, amount));
                street.wait(121);
                assert_eq!(street.station.life(), Life::Waiting, "the phone is free");
                street.wait(24 * 60 * 60);
                assert_eq!(street.station.life(), Life::Waiting, "no time ends it");
                self.reset(Approval::Delivered { rseq, after: AFTER }, street);
            }
        }
    }

    fn reset(&mut self, approval: Approval, street: &mut Street) {
        self.has_session = false;
        street.orders.clear();
        street.machine(Machine::Reset(approval));
        street.sync();
        street.orders.clear();
        street.machine(Machine::Enabled);
    }
}

/// Every INTENT of the journal, with the grant it was under, and how many receipts it has.
fn intents(street: &Street) -> BTreeMap<Rseq, (VendId, u32, usize)> {
    let mut intents = BTreeMap::new();
    for record in street.flash.records() {
        match record {
            Record::Intent {
                rseq, grant, price, ..
            } => {
                intents.insert(*rseq, (*grant, *price, 0));
            }
            Record::Receipt(written) => {
                if let Some((grant, _, count)) = intents.get_mut(&written.receipt.rseq) {
                    assert_eq!(*grant, written.receipt.grant);
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    intents
}

fn visit(street: &mut Street, server: &mut Book, vmc: &mut Vmc) {
    let mut phone: Phone = street.link();
    phone.carry(street, server);
    let grant = server.grant(CAP, VENDS_MAX);
    phone.bring(street, grant);
    vmc.wishes = PRICES.len();
    while vmc.step(street) {}
    // Whoever is refused everything presses the return lever.
    if vmc.has_session {
        street.machine(Machine::SessionCompleted);
        while vmc.step(street) {}
    }
    street.wait(120);
    street.machine(Machine::Enabled);
    while vmc.step(street) {}
    street.messages.clear();
    street.dropped.clear();
    assert_eq!(street.station.life(), Life::Idle, "{:?}", vmc.model);
    let mut phone: Phone = street.link();
    phone.carry(street, server);
    let ack = server.answer(Verdict::Nothing);
    phone.bring(street, ack);
    phone.carry(street, server);
    street.wait(31);
    street.messages.clear();
}

fn live(model: Model) {
    let mut server = Book::new();
    let mut street = Street::new(&server);
    let mut vmc = Vmc::new(model);
    for _ in 0..GRANTS {
        visit(&mut street, &mut server, &mut vmc);
    }
    let intents = intents(&street);
    assert!(
        intents.len() >= GRANTS,
        "{model:?}: {} vends",
        intents.len()
    );
    let mut spent: BTreeMap<VendId, (i64, u8)> = BTreeMap::new();
    for (rseq, (grant, price, count)) in &intents {
        assert_eq!(*count, 1, "{model:?}: {rseq:?} ends in one receipt");
        if vmc.approved.contains(&(*rseq, *price)) {
            let (sum, vends) = spent.entry(*grant).or_default();
            (*sum, *vends) = (*sum + i64::from(*price), *vends + 1);
        }
    }
    assert!(spent.len() >= GRANTS / 2, "{model:?}: {spent:?}");
    for (sum, vends) in spent.values() {
        assert!(*sum <= CAP && *vends <= VENDS_MAX, "{model:?}: {spent:?}");
    }
    // What the server was told is what the machine let go.
    let told = server.receipts.values();
    let told = told.filter(|receipt| receipt.kind == ReceiptKind::VendOk);
    let told: Vec<(Rseq, u32)> = told
        .map(|receipt| (Rseq::new(receipt.rseq), receipt.amount))
        .collect();
    assert_eq!(told, vmc.approved, "{model:?}");
}

#[test]
fn no_model_of_a_machine_exceeds_a_grant_and_every_intent_ends_in_one_receipt() {
    for model in [Model::Completes, Model::Stays, Model::Resets, Model::Silent] {
        live(model);
    }
}
