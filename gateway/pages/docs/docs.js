// Shows the description of the API that this server itself gives; nothing comes from elsewhere.

const schemas = {};

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/// Who may ask, in words.
function asker(operation) {
  if (!operation.security.length) return "everybody";
  const ways = operation.security.flatMap((way) => Object.entries(way));
  const open = operation.security.some((way) => !Object.keys(way).length) ? "everybody, or " : "";
  const roles = ways.find(([, roles]) => roles.length)?.[1];
  if (roles) return `${open}${roles.join(", ")}`;
  return open + (ways[0][0].startsWith("app") ? "a customer" : "the platform");
}

/// A schema as an example of itself, followed only so far: some hold themselves.
function sketch(schema, depth = 0) {
  if (!schema || depth > 6) return "…";
  if (schema.$ref) return sketch(schemas[schema.$ref.split("/").pop()], depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => sketch(part, depth + 1)));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return sketch(choices.find((one) => one.type !== "null"), depth + 1);
  if (schema.enum) return schema.enum.join(" | ");
  const type = [schema.type].flat().find((one) => one !== "null");
  if (type === "object") {
    const fields = Object.entries(schema.properties ?? {});
    return Object.fromEntries(fields.map(([name, field]) => [name, sketch(field, depth + 1)]));
  }
  if (type === "array") return [sketch(schema.items, depth + 1)];
  return type ?? "any";
}

function block(title, value) {
  return [element("h4", {}, title), element("pre", {}, JSON.stringify(value, null, 2))];
}

function parameters(operation) {
  if (!operation.parameters.length) return [];
  const rows = operation.parameters.map((one) =>
    element("tr", {},
      element("td", {}, element("code", {}, one.name)),
      element("td", {}, one.in + (one.required ? "" : ", optional")),
      element("td", {}, one.schema.type),
      element("td", {}, one.description ?? "")));
  return [element("h4", {}, "Parameters"), element("table", {}, ...rows)];
}

function shown(path, method, operation) {
  const parts = [...parameters(operation)];
  const body = operation.requestBody?.content["application/json"];
  if (body) parts.push(...block("Body, for example", body.example));
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status === "default") continue;
    const content = Object.entries(answer.content ?? {})[0];
    if (!content) parts.push(element("h4", {}, `Answer ${status}, empty`));
    else if (content[0] === "application/json") parts.push(...block(`Answer ${status}`, sketch(content[1].schema)));
    else parts.push(element("h4", {}, `Answer ${status}: ${content[0]}`));
  }
  const made = element("details", { id: operation.operationId },
    element("summary", {},
      element("span", { class: "method" }, method), element("code", {}, path),
      element("span", { class: "who" }, asker(operation)),
      element("div", {}, operation.summary)),
    ...parts);
  made.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
  return made;
}

async function show() {
  const answer = await fetch("/v1/openapi.json");
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const document_ = await answer.json();
  Object.assign(schemas, document_.components.schemas);
  document.getElementById("about").textContent =
    `Version ${document_.info.version}. ${document_.info.description}`;
  const main = document.getElementById("routes");
  for (const tag of document_.tags) {
    const routes = Object.entries(document_.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation.tags.includes(tag.name))
        .map(([method, operation]) => shown(path, method, operation)));
    main.append(element("section", {},
      element("h2", {}, tag.name), element("p", {}, tag.description), ...routes));
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const route of main.querySelectorAll("details")) {
      route.hidden = !words.every((word) => route.dataset.words.includes(word));
    }
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

show().catch((fault) => {
  document.getElementById("about").textContent =
    `The description cannot be read (${fault.message}). Try again.`;
});
