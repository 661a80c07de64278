//! Requests that move money: each has a name given by its client, has its effect once however often
//! it is sent, and gets the same answer again.
//!
//! An answer is kept after the effect. A crash between the two is harmless: the effect itself is
//! named after the same key, so the engine does it once, and the answer is made again.

use crate::bounds::IDEMPOTENCY_KEY_LEN_MAX;
use crate::database::answer::{self, Answer};
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Later, json_bytes, parsed};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use core::time::Duration;
use gettone_core::id::TransferId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const SLOT_LABEL: &[u8] = b"gettone idempotent request v1";
const TRANSFER_LABEL: &[u8] = b"gettone transfer v2";
const REPLAYED: &str = "idempotency-replayed";

/// A JSON body with the key that its client gave it.
#[derive(Debug)]
pub(crate) struct Keyed<T> {
    key: String,
    method: String,
    path: String,
    digest: [u8; 32],
    body: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = Problem;
    type Future = Later<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = key(request);
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        let bytes = json_bytes(request, payload);
        Box::pin(async move {
            let bytes = bytes.await?;
            Ok(Self {
                key: key?,
                method,
                path,
                digest: Sha256::digest(&bytes).into(),
                body: parsed(&bytes)?,
            })
        })
    }
}

impl<T> Keyed<T> {
    /// What was posted to `path`, and bears its key in itself.
    pub(crate) fn named(key: &str, path: &str, bytes: &[u8], body: T) -> Self {
        Self {
            key: key.to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            digest: Sha256::digest(bytes).into(),
            body,
        }
    }

    /// Does what is asked, unless it was done before: then it gives the answer that was given. The
    /// transfer that `act` makes has to bear the name that it is handed.
    ///
    /// # Errors
    /// `InFlight` while the same request is under way, `KeyReused` when the key came with another
    /// body, or what `act` says; a problem is not kept, so that it can be mended and tried again.
    pub(crate) async fn once<A: Serialize>(
        self,
        gateway: &Gateway,
        principal: &str,
        act: impl AsyncFnOnce(T, TransferId) -> Result<(StatusCode, A), Problem>,
    ) -> Result<HttpResponse, Problem> {
        let slot = slot(principal, &self.method, &self.path, &self.key);
        let _under_way = gateway.take_up(slot).ok_or_else(|| {
            Kind::InFlight
                .because("its answer is on its way to whoever asked first; ask again")
                .retry_after(Duration::from_secs(1))
        })?;
        let known = gateway
            .database()
            .read(move |connection| answer::find(connection, &slot))
            .await?;
        if let Some(known) = known {
            return replay(known, &self.digest);
        }
        let (status, answered) = act(self.body, transfer(&slot)).await?;
        let answer = serde_json::to_vec(&answered).map_err(|fault| {
            tracing::error!(%fault, "an answer cannot be written");
            Kind::Internal.because("it was done, and its answer cannot be written")
        })?;
        let keep = Answer {
            body: self.digest,
            status: status.as_u16(),
            answer: answer.clone(),
        };
        let kept = gateway
            .database()
            .write(move |transaction| answer::keep(transaction, &slot, &keep, now()))
            .await;
        if let Err(fault) = kept {
            // It was done; the same again will be done no second time, and be answered alike.
            tracing::error!(%fault, "an answer was not kept");
        }
        Ok(told(status, answer))
    }
}

fn replay(known: Answer, digest: &[u8; 32]) -> Result<HttpResponse, Problem> {
    if known.body != *digest {
        return Err(Kind::KeyReused.because("this idempotency key came with another body before"));
    }
    let status = StatusCode::from_u16(known.status)
        .map_err(|_| Kind::Internal.because("a kept answer has no status"))?;
    let mut response = told(status, known.answer);
    response.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static(REPLAYED),
        actix_web::http::header::HeaderValue::from_static("true"),
    );
    Ok(response)
}

fn told(status: StatusCode, json: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .body(json)
}

fn key(request: &HttpRequest) -> Result<String, Problem> {
    request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=IDEMPOTENCY_KEY_LEN_MAX).contains(&key.len()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Kind::Malformed.because(format!(
                "send an idempotency-key header of 1 to {IDEMPOTENCY_KEY_LEN_MAX} printable \
                 characters, the same one in every retry"
            ))
        })
}

