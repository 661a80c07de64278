//! What customers want their machines to make at once: "short coffee, no sugar".

use crate::api::{Asker, At, at, does};
use crate::bounds::FAVOURITES_MAX;
use crate::database::favourite::{self, Favourite, Kept};
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Customer, nothing};
use actix_web::{HttpResponse, web};
use gettone_core::id::{Item, MachineId};
use gettone_mdb::{ItemOptions, Taste};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A favourite, or the end of one. What is left out, or 0, is as the machine makes it by itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFavourite {
    /// At which machine.
    machine: u32,
    /// The selection; null to have nothing made there any more.
    item: Option<u16>,
    /// 1 none, 7 most.
    #[serde(default)]
    sugar: u8,
    /// 1 the smallest, 3 the largest.
    #[serde(default)]
    cup: u8,
    /// 1 the weakest, 7 the strongest.
    #[serde(default)]
    strength: u8,
    /// 1 none, 7 most.
    #[serde(default)]
    whitener: u8,
}

/// A favourite.
#[derive(Serialize, ToSchema)]
struct ShownFavourite {
    machine: u32,
    item: u16,
    sugar: u8,
    cup: u8,
    strength: u8,
    whitener: u8,
}

/// The favourites of a customer.
#[derive(Serialize, ToSchema)]
struct Favourites {
    /// By machine.
    favourites: Vec<ShownFavourite>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/favourites")
            .get(
                show,
                does(
                    "Shows what the customer's machines make at once",
                    Asker::Customer,
                )
                .answers::<Favourites>(200),
            )
            .put(
                change,
                does(
                    "Changes what a machine makes as soon as the customer is there",
                    Asker::Customer,
                )
                .takes::<NewFavourite>(json!({"machine": 3, "item": 11, "sugar": 1, "cup": 1}))
                .answers::<Favourites>(200),
            ),
    ]
}

async fn show(gateway: web::Data<Gateway>, customer: Customer) -> Result<HttpResponse, Problem> {
    let number = customer.person()?;
    let all = gateway
        .database()
        .read(move |connection| favourite::all(connection, number))
        .await?;
    Ok(HttpResponse::Ok().json(Favourites {
        favourites: all.iter().map(ShownFavourite::of).collect(),
    }))
}

async fn change(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(new): Body<NewFavourite>,
) -> Result<HttpResponse, Problem> {
    let number = customer.person()?;
    let machine = MachineId::new(new.machine);
    let Some(item) = new.item else {
        gateway
            .database()
            .write(move |transaction| favourite::forget(transaction, number, machine))
            .await?;
        return show(gateway, customer).await;
    };
    let favourite = Favourite {
        machine,
        item: Item::new(item),
        options: new.options()?.to_u32(),
    };
    let sells = gateway
        .engine()
        .machine(machine)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .ok_or_else(|| nothing("machine"))?
        .catalogue()
        .contains_key(&favourite.item);
    if !sells {
        return Err(Kind::Refused.because(format!(
            "item: machine {machine} does not sell {item}; \
             GET /v1/app/machines/{machine} says what it sells"
        )));
    }
    let kept = gateway
        .database()
        .write(move |transaction| favourite::note(transaction, number, favourite))
        .await?;
    match kept {
        Kept::Yes => show(gateway, customer).await,
        Kept::Full => Err(Kind::Refused.because(format!(
            "there are {FAVOURITES_MAX} favourites already; forget one with item: null"
        ))),
    }
}

impl NewFavourite {
    fn options(&self) -> Result<ItemOptions, Problem> {
        let tastes = [
            ("sugar", Taste::Sugar, self.sugar),
            ("cup", Taste::Cup, self.cup),
            ("strength", Taste::Strength, self.strength),
            ("whitener", Taste::Whitener, self.whitener),
        ];
        let mut options = ItemOptions::DEFAULT;
        for (name, taste, amount) in tastes {
            options = options.taste(taste, amount).ok_or_else(|| {
                let most = taste.most();
                Kind::Malformed.because(format!("{name}: 0 to {most}"))
            })?;
        }
        Ok(options)
    }
}

impl ShownFavourite {
    fn of(favourite: &Favourite) -> Self {
        let options = ItemOptions::from_u32(favourite.options);
        Self {
            machine: favourite.machine.number(),
            item: favourite.item.number(),
            sugar: options.amount(Taste::Sugar),
            cup: options.amount(Taste::Cup),
            strength: options.amount(Taste::Strength),
            whitener: options.amount(Taste::Whitener),
        }
    }
}
