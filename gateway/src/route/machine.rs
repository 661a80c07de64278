//! Machines, for their operator.

use super::shown_machine::{Detail, ShownMachine, shown};
use super::{Lines, Paging};
use crate::api::{Asker, At, at, does};
use crate::bounds::NAME_LEN_MAX;
use crate::database::place::{self, Place};
use crate::database::staff_log;
use crate::failure;
use crate::fleet;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::{amount, currency, words};
use actix_web::{HttpResponse, web};
use gettone_core::id::{MachineId, OperatorId};
use gettone_core::machine::{Command, Machine, Policy};
use gettone_core::money::Amount;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// A machine to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMachine {
    /// Its number.
    machine: u32,
    /// By its three letters.
    currency: String,
    /// The most that is held for one customer.
    cap: String,
    /// The most vends of one customer in a row.
    vends_max: u8,
    /// The platform's share, in hundredths of a percent.
    fee_basis_points: u16,
    /// The most cash that one visit may take in for the customer's closed wallet; none when it is
    /// left out.
    #[serde(default)]
    revalue_max: String,
    /// What it is called.
    #[serde(default)]
    name: String,
    /// Where it stands.
    #[serde(default)]
    place: String,
}

/// What to call a machine, and where it stands; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// What it is called.
    name: Option<String>,
    /// Where it stands.
    place: Option<String>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines")
            .get(
                all,
                does("Lists machines by number", Asker::Staff)
                    .paged()
                    .lists::<ShownMachine>(),
            )
            .post(
                register,
                does("Registers a machine", Asker::Technician)
                    .takes::<NewMachine>(json!({
                        "machine": 3, "currency": "EUR", "cap": "5.00", "vends_max": 3,
                        "fee_basis_points": 100, "name": "Hall, left", "place": "Via Roma 1",
                    }))
                    .answers::<ShownMachine>(201),
            ),
        at("/v1/machines/{machine}")
            .get(
                show,
                does("Shows a machine and what it sells", Asker::Staff)
                    .answers::<ShownMachine>(200),
            )
            .patch(
                rename,
                does("Names a machine and its place", Asker::Technician)
                    .takes::<Named>(json!({"name": "Hall, right", "place": "Via Roma 1"}))
                    .answers::<ShownMachine>(200),
            ),
        at("/v1/machines/{machine}/lock").post(
            lock,
            does("Takes no new customers at a machine", Asker::Technician)
                .answers::<ShownMachine>(200),
        ),
        at("/v1/machines/{machine}/unlock").post(
            unlock,
            does("Takes customers at a machine again", Asker::Technician)
                .answers::<ShownMachine>(200),
        ),
    ]
}

async fn all(
    gateway: web::Data<Gateway>,
    staff: Staff,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            fleet::machines(connection, staff.operator, paging.cursor, paging.len())
        })
        .await?;
    let mut lines = Vec::with_capacity(page.lines.len());
    for id in page.lines {
        // Only machines that were registered are listed, and none is ever registered otherwise.
        if let Ok(machine) = own(&gateway, id, staff.operator).await {
            lines.push(shown(&gateway, id, &machine, Detail::Brief).await?);
        }
    }
    Ok(HttpResponse::Ok().json(Lines {
        lines,
        next: page.next,
    }))
}

async fn register(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    Body(new): Body<NewMachine>,
) -> Result<HttpResponse, Problem> {
    let operator = staff.operator;
    let id = MachineId::new(new.machine);
    let place = Place {
        name: words("name", &new.name, NAME_LEN_MAX)?,
        place: words("place", &new.place, NAME_LEN_MAX)?,
    };
    let currency = currency("currency", &new.currency)?;
    let policy = Policy {
        cap: amount("cap", &new.cap, currency)?,
        vends_max: new.vends_max,
        fee_basis_points: new.fee_basis_points,
        revalue_max: match new.revalue_max.as_str() {
            "" => Amount::ZERO,
            most => amount("revalue_max", most, currency)?,
        },
    };
    let command = Command::Register {
        operator,
        currency,
        policy,
    };
    gateway
        .engine()
        .machine_command(id, command)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    let machine = own(&gateway, id, operator).await?;
    let line = staff.did("machine.register", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| {
            // The same again without a name does not take the name away.
            if place != Place::default() {
                place::note(transaction, operator, id, &place)?;
            }
            staff_log::add(transaction, operator, &line)
        })
        .await?;
    Ok(HttpResponse::Created().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

async fn rename(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<Named>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let operator = staff.operator;
    let machine = own(&gateway, id, operator).await?;
    let read = |field, text: Option<String>| {
        text.map(|text| words(field, &text, NAME_LEN_MAX))
            .transpose()
    };
    let (name, place) = (read("name", new.name)?, read("place", new.place)?);
    let line = staff.did("machine.name", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| {
            let before = place::find(transaction, id)?.unwrap_or_default();
            let after = Place {
                name: name.unwrap_or_else(|| before.name.clone()),
                place: place.unwrap_or_else(|| before.place.clone()),
            };
            place::note(transaction, operator, id, &after)?;
            let told = |place: &Place| json!({"name": place.name, "place": place.place});
            staff_log::add(
                transaction,
                operator,
                &line.changed(told(&before), told(&after)),
            )
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

async fn lock(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    own(&gateway, id, staff.operator).await?;
    let line = staff.did("machine.lock", format_args!("machine {id}"));
    let machine = command(&gateway, &staff, id, (Command::Lock, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

async fn unlock(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    own(&gateway, id, staff.operator).await?;
    let line = staff.did("machine.unlock", format_args!("machine {id}"));
    let machine = command(&gateway, &staff, id, (Command::Unlock, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

/// Has an operator's machine do something, writes it into the log when it was new, and shows the
/// machine.
pub(super) async fn command(
    gateway: &Gateway,
    staff: &Staff,
    id: MachineId,
    order: (Command, staff_log::Line),
) -> Result<ShownMachine, Problem> {
    let (command, line) = order;
    let done = gateway
        .engine()
        .machine_command(id, command)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?
        .into_inner();
    let operator = staff.operator;
    if done.is_some() {
        gateway
            .database()
            .write(move |transaction| staff_log::add(transaction, operator, &line))
            .await?;
    }
    let machine = own(gateway, id, operator).await?;
    shown(gateway, id, &machine, Detail::Full).await
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

/// The machine, when it is this operator's.
pub(super) async fn own(
    gateway: &Gateway,
    id: MachineId,
    operator: OperatorId,
) -> Result<Machine, Problem> {
    let machine = gateway
        .engine()
        .machine(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    machine
        .filter(|machine| gateway.owns(operator, machine.operator()))
        .map(|machine| *machine)
        .ok_or_else(|| nothing("machine"))
}