fn slot(principal: &str, method: &str, path: &str, key: &str) -> [u8; 32] {
    [principal, method, path, key]
        .iter()
        .fold(Sha256::new().chain_update(SLOT_LABEL), |digest, part| {
            let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.chain_update(len.to_be_bytes()).chain_update(part)
        })
        .finalize()
        .into()
}

fn transfer(slot: &[u8; 32]) -> TransferId {
    let digest = Sha256::new()
        .chain_update(TRANSFER_LABEL)
        .chain_update(slot)
        .finalize();
    let (head, _) = digest
        .split_first_chunk()
        .expect("SHA-256 is longer than a name");
    TransferId::from_bytes(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::database::Ground;
    use crate::key;
    use actix_web::rt;
    use gettone::{Engine, Settings};
    use gettone_store::Memory;
    use std::path::Path;
    use tokio::sync::oneshot;

    fn gateway(home: &Path) -> Gateway {
        let config = Config::parse(
            "listen = \"127.0.0.1:0\"\nstate = \"state\"\n[[operator]]\nnumber = 1\nname = \"x\"\n\
             api_key_sha256 = \"2222222222222222222222222222222222222222222222222222222222222222\"",
            home,
        )
        .expect("sound");
        key::state_directory(&config.state).expect("made");
        let settings = Settings::default();
        let engine = Engine::start(Box::new(Memory::default()), settings, &mut |_, _| {});
        let database = Ground::open(&config.state, None).and_then(Ground::start);
        let (engine, database) = (engine.expect("started"), database.expect("opened"));
        Gateway::open(&config, engine, database).expect("opened")
    }

    fn keyed(body: u32) -> Keyed<u32> {
        Keyed {
            key: "k".to_owned(),
            method: "POST".to_owned(),
            path: "/a".to_owned(),
            digest: Sha256::digest(body.to_be_bytes()).into(),
            body,
        }
    }

    #[test]
    fn while_a_request_is_under_way_the_same_one_is_told_so_and_taken_after_it_broke_off() {
        let home = tempfile::tempdir().expect("a directory");
        rt::System::new().block_on(async {
            let gateway = gateway(home.path());
            let done = async |body: u32, _| Ok((StatusCode::CREATED, body));
            let (begun, seen) = oneshot::channel();
            let (_never, go) = oneshot::channel::<()>();
            let first = keyed(1).once(&gateway, "operator 1", async |body: u32, _| {
                begun.send(()).expect("it is awaited");
                let _ = go.await;
                Ok((StatusCode::CREATED, body))
            });
            let mut first = Box::pin(first);
            let second = async {
                seen.await.expect("begun");
                let same = keyed(1).once(&gateway, "operator 1", done).await;
                assert_eq!(same.expect_err("in flight").kind(), Kind::InFlight);
                let others = keyed(1).once(&gateway, "operator 2", done).await;
                assert_eq!(others.expect("taken").status(), StatusCode::CREATED);
            };
            // Whoever asked first goes away in the middle of it.
            rt::time::timeout(Duration::from_secs(60), async {
                beside(&mut first, second).await;
            })
            .await
            .expect("in time");
            drop(first);
            let taken = keyed(1).once(&gateway, "operator 1", done).await;
            assert_eq!(taken.expect("taken").status(), StatusCode::CREATED);
            let other = keyed(2).once(&gateway, "operator 1", done).await;
            assert_eq!(other.expect_err("reused").kind(), Kind::KeyReused);
        });
    }

    /// Waits for `second` while `first` goes on.
    async fn beside(first: &mut (impl Future + Unpin), second: impl Future<Output = ()>) {
        let mut second = Box::pin(second);
        core::future::poll_fn(|context| {
            let _ = core::pin::Pin::new(&mut *first).poll(context);
            second.as_mut().poll(context)
        })
        .await;
    }

    #[test]
    fn a_key_names_another_transfer_for_each_principal_method_and_path() {
        let slots = [
            slot("operator 1", "POST", "/a", "k"),
            slot("operator 2", "POST", "/a", "k"),
            slot("operator 1", "PUT", "/a", "k"),
            slot("operator 1", "POST", "/b", "k"),
            slot("operator 1", "POST", "/a", "l"),
            slot("operator 1", "POST", "/ak", ""),
        ];
        for (place, left) in slots.iter().enumerate() {
            assert!(slots[..place].iter().all(|right| right != left), "{place}");
            assert!(
                slots[..place]
                    .iter()
                    .all(|right| transfer(right) != transfer(left)),
                "{place}"
            );
        }
    }
}
