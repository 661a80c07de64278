//! Machines and what they sell, for their operator.

use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Body, Operator, named, nothing};
use crate::text::{amount, currency, money};
use actix_web::{HttpResponse, web};
use gettone_core::id::{Item, MachineId, OperatorId};
use gettone_core::machine::{Command, Machine, Policy, Product};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMachine {
    machine: u32,
    currency: String,
    cap: String,
    vends_max: u8,
    fee_basis_points: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProduct {
    item: u16,
    name: String,
    price: String,
}

#[derive(Serialize)]
struct ShownMachine {
    machine: u32,
    operator: u32,
    life: String,
    currency: &'static str,
    cap: String,
    vends_max: u8,
    fee_basis_points: u16,
    reader: Option<String>,
    products: Vec<ShownProduct>,
}

#[derive(Serialize)]
struct ShownProduct {
    item: u16,
    name: String,
    price: String,
}

pub(super) async fn register(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    Body(new): Body<NewMachine>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(new.machine);
    let currency = currency("currency", &new.currency)?;
    let policy = Policy {
        cap: amount("cap", &new.cap, currency)?,
        vends_max: new.vends_max,
        fee_basis_points: new.fee_basis_points,
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
    Ok(HttpResponse::Created().json(shown(id, &machine)))
}

pub(super) async fn list(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    path: web::Path<String>,
    Body(new): Body<NewProduct>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
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
    Ok(HttpResponse::Created().json(shown(id, &machine)))
}

pub(super) async fn show(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = own(&gateway, id, operator).await?;
    Ok(HttpResponse::Ok().json(shown(id, &machine)))
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
        .filter(|machine| machine.operator() == Some(operator))
        .map(|machine| *machine)
        .ok_or_else(|| nothing("machine"))
}

fn shown(id: MachineId, machine: &Machine) -> Option<ShownMachine> {
    let (operator, currency, policy) =
        (machine.operator()?, machine.currency()?, machine.policy()?);
    Some(ShownMachine {
        machine: id.number(),
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
