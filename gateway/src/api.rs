//! What a route is: the handler and the words about it, said in one place. Nothing is served that
//! is not described, because both come out of the same list.

use crate::request::{APP_COOKIE, STAFF_COOKIE};
use crate::signature::SIGNATURE;
use actix_web::{FromRequest, Handler, Resource, Responder, web};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// One path with its methods; every other method gets a problem.
pub(crate) struct At {
    path: &'static str,
    resource: Resource,
    operations: Vec<(&'static str, Operation)>,
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// Everybody.
    Anyone,
    /// A customer, who may also stay unknown.
    AnyoneOrCustomer,
    /// A customer.
    Customer,
    /// Somebody of an operator.
    Staff,
    /// An owner or a clerk of an operator.
    Clerk,
    /// An owner or a technician of an operator.
    Technician,
    /// An owner of an operator.
    Owner,
    /// The platform.
    Platform,
    /// Whoever carries messages, and signs what it posts.
    Signer,
}

/// What there is to say about one method of a path.
pub(crate) struct Operation {
    summary: &'static str,
    asker: Asker,
    is_keyed: bool,
    query: Vec<(&'static str, &'static str, &'static str)>,
    body: Option<(Content, Value)>,
    answers: Vec<(u16, Option<Content>)>,
}

struct Content {
    media_type: &'static str,
    schema: Value,
    schemas: Vec<(String, Value)>,
}

/// Says what an operation does, and for whom.
pub(crate) fn does(summary: &'static str, asker: Asker) -> Operation {
    Operation {
        summary,
        asker,
        is_keyed: false,
        query: Vec::new(),
        body: None,
        answers: Vec::new(),
    }
}

impl Operation {
    /// It takes a JSON body, such as this one.
    pub(crate) fn takes<T: ToSchema>(mut self, example: Value) -> Self {
        self.body = Some((Content::of::<T>(), example));
        self
    }

    /// It takes a file.
    pub(crate) fn takes_octets(mut self) -> Self {
        let content = Content {
            media_type: "application/octet-stream",
            schema: json!({"type": "string", "format": "binary"}),
            schemas: Vec::new(),
        };
        self.body = Some((content, json!("")));
        self
    }

    /// It moves money, and needs an idempotency key.
    pub(crate) fn keyed(mut self) -> Self {
        self.is_keyed = true;
        self
    }

    /// It answers JSON.
    pub(crate) fn answers<T: ToSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(Content::of::<T>())));
        self
    }

    /// It answers a list of these, page by page or all of them.
    pub(crate) fn lists<T: ToSchema>(mut self) -> Self {
        let mut content = Content::of::<T>();
        content.schema = json!({
            "type": "object",
            "required": ["lines", "next"],
            "properties": {
                "lines": {"type": "array", "items": content.schema},
                "next": {
                    "type": ["integer", "null"],
                    "description": "The cursor of the next page; null when this is the last one.",
                },
            },
        });
        self.answers.push((200, Some(content)));
        self
    }

    /// It answers something else than JSON.
    pub(crate) fn answers_with(mut self, status: u16, media_type: &'static str) -> Self {
        let content = Content {
            media_type,
            schema: json!({"type": "string"}),
            schemas: Vec::new(),
        };
        self.answers.push((status, Some(content)));
        self
    }

    /// It answers with nothing but a status.
    pub(crate) fn answers_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, None));
        self
    }

    /// It looks at a query parameter of this JSON type.
    pub(crate) fn query(
        mut self,
        name: &'static str,
        kind: &'static str,
        words: &'static str,
    ) -> Self {
        self.query.push((name, kind, words));
        self
    }

    /// It answers a list page by page.
    pub(crate) fn paged(self) -> Self {
        self.query("limit", "integer", "How many lines, at most 200.")
            .query("cursor", "integer", "The `next` of the page before.")
    }

    fn to_json(&self, path: &str, method: &str) -> Value {
        let mut parameters: Vec<Value> = parameters(path)
            .map(|name| {
                json!({
                    "name": name, "in": "path", "required": true,
                    "schema": {"type": kind_of(name)},
                })
            })
            .collect();
        parameters.extend(self.query.iter().map(|(name, kind, words)| {
            json!({
                "name": name, "in": "query", "required": false, "description": words,
                "schema": {"type": kind},
            })
        }));
        if self.is_keyed {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": true,
                "description": "1 to 64 printable characters, the same in every retry.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 64},
            }));
        }
        let mut responses = Map::new();
        for (status, content) in &self.answers {
            let mut response = json!({"description": "It was done."});
            if let Some(content) = content {
                response["content"] = json!({content.media_type: {"schema": content.schema}});
            }
            responses.insert(status.to_string(), response);
        }
        responses.insert(
            "default".to_owned(),
            json!({"$ref": "#/components/responses/Problem"}),
        );
        let mut operation = json!({
            "operationId": operation_id(path, method),
            "summary": self.summary,
            "tags": [self.asker.tag()],
            "parameters": parameters,
            "responses": responses,
            "security": self.asker.security(),
        });
        if let Some((content, example)) = &self.body {
            operation["requestBody"] = json!({
                "required": true,
                "content": {content.media_type: {"schema": content.schema, "example": example}},
            });
        }
        operation
    }

    fn schemas(&self) -> impl Iterator<Item = &(String, Value)> {
        let body = self.body.iter().map(|(content, _)| content);
        let answers = self
            .answers
            .iter()
            .filter_map(|(_, content)| content.as_ref());
        body.chain(answers).flat_map(|content| &content.schemas)
    }
}

