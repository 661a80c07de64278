//! Machines and what they sell, for their operator.

use crate::api::{Asker, At, at, does};
use crate::bounds::NAME_LEN_MAX;
use crate::database::place::{self, Place};
use crate::database::staff_log;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::{amount, currency, money, words};
use actix_web::{HttpResponse, web};
use gettone_core::id::{Item, MachineId, OperatorId};
use gettone_core::machine::{Command, Machine, Policy, Product};
use gettone_core::money::Amount;
use serde::{Deserialize, Serialize};
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

/// A product to list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    /// The selection.
    item: u16,
    /// What it is called.
    name: String,
    /// What it costs.
    price: String,
}

/// A machine and what it sells.
#[derive(Serialize, ToSchema)]
struct ShownMachine {
    machine: u32,
    /// What it is called.
    name: String,
    /// Where it stands.
    place: String,
    operator: u32,
    life: String,
    currency: &'static str,
    cap: String,
    vends_max: u8,
    fee_basis_points: u16,
    reader: Option<String>,
    products: Vec<ShownProduct>,
}

/// A product and its price.
#[derive(Serialize, ToSchema)]
struct ShownProduct {
    item: u16,
    name: String,
    price: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines").post(
            register,
            does("Registers a machine", Asker::Technician)
                .takes::<NewMachine>(json!({
                    "machine": 3, "currency": "EUR", "cap": "5.00", "vends_max": 3,
                    "fee_basis_points": 100, "name": "Hall, left", "place": "Via Roma 1",
                }))
                .answers::<ShownMachine>(201),
        ),
        at("/v1/machines/{machine}").get(
            show,
            does("Shows a machine", Asker::Staff).answers::<ShownMachine>(200),
        ),
        at("/v1/machines/{machine}/products").post(
            list,
            does(
                "Lists a product, or changes its name and price",
                Asker::Technician,
            )
            .takes::<NewProduct>(json!({"item": 11, "name": "Espresso", "price": "0.80"}))
            .answers::<ShownMachine>(201),
        ),
    ]
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
            place::note(transaction, operator, id, &place)?;
            staff_log::add(transaction, operator, &line)
        })
        .await?;
    Ok(HttpResponse::Created().json(shown(&gateway, id, &machine).await?))
}

async fn list(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<NewProduct>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let operator = staff.operator;
    let machine = own(&gateway, id, operator).await?;
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let command = Command::List {
        item: Item::new(new.item),
        product: Product {
            name: new.name,
            price: amount("price", &new.price, currency)?,
        },
    };
    gateway
        .engine()
        .machine_command(id, command)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    let machine = own(&gateway, id, operator).await?;
    let line = staff.did(
        "product.list",
        format_args!("machine {id} item {}", new.item),
    );
    gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await?;
    Ok(HttpResponse::Created().json(shown(&gateway, id, &machine).await?))
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine).await?))
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

async fn shown(
    gateway: &Gateway,
    id: MachineId,
    machine: &Machine,
) -> Result<ShownMachine, Problem> {
    let place = gateway
        .database()
        .read(move |connection| place::find(connection, id))
        .await?
        .unwrap_or_default();
    with_place(id, machine, place).ok_or_else(|| nothing("machine"))
}

fn with_place(id: MachineId, machine: &Machine, place: Place) -> Option<ShownMachine> {
    let (operator, currency, policy) =
        (machine.operator()?, machine.currency()?, machine.policy()?);
    Some(ShownMachine {
        machine: id.number(),
        name: place.name,
        place: place.place,
        operator: operator.number(),
        life: format!("{:?}", machine.life()).to_lowercase(),
        currency: currency.code(),
        cap: money(policy.cap, currency),
        vends_max: policy.vends_max,
        fee_basis_points: policy.fee_basis_points,
        reader: machine.reader().map(|reader| reader.to_string()),
        products: machine
            .catalogue()
            .iter()
            .map(|(item, product)| ShownProduct {
                item: item.number(),
                name: product.name.clone(),
                price: money(product.price, currency),
            })
            .collect(),
    })
}
