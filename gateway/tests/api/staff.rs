//! People and programs of an operator: signing in, roles, keys, and the log of what they did.

use crate::street::{Ask, Credential, OPERATOR, OTHER_OPERATOR, Reply, Server};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

fn hire(server: &Server, email: &str, role: &str) -> Value {
    let member = json!({"email": email, "name": "Bob", "role": role, "password": PASSWORD});
    server.post("/v1/staff", OPERATOR, &member).ok()
}

fn sign_in(server: &Server, email: &str, password: &str) -> Reply {
    let tried = json!({"email": email, "password": password});
    server.post("/v1/staff/sign-in", "", &tried)
}

fn ask(server: &Server, method: &str, path: &str, cookie: &str, body: Option<&Value>) -> Reply {
    server.ask(Ask {
        method,
        path,
        credential: Credential::Cookie(cookie),
        key: Some("k"),
        body,
    })
}

#[test]
fn staff_sign_in_with_a_password_and_out_again() {
    let server = Server::start();
    let hired = hire(&server, "Bob@Example.org", "clerk");
    assert_eq!(hired["email"], "bob@example.org");
    sign_in(&server, "bob@example.org", "correct horse batterY").problem(401);
    sign_in(&server, "eve@example.org", PASSWORD).problem(401);
    sign_in(&server, "no address", PASSWORD).problem(401);
    let reply = sign_in(&server, "BOB@example.org", PASSWORD);
    let attributes = reply.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    let cookie = reply.cookie();
    let me =
        json!({"name": "Bob", "operator": {"number": 1, "name": "Caffè Uno"}, "role": "clerk"});
    assert_eq!(reply.ok(), me);
    assert_eq!(ask(&server, "get", "/v1/staff/me", &cookie, None).ok(), me);
    let out = ask(&server, "post", "/v1/staff/sign-out", &cookie, None);
    assert_eq!(out.status, 204);
    ask(&server, "get", "/v1/staff/me", &cookie, None).problem(401);
}

#[test]
fn a_password_that_is_tried_too_often_has_to_wait_whoever_tries() {
    let server = Server::start();
    hire(&server, "bob@example.org", "owner");
    let told: Vec<u16> = (0..12)
        .map(|_| sign_in(&server, "bob@example.org", "wrong").status)
        .collect();
    assert_eq!(told, [[401; 10].as_slice(), &[429; 2]].concat());
    sign_in(&server, "bob@example.org", PASSWORD).problem(429);
}

#[test]
fn each_role_may_do_its_own_and_no_other_thing() {
    let server = Server::start();
    server.customer(42, "0.00");
    let amount = json!({"amount": "1.00"});
    let machine =
        json!({"machine": 9, "currency": "EUR", "cap": "1", "vends_max": 1, "fee_basis_points": 0});
    let key = json!({"name": "till", "role": "clerk"});
    for (role, clerks, technicians, owners) in [
        ("clerk", 201, 403, 403),
        ("technician", 403, 201, 403),
        ("owner", 201, 201, 201),
    ] {
        let email = format!("{role}@example.org");
        hire(&server, &email, role);
        let cookie = sign_in(&server, &email, PASSWORD).cookie();
        let api_key = json!({"name": role, "role": role});
        let made = server.post("/v1/api-keys", OPERATOR, &api_key).ok();
        let made = made["key"].as_str().expect("a key");
        for credential in [Credential::Cookie(&cookie), Credential::Bearer(made)] {
            let ask = |path: &str, body: &Value| {
                let reply = server.ask(Ask {
                    method: "post",
                    path,
                    credential,
                    key: Some(role),
                    body: Some(body),
                });
                (reply.status, reply.body["type"].clone())
            };
            let (status, kind) = ask("/v1/wallets/42/gifts", &amount);
            assert_eq!(status, clerks, "{role}: {kind}");
            assert_eq!(ask("/v1/machines", &machine).0, technicians, "{role}");
            let (status, kind) = ask("/v1/api-keys", &key);
            assert_eq!(status, owners, "{role}");
            if status == 403 {
                assert_eq!(kind, "urn:gettone:problem:forbidden");
            }
            let seen = server.ask(Ask {
                method: "get",
                path: "/v1/sales",
                credential,
                key: None,
                body: None,
            });
            assert_eq!(seen.status, 200, "everybody looks");
        }
    }
}

