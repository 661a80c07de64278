//! The routes, and nothing that they rest on.

mod app;
mod health;
mod machine;
mod reader;
mod relay;
mod sale;
mod wallet;

use crate::bounds::{BODY_LEN_MAX, LIST_LEN, LIST_LEN_MAX};
use crate::problem::{Kind, Problem};
use actix_web::{Resource, web};
use serde::Deserialize;

/// Adds every route; what is none of them gets a problem too.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(BODY_LEN_MAX))
        .app_data(
            web::QueryConfig::default()
                .error_handler(|fault, _| Kind::Malformed.because(fault).into()),
        )
        .service(at("/health/live").get(health::live))
        .service(at("/health/ready").get(health::ready))
        .service(at("/version").get(health::version))
        .service(at("/v1/machines").post(machine::register))
        .service(at("/v1/machines/{machine}").get(machine::show))
        .service(at("/v1/machines/{machine}/products").post(machine::list))
        .service(at("/v1/readers").post(reader::enrol))
        .service(at("/v1/readers/{reader}").get(reader::show))
        .service(at("/v1/readers/{reader}/revoke").post(reader::revoke))
        .service(at("/v1/wallets").post(wallet::open))
        .service(at("/v1/wallets/{wallet}/gifts").post(wallet::give))
        .service(at("/v1/wallets/{wallet}/top-ups").post(wallet::top_up))
        .service(at("/v1/sales").get(sale::list))
        .service(at("/v1/app/wallet").get(app::wallet))
        .service(at("/v1/app/receipts").get(app::receipts))
        .service(at("/v1/app/relay").post(relay::relay))
        .configure(crate::page::pages)
        .default_service(web::to(nowhere));
}

/// How much of a list is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<usize>,
}

impl Limit {
    fn len(&self) -> usize {
        self.limit.unwrap_or(LIST_LEN).min(LIST_LEN_MAX)
    }
}

/// One path, which refuses every other method with a problem.
struct At(Resource);

fn at(path: &str) -> At {
    At(web::resource(path).default_service(web::to(other_method)))
}

macro_rules! method {
    ($name:ident) => {
        fn $name<F, Args>(self, handler: F) -> Resource
        where
            F: actix_web::Handler<Args>,
            Args: actix_web::FromRequest + 'static,
            F::Output: actix_web::Responder + 'static,
        {
            self.0.route(web::$name().to(handler))
        }
    };
}

impl At {
    method!(get);
    method!(post);
}

async fn nowhere() -> Result<&'static str, Problem> {
    Err(Kind::NotFound.because("there is no such route"))
}

async fn other_method() -> Result<&'static str, Problem> {
    Err(Kind::Method.because("the route does not take this method"))
}
