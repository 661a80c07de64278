//! Every route of the list, asked by the wrong people: what belongs to one operator or customer is
//! out of reach of the others, and a route that is added is asked too.

#[allow(
    dead_code,
    reason = "the street of the API tests; this is only a part of its people"
)]
#[path = "../tests/api/street.rs"]
mod street;

use crate::gateway::Ownership;
use gettone_channel::{Item, ReceiptKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use street::{Ask, Board, Credential, OPERATOR, OTHER_OPERATOR, PLATFORM, Reply, Server};

/// Routes that need no credential. A new one has to be added here, so that nobody opens a door
/// without noticing.
const PUBLIC: [&str; 13] = [
    "get_app_machines_machine",
    "get_health_live",
    "get_health_ready",
    "get_openapi_json",
    "get_road_reader",
    "get_version",
    "post_app_codes",
    "post_app_relay",
    "post_app_sign_in",
    "post_app_sign_out",
    "post_app_token",
    "post_staff_sign_in",
    "post_staff_sign_out",
];

/// What the owner of everything is answered where that is no success.
const ODD: [(&str, u16); 2] = [
    // A firmware file is no JSON.
    ("put_firmware_number", 415),
    // The owner here is an API key, which has no password.
    ("put_staff_me_password", 403),
];

/// A word that stands in everything of the first operator and the first customer.
const MARK: &str = "zebra";

/// One route, and how it is asked.
struct Route {
    id: String,
    method: String,
    path: String,
    names_a_thing: bool,
    is_keyed: bool,
    schemes: Vec<String>,
    body: Option<Value>,
}

/// Everything of the first operator and of the first customer.
struct Theirs {
    server: Server,
    board: Board,
    vend: String,
    app: String,
    customer: u64,
    ids: BTreeMap<&'static str, i64>,
}

impl Theirs {
    fn on(server: Server) -> Self {
        let board = server.board();
        let place = json!({
            "machine": 4, "currency": "EUR", "cap": "5.00", "vends_max": 3, "fee_basis_points": 0,
            "name": MARK, "place": MARK,
        });
        server.post("/v1/machines", OPERATOR, &place).ok();
        let member = json!({
            "email": format!("{MARK}@example.org"), "name": MARK, "role": "clerk",
            "password": "correct horse",
        });
        let staff = server.post("/v1/staff", OPERATOR, &member).ok();
        let audit =
            json!({"words": format!("DXS*GTN0000001*VA*V0/6*1\r\nID1*{MARK}\r\nDXE*1*1\r\n")});
        let brought = server.ask(Ask {
            method: "put",
            path: "/v1/machines/3/dts",
            credential: Credential::Bearer(OPERATOR),
            key: None,
            body: Some(&audit),
        });
        brought.ok();
        let configured = server.ask(Ask {
            method: "put",
            path: &format!("/v1/readers/{}/config", board.id()),
            credential: Credential::Bearer(OPERATOR),
            key: None,
            body: Some(&json!({"text": format!("# {MARK}\n")})),
        });
        configured.ok();
        let firmware = street::firmware(7, MARK);
        server
            .put_octets("/v1/firmware/7", OPERATOR, &firmware)
            .ok();
        let key = json!({"name": MARK, "role": "clerk"});
        let key = server.post("/v1/api-keys", OPERATOR, &key).ok();
        let (app, customer) = server.person(&format!("{MARK}@example.com"));
        let mut theirs = Self {
            server,
            board,
            vend: String::new(),
            app,
            customer,
            ids: BTreeMap::from([
                ("/v1/staff/", staff["id"].as_i64().expect("a number")),
                ("/v1/api-keys/", key["id"].as_i64().expect("a number")),
            ]),
        };
        theirs.buy();
        theirs
    }

    /// The first customer opens a wallet and buys an espresso, and says that nothing fell.
    fn buy(&mut self) {
        let (server, board) = (&self.server, &mut self.board);
        let app = |path: &str, body: &Value| {
            server.ask(Ask {
                method: "post",
                path,
                credential: Credential::Cookie(&self.app),
                key: None,
                body: Some(body),
            })
        };
        let wallet = app("/v1/app/wallets", &json!({"currency": "EUR"})).ok();
        let top_ups = format!("/v1/wallets/{}/top-ups", wallet["wallet"]);
        server
            .post_keyed(&top_ups, PLATFORM, "k", &json!({"amount": "5.00"}))
            .ok();
        let hello = board.hello();
        let envelope = board.seal(&[Item::Hello(hello)]);
        let carried = street::carried(Some(hello.bind), &[envelope]);
        let relayed = app("/v1/app/relay", &carried).ok();
        let grant = board.answer(&street::Relayed::of(&relayed)).grant;
        let grant = grant.expect("a grant").grant;
        board.write(grant, ReceiptKind::VendOk, 11, 80);
        server.relay("", None, &[board.outbox(1)]);
        self.vend = grant.to_string();
        let claim = json!({"vend": self.vend, "rseq": 1, "words": MARK});
        // The projection follows the journal at its own pace.
        while app("/v1/app/claims", &claim).status != 201 {}
        let refunds = server.get("/v1/refunds", OPERATOR);
        if refunds.status == 200 {
            let id = refunds.ok()["lines"][0]["id"].as_i64().expect("a case");
            self.ids.insert("/v1/refunds/", id);
        }
    }

    /// Asks a route about everything that is theirs.
    fn ask(&self, route: &Route, credential: Credential<'_>, key: &str) -> Reply {
        self.server.ask(Ask {
            method: &route.method,
            path: &self.named(&route.path),
            credential,
            key: route.is_keyed.then_some(key),
            body: route.body.as_ref().map(|body| self.filled(body)).as_ref(),
        })
    }

    fn named(&self, path: &str) -> String {
        path.split('/')
            .map(|part| {
                let Some(name) = part
                    .strip_prefix('{')
                    .and_then(|part| part.strip_suffix('}'))
                else {
                    return part.to_owned();
                };
                match name {
                    "machine" => "3".to_owned(),
                    "item" => "11".to_owned(),
                    "reader" => self.board.id(),
                    "wallet" => "1000000042".to_owned(),
                    "operator" => "1".to_owned(),
                    "kind" => "configuration".to_owned(),
                    "number" => "7".to_owned(),
                    "payout" | "payment" | "dispute" => "5".repeat(32),
                    "id" => self
                        .ids
                        .iter()
                        .find(|(prefix, _)| path.starts_with(*prefix))
                        .unwrap_or_else(|| panic!("{path}: say here what of theirs has an id"))
                        .1
                        .to_string(),
                    other => panic!("{path}: say here what of theirs is a {other}"),
                }
            })
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The example of a body, about what is theirs.
    fn filled(&self, example: &Value) -> Value {
        let Value::Object(fields) = example else {
            return example.clone();
        };
        let fields = fields.iter().map(|(name, value)| {
            let value = match name.as_str() {
                "machine" => json!(3),
                "customer" => json!(self.customer),
                "vend" => json!(self.vend),
                "rseq" => json!(1),
                "public_key" => json!(self.board.key.public().to_string()),
                "claim_code" => json!(street::claim_code(&self.board.key.public())),
                _ => value.clone(),
            };
            (name.clone(), value)
        });
        Value::Object(fields.collect())
    }

    /// Everything of theirs that can be seen.
    fn seen(&self, routes: &[Route]) -> Vec<(String, Value)> {
        routes
            .iter()
            .filter(|route| route.method == "get" && !PUBLIC.contains(&route.id.as_str()))
            .filter_map(|route| {
                let credential = self.owner_of(route)?;
                let reply = self.ask(route, credential, "");
                Some((route.id.clone(), reply.body))
            })
            .collect()
    }

    fn owner_of(&self, route: &Route) -> Option<Credential<'_>> {
        let has = |scheme: &str| route.schemes.iter().any(|one| one == scheme);
        if has("api_key") {
            Some(Credential::Bearer(OPERATOR))
        } else if has("app_session") {
            Some(Credential::Cookie(&self.app))
        } else if has("platform_key") {
            Some(Credential::Bearer(PLATFORM))
        } else {
            None
        }
    }
}

fn routes(server: &Server) -> Vec<Route> {
    let document = server.get("/v1/openapi.json", "").ok();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        // A stream has no end to wait for; its own test keeps operators apart.
        if path == "/v1/live" {
            continue;
        }
        for (method, operation) in methods.as_object().expect("methods") {
            let schemes = operation["security"]
                .as_array()
                .expect("a list")
                .iter()
                .flat_map(|way| way.as_object().expect("an object").keys().cloned());
            routes.push(Route {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.clone(),
                path: path.clone(),
                names_a_thing: path.contains('{'),
                is_keyed: operation["parameters"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["name"] == "Idempotency-Key")),
                schemes: schemes.collect(),
                body: operation["requestBody"]["content"]["application/json"]
                    .get("example")
                    .cloned(),
            });
        }
    }
    // What takes something away comes last.
    routes.sort_by_key(|route| {
        let order = ["get", "post", "put", "patch", "delete"];
        let takes_away = ["revoke", "replace", "sign_out"]
            .iter()
            .any(|word| route.id.contains(word));
        (
            takes_away,
            order.iter().position(|one| *one == route.method),
            core::cmp::Reverse(route.path.len()),
        )
    });
    routes
}