impl Content {
    fn of<T: ToSchema>() -> Self {
        let name = T::name().into_owned();
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        let schemas = nested
            .into_iter()
            .chain([(name.clone(), T::schema())])
            .map(|(name, schema)| {
                let schema = serde_json::to_value(schema).expect("a schema is JSON");
                (name, schema)
            })
            .collect();
        Self {
            media_type: "application/json",
            schema: json!({"$ref": format!("#/components/schemas/{name}")}),
            schemas,
        }
    }
}

impl Asker {
    const fn tag(self) -> &'static str {
        match self {
            Self::Anyone | Self::AnyoneOrCustomer => "everybody",
            Self::Customer => "customers",
            Self::Staff | Self::Clerk | Self::Technician | Self::Owner => "operators",
            Self::Platform => "platform",
            Self::Signer => "messages",
        }
    }

    fn security(self) -> Value {
        match self {
            Self::Anyone => json!([]),
            Self::AnyoneOrCustomer => json!([{}, {"app_token": []}, {"app_session": []}]),
            Self::Customer => json!([{"app_token": []}, {"app_session": []}]),
            // Which roles may is said after the name of the scheme, as OpenAPI 3.1 allows.
            Self::Staff => staff(&["owner", "clerk", "technician"]),
            Self::Clerk => staff(&["owner", "clerk"]),
            Self::Technician => staff(&["owner", "technician"]),
            Self::Owner => staff(&["owner"]),
            Self::Platform => json!([{"platform_key": []}]),
            Self::Signer => json!([{"signature": []}]),
        }
    }
}

fn staff(roles: &[&str]) -> Value {
    json!([{"api_key": roles}, {"staff_session": roles}])
}

/// One path.
pub(crate) fn at(path: &'static str) -> At {
    At {
        path,
        resource: web::resource(path).default_service(web::to(other_method)),
        operations: Vec::new(),
    }
}

macro_rules! method {
    ($name:ident) => {
        /// Adds this method, and what there is to say about it.
        pub(crate) fn $name<F, Args>(mut self, handler: F, operation: Operation) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.resource = self.resource.route(web::$name().to(handler));
            self.operations.push((stringify!($name), operation));
            self
        }
    };
}

impl At {
    method!(get);
    method!(post);
    method!(put);
    method!(patch);
    method!(delete);

    /// Has it served.
    pub(crate) fn serve(self, app: &mut web::ServiceConfig) {
        app.service(self.resource);
    }
}

async fn other_method() -> Result<&'static str, crate::problem::Problem> {
    Err(crate::problem::Kind::Method.because("the route does not take this method"))
}

/// The OpenAPI document of a list of routes.
pub(crate) fn document(routes: &[At]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for at in routes {
        let mut methods = Map::new();
        for (method, operation) in &at.operations {
            methods.insert((*method).to_owned(), operation.to_json(at.path, method));
            for (name, schema) in operation.schemas() {
                schemas.insert(name.clone(), schema.clone());
            }
        }
        paths.insert(at.path.to_owned(), Value::Object(methods));
    }
    schemas.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gettone gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Amounts are decimal strings with their currency's digits, times are \
                milliseconds since 1970, lists are {lines, next}. Errors are problems after RFC \
                9457. Sessions by cookie need content-type application/json on whatever changes \
                something.",
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "everybody", "description": "Needs no credential."},
            {"name": "customers", "description": "For a customer: an app token, or a session."},
            {"name": "operators", "description": "For an operator's staff and programs."},
            {"name": "platform", "description": "For whoever confirms that money came in."},
            {"name": "messages", "description": "For whoever carries customers' SMS."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "It was not done, and why.",
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                }},
            }},
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer",
                    "description": "An operator's API key."},
                "staff_session": {"type": "apiKey", "in": "cookie", "name": STAFF_COOKIE},
                "platform_key": {"type": "http", "scheme": "bearer",
                    "description": "The platform's API key."},
                "signature": {"type": "apiKey", "in": "header", "name": SIGNATURE,
                    "description": "t=SECONDS,v1=HEX: HMAC-SHA256 over SECONDS, a dot, and the body."},
                "app_token": {"type": "http", "scheme": "bearer",
                    "description": "The token of one wallet."},
                "app_session": {"type": "apiKey", "in": "cookie", "name": APP_COOKIE},
            },
        },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "What is the matter (RFC 9457); some kinds have figures beside these.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "Names the kind; it never changes."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is the matter in this case."},
        },
        "additionalProperties": true,
    })
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn kind_of(parameter: &str) -> &'static str {
    match parameter {
        "machine" | "item" | "wallet" | "id" => "integer",
        _ => "string",
    }
}

fn operation_id(path: &str, method: &str) -> String {
    let words = path
        .split(['/', '-', '.'])
        .filter(|part| !part.is_empty() && *part != "v1")
        .map(|part| part.trim_matches(['{', '}']));
    [method]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::table;

    #[test]
    fn two_things_of_one_name_are_the_same_thing() {
        let mut seen = Map::new();
        for at in table() {
            for (_, operation) in &at.operations {
                for (name, schema) in operation.schemas() {
                    let known = seen.entry(name.clone()).or_insert_with(|| schema.clone());
                    assert_eq!(known, schema, "{}: another {name}", at.path);
                }
            }
        }
        assert!(seen.len() > 20, "{} schemas", seen.len());
    }
}
