// Who may use the console and the API.

import { remove, send, whole } from "./api.js";
import { choice, confirm, dialog, field, form, h, say, table } from "./dom.js";
import { ROLES, time } from "./words.js";

export async function people({ me, again }) {
  const [staff, keys] = await Promise.all([whole("/v1/staff"), whole("/v1/api-keys")]);
  return [
    h("h1", {}, "Staff and keys"),
    h("section", { class: "sheet", "aria-label": "Staff" },
      h("h2", {}, "Staff"),
      table({
        caption: "People who can sign in here",
        columns: [
          { title: "Name", cell: (line) => line.name },
          { title: "E-mail", cell: (line) => line.email },
          { title: "Role", cell: (line) => ROLES[line.role] ?? line.role },
          { title: "Since", cell: (line) => time(line.since_ms) },
          { title: "", tight: true, cell: (line) => h("button", { type: "button", class: "grave", onclick: () => confirm({
            title: `Remove ${line.name}?`,
            words: `${line.email} is signed out at once and cannot sign in any more. The log keeps the name.`,
            yes: "Remove",
            act: async () => { await remove(`/v1/staff/${line.id}`); say(`${line.name} is removed.`); again(); },
          }) }, "Remove") },
        ],
        lines: staff,
        empty: "Nobody can sign in yet; this session came by an API key.",
      }),
      h("details", {}, h("summary", {}, "Add somebody"), form({
        fields: [
          field("Name", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" })),
          field("E-mail", h("input", { name: "email", type: "email", required: true, autocomplete: "off" })),
          field("Role", choice("role", Object.entries(ROLES), "clerk")),
          field("First password", h("input", { name: "password", type: "password", required: true, minlength: 10, autocomplete: "new-password" }), "10 characters or more; hand it over in person"),
        ],
        submit: "Add",
        send: async (values) => { await send("/v1/staff", values); say(`${values.name} can sign in.`); again(); },
      }))),
    h("section", { class: "sheet", "aria-label": "API keys" },
      h("h2", {}, "API keys"),
      h("p", { class: "faint small" }, "For programs of yours. A key can do what its role can do; it is shown once and kept nowhere."),
      table({
        caption: "Keys in use",
        columns: [
          { title: "Name", cell: (line) => line.name },
          { title: "Role", cell: (line) => ROLES[line.role] ?? line.role ?? "" },
          { title: "Made", cell: (line) => time(line.since_ms) },
          { title: "By", cell: (line) => line.made_by },
          { title: "", tight: true, cell: (line) => h("button", { type: "button", class: "grave", onclick: () => confirm({
            title: `Revoke the key ${line.name}?`,
            words: "Programs that use it are refused at once.",
            yes: "Revoke",
            act: async () => { await remove(`/v1/api-keys/${line.id}`); say("The key is revoked."); again(); },
          }) }, "Revoke") },
        ],
        lines: keys,
        empty: "No key has been made here.",
      }),
      h("details", {}, h("summary", {}, "Make a key"), form({
        fields: [
          field("Name", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" }), "what it is for"),
          field("Role", choice("role", Object.entries(ROLES), "clerk")),
        ],
        submit: "Make a key",
        send: async (values) => {
          const made = await send("/v1/api-keys", values);
          dialog("The new key", (close) => [
            h("p", {}, "Copy it now. It cannot be shown again."),
            h("p", { class: "note code", tabindex: 0 }, made.key),
            h("div", { class: "actions" },
              h("button", { type: "button", class: "main", onclick: async () => {
                try {
                  await navigator.clipboard.writeText(made.key);
                  say("Copied.");
                } catch {
                  say("The browser does not allow to copy; select the key by hand.");
                }
              } }, "Copy"),
              h("button", { type: "button", onclick: close }, "Done")),
          ]).addEventListener("close", again);
        },
      }))),
    h("p", { class: "faint small" }, `You are signed in as ${me.name}.`),
  ];
}