/// What the others could do or see that is not theirs, in words.
fn leaks(theirs: &Theirs, routes: &[Route]) -> Vec<String> {
    let (other_app, _) = theirs.server.person("other@example.com");
    let mut leaks = Vec::new();
    let before = theirs.seen(routes);
    for route in routes
        .iter()
        .filter(|route| !PUBLIC.contains(&route.id.as_str()))
    {
        let is_operators = route.schemes.iter().any(|one| one == "api_key");
        let other = if is_operators {
            Credential::Bearer(OTHER_OPERATOR)
        } else if route.schemes.iter().any(|one| one == "app_session") {
            Credential::Cookie(&other_app)
        } else {
            continue;
        };
        // Whoever forgets their own account forgets nobody else's, and asks nothing after it.
        // Every operator may give every customer credit of its own; that takes nothing away.
        // Every operator numbers programs of its own.
        let own = ["delete_app_me", "post_credits", "put_firmware_number"];
        if own.contains(&route.id.as_str()) {
            continue;
        }
        let reply = theirs.ask(route, other, "theirs");
        if route.names_a_thing && ![403, 404].contains(&reply.status) {
            leaks.push(format!("{}: {} to a stranger", route.id, reply.status));
        }
        if reply.body.to_string().contains(MARK) {
            leaks.push(format!("{}: shows a stranger {}", route.id, reply.body));
        }
        let stranger = theirs.ask(route, Credential::None, "nobody's");
        if stranger.status != 401 {
            leaks.push(format!("{}: {} to nobody", route.id, stranger.status));
        }
    }
    let after = theirs.seen(routes);
    for ((id, before), (_, after)) in before.iter().zip(&after) {
        if before != after {
            leaks.push(format!("{id}: a stranger made {before} into {after}"));
        }
    }
    leaks
}

