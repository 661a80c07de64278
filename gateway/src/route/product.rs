//! What machines sell, for their operator.

use super::machine::{command, own};
use super::shown_machine::ShownMachine;
use crate::api::{Asker, At, at, does};
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::{amount, money, some_words};
use actix_web::{HttpResponse, web};
use gettone_core::id::{Item, MachineId};
use gettone_core::machine::{Command, Machine, NAME_MAX, Product};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

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

/// A product's name and price, for a selection that stands in the path.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Priced {
    /// What it is called.
    name: String,
    /// What it costs.
    price: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines/{machine}/products").post(
            list,
            does(
                "Lists a product, or changes its name and price",
                Asker::Technician,
            )
            .takes::<NewProduct>(json!({"item": 11, "name": "Espresso", "price": "0.80"}))
            .answers::<ShownMachine>(201),
        ),
        at("/v1/machines/{machine}/products/{item}")
            .put(
                price,
                does(
                    "Lists a product, or changes its name and price",
                    Asker::Technician,
                )
                .takes::<Priced>(json!({"name": "Espresso", "price": "0.90"}))
                .answers::<ShownMachine>(200),
            )
            .delete(
                delist,
                does("Takes a product off the list", Asker::Technician)
                    .answers::<ShownMachine>(200),
            ),
    ]
}

async fn list(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<NewProduct>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let priced = Priced {
        name: new.name,
        price: new.price,
    };
    let machine = put(&gateway, &staff, (id, Item::new(new.item)), priced).await?;
    Ok(HttpResponse::Created().json(machine))
}

async fn price(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<(String, String)>,
    Body(new): Body<Priced>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = selection(&path)?;
    let machine = put(&gateway, &staff, (id, item), new).await?;
    Ok(HttpResponse::Ok().json(machine))
}

async fn delist(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = selection(&path)?;
    let machine = own(&gateway, id, staff.operator).await?;
    let before = machine.catalogue().get(&item);
    let before = before.map_or(json!(null), |product| told(product, &machine));
    let line = staff
        .did(
            "product.delist",
            format_args!("machine {id} item {}", item.number()),
        )
        .changed(before, json!(null));
    let machine = command(&gateway, &staff, id, (Command::Delist { item }, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

/// A product as the log has it.
fn told(product: &Product, machine: &Machine) -> serde_json::Value {
    let price = machine
        .currency()
        .map(|currency| money(product.price, currency));
    json!({"name": product.name, "price": price})
}

fn selection(path: &(String, String)) -> Result<(MachineId, Item), Problem> {
    let (machine, item) = path;
    Ok((
        MachineId::new(named("machine", machine)?),
        Item::new(named("selection", item)?),
    ))
}

/// Lists a product in place of what was listed there.
async fn put(
    gateway: &Gateway,
    staff: &Staff,
    place: (MachineId, Item),
    new: Priced,
) -> Result<ShownMachine, Problem> {
    let (id, item) = place;
    let machine = own(gateway, id, staff.operator).await?;
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let product = Product {
        name: some_words("name", &new.name, NAME_MAX)?,
        price: amount("price", &new.price, currency)?,
    };
    let line = staff
        .did(
            "product.list",
            format_args!("machine {id} item {}", item.number()),
        )
        .changed(
            machine
                .catalogue()
                .get(&item)
                .map_or(json!(null), |before| told(before, &machine)),
            told(&product, &machine),
        );
    command(gateway, staff, id, (Command::List { item, product }, line)).await
}