#[test]
fn a_key_is_shown_once_and_good_until_it_is_revoked() {
    let server = Server::start();
    let body = json!({"name": "till", "role": "clerk"});
    let made = server.post("/v1/api-keys", OPERATOR, &body).ok();
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("gettone_") && key.len() > 40, "{key}");
    assert_eq!(server.get("/v1/staff/me", key).ok()["role"], "clerk");
    let listed = server.get("/v1/api-keys", OPERATOR).ok();
    assert_eq!(listed["lines"][0]["name"], "till");
    assert_eq!(listed["lines"][0]["made_by"], "configured API key");
    assert!(!listed.to_string().contains(key), "{listed}");
    assert_eq!(
        server.get("/v1/api-keys", OTHER_OPERATOR).ok()["lines"],
        json!([])
    );
    let path = format!("/v1/api-keys/{}", made["id"]);
    let revoke = |credential| {
        server.ask(Ask {
            method: "delete",
            path: &path,
            credential: Credential::Bearer(credential),
            key: None,
            body: None,
        })
    };
    revoke(OTHER_OPERATOR).problem(404);
    revoke(key).problem(403);
    assert_eq!(revoke(OPERATOR).status, 204);
    server.get("/v1/staff/me", key).problem(401);
    revoke(OPERATOR).problem(404);
}

#[test]
fn who_is_let_go_is_out_at_once() {
    let server = Server::start();
    let hired = hire(&server, "bob@example.org", "owner");
    let cookie = sign_in(&server, "bob@example.org", PASSWORD).cookie();
    let path = format!("/v1/staff/{}", hired["id"]);
    let gone = ask(&server, "delete", &path, &cookie, None);
    assert_eq!(gone.status, 204);
    ask(&server, "get", "/v1/staff/me", &cookie, None).problem(401);
    sign_in(&server, "bob@example.org", PASSWORD).problem(401);
}

#[test]
fn a_new_password_ends_every_session_of_the_old_one() {
    let server = Server::start();
    hire(&server, "bob@example.org", "technician");
    let cookie = sign_in(&server, "bob@example.org", PASSWORD).cookie();
    let change = |old: &str, new: &str| {
        let body = json!({"old": old, "new": new});
        ask(
            &server,
            "put",
            "/v1/staff/me/password",
            &cookie,
            Some(&body),
        )
    };
    change("wrong", "staple is not enough").problem(403);
    change(PASSWORD, "short").problem(400);
    assert_eq!(change(PASSWORD, "staple is not enough").status, 204);
    ask(&server, "get", "/v1/staff/me", &cookie, None).problem(401);
    sign_in(&server, "bob@example.org", PASSWORD).problem(401);
    sign_in(&server, "bob@example.org", "staple is not enough").ok();
}

#[test]
fn nobody_is_taken_on_twice_or_with_a_weak_password() {
    let server = Server::start();
    hire(&server, "bob@example.org", "clerk");
    let member = |email: &str, role: &str, password: &str| json!({"email": email, "name": "Bob", "role": role, "password": password});
    let taken = member("bob@example.org", "owner", PASSWORD);
    server
        .post("/v1/staff", OTHER_OPERATOR, &taken)
        .problem(409);
    for wrong in [
        member("bob", "clerk", PASSWORD),
        member("eve@example.org", "queen", PASSWORD),
        member("eve@example.org", "clerk", "short"),
    ] {
        server.post("/v1/staff", OPERATOR, &wrong).problem(400);
    }
}

#[test]
fn the_log_tells_who_did_what_page_by_page() {
    let server = Server::start();
    hire(&server, "bob@example.org", "owner");
    let cookie = sign_in(&server, "bob@example.org", PASSWORD).cookie();
    let key = json!({"name": "till", "role": "clerk"});
    let made = ask(&server, "post", "/v1/api-keys", &cookie, Some(&key)).ok();
    let path = format!("/v1/api-keys/{}", made["id"]);
    assert_eq!(ask(&server, "delete", &path, &cookie, None).status, 204);
    let mut lines = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server
            .get(&format!("/v1/staff-log?limit=1{cursor}"), OPERATOR)
            .ok();
        lines.extend(page["lines"].as_array().expect("a list").clone());
        match page["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let told: Vec<[&str; 3]> = lines
        .iter()
        .map(|line| ["who", "what", "subject"].map(|field| line[field].as_str().expect("text")))
        .collect();
    assert_eq!(
        told,
        [
            ["bob@example.org", "api-key.remove", "till"],
            ["bob@example.org", "api-key.add", "till"],
            ["configured API key", "staff.add", "bob@example.org"],
        ]
    );
    assert_eq!(lines[2]["after"], json!({"name": "Bob", "role": "owner"}));
    assert_eq!(
        server.get("/v1/staff-log", OTHER_OPERATOR).ok()["lines"],
        json!([])
    );
}
