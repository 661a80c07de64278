import { send } from "./api.js";
import { field, form, h } from "./dom.js";

/** The door; `enter(person)` once it has opened. */
export function signIn(enter) {
  return h("section", { class: "sheet door" },
    h("h1", {}, "Gettone console"),
    form({
      fields: [
        field("E-mail", h("input", { name: "email", type: "email", autocomplete: "username", required: true })),
        field("Password", h("input", { name: "password", type: "password", autocomplete: "current-password", required: true })),
      ],
      submit: "Sign in",
      send: async ({ email, password }) => {
        try {
          enter(await send("/v1/staff/sign-in", { email, password }, { quiet: true }));
        } catch (fault) {
          throw fault.status === 401 ? new Error("This e-mail and password do not fit together.") : fault;
        }
      },
    }),
    h("p", { class: "faint small" }, "Your company's owner makes accounts under “Staff and keys”."));
}