#[test]
fn nobody_reaches_what_is_somebody_elses() {
    let theirs = Theirs::on(Server::start());
    let routes = routes(&theirs.server);
    assert_eq!(leaks(&theirs, &routes), [""; 0]);
}

#[test]
fn without_the_look_at_whose_it_is_everybody_reaches_everything() {
    let ignoring = Server::start_as(|config| config.ownership = Ownership::Ignored);
    let theirs = Theirs::on(ignoring);
    let routes = routes(&theirs.server);
    let leaks = leaks(&theirs, &routes);
    assert!(
        leaks
            .iter()
            .any(|leak| leak.contains("get_machines_machine")),
        "the test sees no difference: {leaks:?}"
    );
}

#[test]
fn the_owner_reaches_everything_that_is_asked_for_above() {
    let theirs = Theirs::on(Server::start());
    let routes = routes(&theirs.server);
    let gifted = json!({"wallet": 42, "currency": "EUR"});
    theirs.server.post("/v1/wallets", OPERATOR, &gifted).ok();
    for route in &routes {
        let Some(credential) = theirs.owner_of(route) else {
            continue;
        };
        let reply = theirs.ask(route, credential, "theirs");
        let odd = ODD.iter().find(|(id, _)| *id == route.id);
        match odd {
            Some((_, status)) => assert_eq!(reply.status, *status, "{}: {reply:?}", route.id),
            None => assert!(
                ![400, 401, 403, 404, 405, 415, 500].contains(&reply.status),
                "{}: {reply:?}",
                route.id
            ),
        }
    }
}

#[test]
fn the_open_doors_are_the_ones_that_were_meant_to_be_open() {
    let server = Server::start();
    let mut open: Vec<String> = routes(&server)
        .into_iter()
        .filter(|route| {
            route.schemes.is_empty() || route.schemes.iter().all(|one| one.starts_with("app_"))
        })
        .filter(|route| {
            let reply = server.ask(Ask {
                method: &route.method,
                path: &route.path.replace("{machine}", "3"),
                credential: Credential::None,
                key: None,
                body: route.body.as_ref(),
            });
            reply.status != 401 || route.id.contains("sign_in")
        })
        .map(|route| route.id)
        .collect();
    open.sort();
    let mut meant = PUBLIC.map(str::to_owned).to_vec();
    meant.sort();
    assert_eq!(open, meant);
}
